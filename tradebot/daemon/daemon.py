"""One run of the daemon: its stages put together over one venue session, its start up to the first order, its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import time
from functools import partial
from typing import Any

import tradebot
from tradebot.clock import MINUTE, SECOND, MarketClock
from tradebot.config import Config
from tradebot.control.control_apis import RunLists
from tradebot.control.halt_file import HaltFile
from tradebot.control.operator_api import OperatorApi
from tradebot.control.run_parts import RunParts
from tradebot.control.status_snapshot import status_snapshot
from tradebot.daemon.alerting import has_receiver
from tradebot.daemon.config_reload import ConfigReload
from tradebot.daemon.day_summary import DaySummary
from tradebot.daemon.engine_settings import engine_settings
from tradebot.daemon.head_keeper import JournalHeadKeeper
from tradebot.daemon.input_recorder import InputRecorder
from tradebot.daemon.lot_warnings import LotWarnings
from tradebot.daemon.run_listing import build_run_lists
from tradebot.daemon.run_probes import run_probes
from tradebot.daemon.run_results import RunResults
from tradebot.daemon.run_summary import summarize_run
from tradebot.daemon.run_vitals import RunVitals
from tradebot.daemon.status_reporter import StatusReporter
from tradebot.daemon.venue.instrument_check import InstrumentCheck
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.daemon.warmup.outage_repair import OutageRepair, RepairTerms
from tradebot.daemon.warmup.warm_start import WarmStages, WarmStart, WarmTerms
from tradebot.daemon.warmup.warmup_loader import WarmupLoader
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import AccountSnapshot, Command
from tradebot.journal.crash_history import crash_loop_reason
from tradebot.journal.disk_space import MB, reading_processes
from tradebot.journal.recovery import RecoveredAccount as Recovered
from tradebot.journal.recovery import RecoveredState
from tradebot.journal.rows import BODY_FORMAT, InstrumentList, RunRecord
from tradebot.journal.writer import Journal
from tradebot.metrics.run_metrics import RunMetrics
from tradebot.metrics.run_sources import RunSources
from tradebot.ops.events.analysis import WorkersChosen
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import BooksReconciled, PositionsUnwatched, StateRecovered
from tradebot.ops.events.venue import BooksNotRead
from tradebot.ops.interpreter_tuning import tuned_interpreter
from tradebot.ops.latency import Latencies
from tradebot.ops.systemd import Notifier
from tradebot.ops.watchdog import Watchdog
from tradebot.store.outbox import Outbox
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.analysis.warmup import load_journaled_closes
from tradebot.trading.analysis.worker_count import choose_worker_count
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.calendar_sessions import CalendarSessions
from tradebot.trading.disk_monitor import DiskMonitor, DiskThresholds
from tradebot.trading.engine import Engine, EngineStages, Telemetry
from tradebot.trading.price_band import PriceBand

# Wall seconds by which a quote's stamp may be ahead of our clock; a larger lead means that a clock is wrong.
MAX_QUOTE_AHEAD_S = 5.0


class Daemon:
    """One run: the stages over one venue session, and the tasks around them."""

    reload: ConfigReload | None = None  # takes up a changed config while the run trades

    def __init__(
        self, config: Config, run_id: str, venue_session: VenueSession, journal: Journal, recovery: RecoveredState,
        specs: Sequence[StrategySpec], *, outbox: Outbox | None, tell: EventListener, notifier: Notifier,
    ) -> None:  # fmt: skip
        self._config, self._run_id, self._venue_session, self._journal = config, run_id, venue_session, journal
        self._recovery, self._outbox, self._tell, self._notifier = recovery, outbox, tell, notifier
        clock, universe, interval = venue_session.clock, venue_session.universe, config.bars.interval_ns
        self._halt_file = HaltFile(config.app.state_dir)
        self._halt_file.read_reason()
        self._api: OperatorApi | None = None
        self._is_trading = False
        self.on_ready: Callable[[], None] = lambda: None  # called once the run has said that it is ready
        self.heads = JournalHeadKeeper(journal.path, begun=journal.row_numbers[0], clock=venue_session.clock, tell=tell)
        self._latencies = Latencies()
        self._began_at = clock.market_ns()
        self._specs = tuple(specs)
        self._recorder = InputRecorder(
            config, venue_session, journal, run_id=run_id, specs=specs, killed=lambda: self._halt_file.reason
        )  # fmt: skip
        self.desk = self._recorder.desk
        self._results = RunResults(self.desk.account)
        sessions = CalendarSessions(
            calendar=venue_session.traded_market.calendar,
            universe=universe,
            entries_until=time.fromisoformat(config.risk.entries_until),
            square_off_at=time.fromisoformat(config.risk.square_off_at),
        )
        grace = int(config.bars.grace_s * clock.speed * SECOND)
        ahead = int(MAX_QUOTE_AHEAD_S * clock.speed * SECOND)
        band = PriceBand([i.price_to_units(i.tick_size) for i in universe], window_ns=int(MINUTE / clock.speed))
        self.bars = BarBuilder(
            len(universe), interval_ns=interval, grace_ns=grace, sessions=sessions, max_ahead_ns=ahead, price_band=band
        )
        self._opens_at = int(sessions.session_at(self._began_at).opens_at.min())
        self.analysis = Analysis(
            universe=universe,
            strategies=specs,
            interval_ns=interval,
            workers=self._worker_count(config.analysis.workers, specs),
            deadline_s=config.analysis.deadline_s,
            clock=clock,
            load_closes=lambda: load_journaled_closes(journal, run=run_id, interval_ns=interval),
            on_fault=tell,
        )
        self.watchdog = Watchdog(notifier, clock=clock, tell=tell, has_failed=lambda: journal.error is not None)
        self.engine = Engine(
            feed=venue_session.venue.create_feed(universe, tell=tell),
            broker=venue_session.venue.broker,
            universe=universe,
            clock=clock,
            stages=EngineStages(bars=self.bars, analysis=self.analysis, desk=self.desk),
            journal=journal,
            telemetry=Telemetry(measure=self._latencies.record_duration, tell=tell, beat=self.watchdog.on_beat),
            settings=engine_settings(config, killed=self._halt_file.read_reason),
        )
        if (login := venue_session.login) is not None:
            login.on_renewed = self.engine.login_monitor.check_renewed
            self.engine.login_monitor.on_checked = login.on_broker_session
        loader = WarmupLoader(
            config, venue_session, journal.path, recovery, opens_at=self._opens_at,
            suspect=self.engine.login_monitor.check_soon, tell=tell,
        )  # fmt: skip
        signals, account = self.engine.signal_stage, self.desk.account
        stages = WarmStages(self.analysis, signals, self.bars, account, self._recorder)
        pace = venue_session.venue.venue_rules.candles_per_second
        self._lots = LotWarnings(universe, config.risk.order_notional, tell)
        terms = WarmTerms(universe, config.analysis.warmup_bars, pace, on_past=self._lots.check_past)
        self._warm_start = WarmStart(loader, stages, terms, clock=clock, tell=tell)
        repairs = RepairTerms.from_config(config, venue_session, self.engine.outages, self._warm_start.is_complete)
        self._outage_repair = OutageRepair(loader, signals, account, repairs, clock=clock, tell=tell)
        short = config.journal.min_free_mb * MB
        self.space = DiskMonitor(
            read_space=journal.measure_space, readers=partial(reading_processes, journal.path),
            thresholds=DiskThresholds(low_bytes=max(config.journal.warn_free_mb * MB, short), short_bytes=short),
            clock=clock, post=self.engine.queues.updates.put_or_fail, tell=tell,
        )  # fmt: skip
        self.watchdog.set_probes(run_probes(journal, self.engine, idle_every_s=config.reconcile.idle_every_s))
        self._status_reporter = StatusReporter(
            config, venue_session, engine=self.engine, account=self.desk.account, tell=tell, notifier=notifier
        )  # fmt: skip

    async def recover_and_reconcile(self) -> None:
        """Recover from the journal and reconcile with the venue, so that open positions have their stops again.

        The strategies are usually warmed up later, while the run trades, see `warm_start.py`.
        """
        config, venue_session, clock = self._config, self._venue_session, self._venue_session.clock
        recovered = self._recovery.recovered_account(venue_session.account)
        run_row = RunRecord(
            run_id=self._run_id,
            mode=config.mode_label,
            account=venue_session.account,
            symbols=venue_session.universe.symbols,
            venue=venue_session.venue_name,
            config_hash=config.settings_digest,
            versions={"tradebot": tradebot.__version__, "rows": BODY_FORMAT},
            pid=os.getpid(),
        )
        self._journal.append("run", run_row, at=clock.market_ns())
        self._journal.append(
            "universe", InstrumentList(instruments=venue_session.universe.instruments), at=clock.market_ns()
        )
        self._recover(recovered)
        await self.space.check_disk()
        today = venue_session.traded_market.day_number(clock.market_ns())
        venue_session.venue.resume_day(recovered.orders_sent_on(today))
        # On the embedded exchange market time stands still until the start is over. The strategies can be warmed up
        # first: no stop can be reached meanwhile, and no bar is missed.
        if self._is_market_held:
            await self._warm_start.warm_up_before_market(on_step=self._notifier.extend_timeout)
        snapshot = await self._compare()
        await self._halt_from_the_start()
        self._notifier.extend_timeout()
        account = self.desk.account
        event_class = StateRecovered if self._recovery.runs else BooksReconciled
        started = event_class(
            clean=self._recovery.is_clean,
            positions=len(account.open_symbols),
            working=sum(1 for _ in account.live_orders()),
            unknown=sum(1 for o in account.live_orders() if o.state.value == "UNKNOWN"),
            orders_at_venue=len(snapshot.orders),
            fills_at_venue=len(snapshot.fills),
            cash=snapshot.cash,
            halted=self._halt_file.reason or account.conditions.halt_reason or None,
        )
        self._tell(started)
        # A run of fewer symbols gets no prices for other positions of earlier runs: no stop, no mark, no square-off.
        if unwatched := sorted(s for s in account.open_symbols if s not in venue_session.universe):
            self._tell(PositionsUnwatched(symbols=unwatched))

    @property
    def _is_market_held(self) -> bool:
        clock = self._venue_session.clock
        return isinstance(clock, MarketClock) and clock.is_held

    def open_operator(
        self, ask_to_stop: Callable[[str], None], *, lines_dropped: Callable[[], int] = lambda: 0
    ) -> tuple[OperatorApi, RunLists]:
        """Return the operator's API of this run and what it can list; `ask_to_stop` ends the run with a reason."""
        config, venue_session, engine, halt_file = self._config, self._venue_session, self.engine, self._halt_file
        universe, strategies = venue_session.universe, [s.name for s in config.strategy]
        run = {
            "mode": config.mode_label,
            "run_id": self._run_id,
            "pid": os.getpid(),
            "account": venue_session.account,
            "venue": venue_session.venue_name,
            "symbols": list(universe.symbols),
            "strategies": strategies,
        }
        vitals = RunVitals(
            clock=venue_session.clock, engine=engine, recovery=self._recovery, outbox=self._outbox,
            lines_dropped=lines_dropped, login_ends=venue_session.login_ends, market=venue_session.traded_market,
            login_fields=dict if venue_session.login is None else venue_session.login.as_fields,
        )  # fmt: skip
        parts = RunParts(
            account=self.desk.account,
            universe=universe,
            clock=venue_session.clock,
            strategies=[(spec.name, spec.symbols) for spec in self._specs],
            killed=lambda: halt_file.reason,
            is_trading=lambda: self._is_trading,
            vitals=vitals.read_vitals,
            money=self._results.as_fields,
        )
        self._api = OperatorApi(
            account=self.desk.account,
            universe=universe,
            strategies=frozenset(strategies),
            clock=venue_session.clock,
            halt_file=halt_file,
            command=engine.execute_command,
            status_snapshot=lambda: status_snapshot(
                parts,
                run=run,
                queues=engine.queues,
                pending_requests=engine.order_sender.queue.pending_count,
                killed=halt_file.read_reason(),
                journal_rows=self._journal.row_numbers,
                fills=self._results.run_fills,
                orders=len(self._results.run_orders()),
            ),
            ask_to_stop=ask_to_stop,
        )
        interval = config.bars.interval_ns
        return self._api, build_run_lists(parts, self._journal, run_id=self._run_id, interval_ns=interval)

    def attach_metrics(self, metrics: RunMetrics) -> None:
        """Let the metrics of the process be read from this run, too."""
        login = self._venue_session.login
        sources = RunSources(
            account=self.desk.account,
            engine=self.engine,
            bars=self.bars,
            latencies=self._latencies,
            journal=self._journal,
            outbox=self._outbox,
            disk=self.space,
            clock=self._venue_session.clock,
            symbols=len(self._venue_session.universe),
            workers=lambda: len(self.analysis.worker_pids),
            login_state=lambda: "" if login is None else login.state,
            killed=lambda: self._halt_file.reason,
            is_trading=lambda: self._is_trading,
            ended_runs=(len(self._recovery.runs), len(self._recovery.crashed_runs)),
        )
        metrics.attach_run(sources)

    def _recover(self, account: Recovered) -> None:
        halts = self._recovery.halts_in_session(self._opens_at)
        self.desk.recover_state(
            (*account.events, *account.closing_events),
            adopted=account.adopted,
            halted="",
            opens_at=self._opens_at,
            halts=halts,
            flattened=self._recovery.flatten_ids,
            best=account.best_prices,
        )
        self._results.count_from(at=self._began_at, before=account.events)
        self._recorder.record_settings(
            self._specs, opens_at=self._opens_at, halts=halts, flattened=self._recovery.flatten_ids
        )  # fmt: skip
        for event in account.closing_events:
            self._journal.append("order", event, at=event.at)

    async def _halt_from_the_start(self) -> None:
        # After the reconciliation: the halt then cancels the entries that still work at the venue, as every halt does.
        most, now = self._config.risk.max_crashes, self._venue_session.clock.wall_ns()
        for control, why in (
            ("crash_loop", crash_loop_reason(self._recovery.crashed_runs, now=now, max_crashes=most)),
            ("journal_head", doubt := self._recovery.doubt),
        ):
            if why:
                await self.engine.execute_command(Command(verb=CommandVerb.HALT, reason=why, control=control))
        # The halt is in the journal now and stays until a person resumes, so the head may be saved: the next start does
        # not need the mismatch any more.
        if doubt:
            await self.heads.save_head()

    async def _compare(self) -> AccountSnapshot:
        gave_up = "the venue's books could not be read at start"
        return await self._venue_session.patience.retry_until_answered(
            self.engine.reconcile_at_start, failed=BooksNotRead, gave_up=gave_up
        )

    def _worker_count(self, setting: int | str, specs: Sequence[StrategySpec]) -> int:
        if setting != "auto":
            return int(setting)
        chosen, reason = choose_worker_count(specs, len(self._venue_session.universe), os.cpu_count() or 1)
        self._tell(WorkersChosen(workers=chosen, reason=reason))
        return chosen

    async def run_until_stopped(self, stop: asyncio.Event, reasons: list[str]) -> dict[str, Any]:
        """Run the engine until `stop`, report READY after the first valid quote, and return the summary.

        Open positions have their stops from the first quote on. Strategies decide on a symbol, and so may open
        positions, once it has its past.
        """
        with tuned_interpreter(self._venue_session.clock, self._latencies.record_duration):
            await self._trade(stop, reasons)
        summary = summarize_run(
            engine=self.engine, account=self.desk.account, bars=self.bars, latencies=self._latencies,
            results=self._results,
        )  # fmt: skip
        self._tell(summary)
        return summary.log_fields()

    async def _trade(self, stop: asyncio.Event, reasons: list[str]) -> None:
        async with asyncio.TaskGroup() as tasks:
            side_tasks = [tasks.create_task(work, name=name) for name, work in self._side_work(stop, reasons)]
            self._is_trading = True
            await self.engine.run(stop)
            self._notifier.extend_timeout()
            self._recorder.flush_inputs()
            self._status_reporter.warn_open_positions()
            for task in side_tasks:
                task.cancel()

    def _side_work(self, stop: asyncio.Event, reasons: list[str]) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        venue_session, config = self._venue_session, self._config
        if self.reload is not None:
            yield "reload", self.reload.run_reloads()
        yield "announce", self._announce()
        yield "status", self._status_reporter.report_status()
        yield "journal-watch", self._journal.raise_on_failure()
        yield "space-watch", self.space.run_checks()
        yield "journal-heads", self.heads.save_periodically()
        if self._outage_repair.is_wanted:
            yield "outage-repair", self._outage_repair.run_repairs()
        if (stop_after_s := config.app.stop_after_s) is not None:
            yield "stop-after", self._stop_after(stop_after_s, stop, reasons)
        if has_receiver(config):
            parts = self.desk.account, self._results, venue_session.traded_market
            yield "day-summary", DaySummary(*parts, clock=venue_session.clock, tell=self._tell).tell_each_day()
        yield "say-stopping", self._status_reporter.announce_stop(stop, reasons)
        if self._outbox is not None:
            yield "outbox", self._outbox.feed_store()
        if self._api is not None:
            yield "halt-file", self._api.watch_halt_file()
        if venue_session.login is not None:
            yield "login-watch", venue_session.login.watch_state(self.engine.login_monitor.check_soon)
            check = InstrumentCheck(
                venue_session, config.app.symbols, command=self.engine.execute_command, tell=self._tell
            )
            yield "instrument-check", check.check_each_day()
        if not self.engine.warmup_done.is_set():
            yield "warm-up", self._warm_start.warm_up()

    async def _announce(self) -> None:
        clock = self._venue_session.clock
        if isinstance(clock, MarketClock):
            await self.engine.stream_started.wait()
            clock.start_market()  # the embedded exchange opens once its first quotes are here
        await self._status_reporter.announce_ready()
        self.on_ready()
        # With warm-up bars this was checked when they came. Without them these are the first prices known.
        if not self._config.analysis.warmup_bars:
            symbols = self._venue_session.universe.symbols
            self._lots.check_prices({symbol: self.desk.account.last_price(symbol) for symbol in symbols})

    async def _stop_after(self, seconds: float, stop: asyncio.Event, reasons: list[str]) -> None:
        await self._venue_session.clock.sleep(seconds)
        reasons.append(f"app.stop_after is {self._config.app.stop_after}")
        stop.set()
