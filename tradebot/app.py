"""The one file that knows all parts: it opens what the config names, runs the daemon, and closes everything in reverse.

    recovery ▶ journal ▶ venue ▶ account ▶ instruments ▶ workers warm ▶ reconciliation ▶ engine ▶ summary

Every start is a recovery. A start after a clean stop and one after a crash run the same code; only the log differs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tradebot
from tradebot.clock import MILLISECOND, Clock, WallClock
from tradebot.config import Config
from tradebot.control.api_token import load_token, token_path
from tradebot.control.control_apis import ControlApis
from tradebot.control.event_memory import EventMemory, EventRenderer
from tradebot.control.event_stream import EventStreams
from tradebot.control.loopback_address import LoopbackAddress
from tradebot.control.server import serve_control_socket, serve_loopback
from tradebot.daemon.alerting import Alerting, open_alerting
from tradebot.daemon.config_reload import ConfigReload, ReloadHooks, load_changed_strategies
from tradebot.daemon.daemon import Daemon
from tradebot.daemon.daemon_start import DaemonStart
from tradebot.daemon.run_failure import RunState, install_signal_handlers, log_failure
from tradebot.daemon.start_checks import check_day_covered, load_strategies, raise_start_problems, start_warnings
from tradebot.daemon.venue.venue_session import VenueSession, open_venue_session
from tradebot.errors import AccessDenied
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.journal import journal_heads
from tradebot.journal.disk_reserve import wanted_reserve_bytes
from tradebot.journal.disk_space import MB
from tradebot.journal.recovery import RecoveredState, recover_state
from tradebot.journal.rows import RunEnd
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal, WriteLimits
from tradebot.journal.writer_thread import WriteDriver
from tradebot.metrics.run_metrics import RunMetrics
from tradebot.ops.event_lines import EventLines
from tradebot.ops.events.bus import EventBus
from tradebot.ops.events.event import ERROR, EventListener
from tradebot.ops.events.process import ApiOpened
from tradebot.ops.events.run import CautionRaised, DaemonStarted, DaemonStopped
from tradebot.ops.journal_logger import JournalLogger
from tradebot.ops.systemd import Notifier
from tradebot.store.outbox import Outbox
from tradebot.store.store import StoreDeadlines
from tradebot.store.store_factory import choose_store
from tradebot.trading.desk.fill_charges import charges_by_market


class RunOptions(NamedTuple):
    """The options that the command line adds to the config.

    `run_id` names the run and is the prefix of its order ids. `exchange` holds the addresses that a running exchange
    printed. `faults` is the fault plan of the embedded exchange. `lines_dropped` returns the number of lost log lines.
    With `is_dry` the start goes up to READY and out, and no order can leave. `has_login` says that a run on `exchange`
    has a login of a person, as at a real venue. `read_config` reads the config again for a reload, None where there is
    none to read; `set_log_level` takes the name of a level. `event_lines` renders events as the log does, with its
    secrets masked.
    """

    run_id: str
    exchange: dict[str, Any] | None = None
    exchange_log: Path | None = None
    faults: FaultPlan | None = None
    lines_dropped: Callable[[], int] = lambda: 0
    is_dry: bool = False
    has_login: bool = False
    read_config: Callable[[], Config] | None = None
    set_log_level: Callable[[str], None] = lambda _: None
    event_lines: EventRenderer = EventLines()


async def run(
    config: Config,
    options: RunOptions,
    *,
    bus: EventBus,
    notifier: Notifier,
    wall_clock: Clock | None = None,
    write_thread: WriteDriver | None = None,
) -> dict[str, Any]:
    """Trade by the config until a signal, `app.stop_after` or the end of the prices; return the summary.

    `bus` receives the events. A simulation passes `wall_clock`, this machine's time, and `write_thread`, which drives
    the journal.

    Raises a TradebotError with one sentence when the daemon cannot start or go on. An error from a task arrives in the
    task group's ExceptionGroup.
    """
    wall_clock = wall_clock or WallClock()
    raise_start_problems(config, now=wall_clock.wall_ns(), has_exchange=options.exchange is not None)
    findings: list[str] = []
    metrics = RunMetrics(
        version=tradebot.__version__, mode=config.mode_label, clock=wall_clock, lines_dropped=options.lines_dropped
    )
    bus.subscribe(metrics.counts.count_event)
    if options.is_dry:
        bus.subscribe(lambda event: findings.append(event.name) if event.level == ERROR else None)
    memory = EventMemory(options.run_id, options.event_lines, wall_clock)
    bus.subscribe(memory.record_event)
    mode = "rehearsal" if options.faults is not None else config.mode_label
    async with AsyncExitStack() as stack:
        # Around the failure's own event, which leaves as an alert as well.
        alerting = Alerting()
        if not options.is_dry:
            alerting = await stack.enter_async_context(open_alerting(config, bus, clock=wall_clock, mode=mode))
        run_state = stack.enter_context(log_failure(bus.emit_event))
        summary = await _run(
            config,
            options,
            memory,
            tell=bus.emit_event,
            notifier=notifier,
            wall=wall_clock,
            driver=write_thread,
            run_state=run_state,
            metrics=metrics,
            alerting=alerting,
        )
        if findings:
            told = ", ".join(dict.fromkeys(findings))
            raise AccessDenied(f"the dry start found what keeps this run from trading; look at the log for {told}")
        return summary


async def _run(
    config: Config,
    options: RunOptions,
    memory: EventMemory,
    *,
    tell: EventListener,
    notifier: Notifier,
    wall: Clock,
    driver: WriteDriver | None,
    run_state: RunState,
    metrics: RunMetrics,
    alerting: Alerting,
) -> dict[str, Any]:
    stop, reasons = asyncio.Event(), list[str]()
    ask_to_stop = _on_signals(stop, reasons)
    install_signal_handlers(tell, run_state)
    specs = load_strategies(config)
    path = config.app.state_dir / FILE_NAME
    notifier.extend_timeout()  # reading a long journal to its end takes time, and it comes before everything else
    doubt = await asyncio.to_thread(journal_heads.head_mismatch_reason, path)
    recovery = (await asyncio.to_thread(recover_state, path))._replace(doubt=doubt)
    notifier.extend_timeout()
    _tell_start(config, tell, runs=len(recovery.runs), now=wall.wall_ns())
    async with AsyncExitStack() as stack:
        if (outbox := open_outbox(config, tell, wall)) is not None:
            # The stack runs this after the journal is closed, so the journal's last row is fed as well.
            stack.push_async_callback(outbox.finish_and_close)
        journal = _create_journal(config, options.run_id, wall, driver)
        journal_logger = JournalLogger(tell, wall)
        journal.subscribe_to_commits(journal_logger.log_rows_later)
        await stack.enter_async_context(journal)
        start = DaemonStart(config, options.run_id, notifier=notifier, clock=wall, stopped=stop.is_set)
        apis = ControlApis(
            start.create_api(ask_to_stop),
            start.login_api,
            events=EventStreams(memory, wall, tell),
            metrics=metrics.render_text,
        )
        await stack.enter_async_context(serve_api(config, apis, wall, tell))
        stack.callback(memory.end_waits)  # before the API closes: its streams end at once
        await stack.enter_async_context(start.beats())
        alerting.apis = apis
        alerting.needs_login = metrics.needs_login = lambda: start.needs_login
        opening = _open_venue(config, options, start, recovery, on_end=ask_to_stop, tell=tell, wall=wall)
        venue_session = await stack.enter_async_context(opening)
        check_day_covered(venue_session.clock.market_ns(), venue_session.traded_market)
        journal_logger.market = venue_session.traded_market
        alerting.follow_market(venue_session.clock, venue_session.traded_market)
        daemon = Daemon(
            config, options.run_id, venue_session, journal, recovery, specs, outbox=outbox, tell=tell, notifier=notifier
        )
        stack.push_async_callback(daemon.analysis.stop_workers)
        daemon.attach_metrics(metrics)
        api, lists = daemon.open_operator(ask_to_stop, lines_dropped=options.lines_dropped)
        apis.begin_run(api, lists)
        run_state.status_snapshot = api.current_status
        run_state.positions = daemon.desk.account.open_quantities
        if options.read_config is not None:
            hooks = ReloadHooks(
                options.read_config,
                lambda wanted: load_changed_strategies(daemon.analysis.strategies, wanted),
                daemon.engine.signal_stage.change_params,
                daemon.engine.execute_command,
                options.set_log_level,
                alerting.change_settings,
            )
            daemon.reload = reload = ConfigReload(
                config, hooks, daemon.desk.account, notifier, speed=venue_session.clock.speed, tell=tell
            )
            run_state.ask_to_reload, apis.reload_config = reload.ask, reload.reload
        started = await _unless(stop, daemon.recover_and_reconcile())
        start.end_beats()
        alerting.stall_reason = daemon.watchdog.stall_reason
        if options.is_dry:
            daemon.on_ready = lambda: ask_to_stop("the dry start is ready")
        summary = await daemon.run_until_stopped(stop, reasons) if started else {}
        journal.append("end", RunEnd(reason=reasons[0], summary=summary), at=venue_session.clock.market_ns())
        notifier.extend_timeout()
    tell(DaemonStopped(reason=reasons[0], journal=str(path), **await daemon.heads.save_head()))
    return summary


def _open_venue(
    config: Config,
    options: RunOptions,
    start: DaemonStart,
    recovery: RecoveredState,
    *,
    on_end: Callable[[str], None],
    tell: EventListener,
    wall: Clock,
) -> AbstractAsyncContextManager[VenueSession]:
    return open_venue_session(
        config,
        exchange=options.exchange,
        exchange_log=options.exchange_log,
        seen_until=recovery.last_at,
        on_end=on_end,
        tell=tell,
        faults=options.faults,
        wall=wall,
        hooks=start.hooks(may_wait=not options.is_dry),
        is_dry=options.is_dry,
        has_login=options.has_login,
        known_accounts=recovery.accounts,
    )


def _create_journal(config: Config, run_id: str, clock: Clock, driver: WriteDriver | None) -> Journal:
    limits, reserve = WriteLimits(durable_within_s=None), partial(reserve_bytes, config)
    return Journal(config.app.state_dir, run=run_id, clock=clock, limits=limits, reserve=reserve, driver=driver)


@asynccontextmanager
async def serve_api(config: Config, apis: ControlApis, clock: Clock, tell: EventListener) -> AsyncIterator[None]:
    """Answer the operator on the control socket, and on loopback if the config says so. Raises StateError."""
    state_dir = config.app.state_dir
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_control_socket(state_dir, apis, clock=clock))
        if config.api.listen:
            path, address = token_path(state_dir), LoopbackAddress.parse(config.api.listen)
            token = await asyncio.to_thread(load_token, path)
            await stack.enter_async_context(serve_loopback(address, token, apis, clock=clock))
            tell(ApiOpened(address=str(address), token_file=str(path)))
        yield


def _tell_start(config: Config, tell: EventListener, *, runs: int, now: int) -> None:
    begun = DaemonStarted(version=tradebot.__version__, pid=os.getpid(), state_dir=str(config.app.state_dir), runs=runs)
    tell(begun)
    for caution in start_warnings(config, now=now):
        tell(CautionRaised(reason=caution))


def reserve_bytes(config: Config, last_day: int) -> int:
    """Return the bytes that the journal reserves for a full disk; `last_day` is the number of bytes of its last day."""
    setting = config.journal.reserve_mb
    return wanted_reserve_bytes(len(config.app.symbols), last_day) if setting == "auto" else setting * MB


def _on_signals(stop: asyncio.Event, reasons: list[str]) -> Callable[[str], None]:
    interrupts = 0

    def ask_to_stop(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            os._exit(130)  # second Ctrl-C: every acknowledged row is on disk, and the next start recovers the rest
        ask_to_stop("SIGINT")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ask_to_stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return ask_to_stop


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` to its end and return True; cancel it and return False when `stop` is set first."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work, name="start")
        stopping = tasks.create_task(stop.wait(), name="stop-before-start")
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
    return not working.cancelled()


def open_outbox(config: Config, tell: EventListener, clock: Clock) -> Outbox | None:
    """Return the outbox that feeds the tables, or None where the config disables them."""
    section = config.store
    if not section.enabled:
        return None
    deadlines = StoreDeadlines(section.acquire_within_s, section.query_within_s, section.close_within_s)
    store = choose_store(section.dsn.get_secret_value(), config.app.state_dir, clock=clock, deadlines=deadlines)
    return Outbox(
        store,
        config.app.state_dir / FILE_NAME,
        clock=clock,
        tell=tell,
        charges_for=charges_by_market,
        batch_rows=section.batch_rows,
        migrates=section.migrate,
    )


def run_id(clock: Clock) -> str:
    """Return the id of a run that begins now: `T` and the wall milliseconds in base 36, which makes it unique."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = clock.wall_ns() // MILLISECOND, ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return f"T{text}"
