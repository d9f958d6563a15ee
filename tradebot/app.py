"""The one file that knows all parts: opens what the config asks for, recovers, reconciles, runs, and sums up.

    recovery ▶ venue ▶ account ▶ instruments ▶ journal ▶ workers warm ▶ reconciliation ▶ engine ▶ summary

Start is recovery: a clean stop and a crash take the same path and differ only in what the log says of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import time
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import tradebot
from tradebot.clock import MILLISECOND, SECOND, Clock, MarketClock, WallClock
from tradebot.config import Config, StrategySection
from tradebot.controls import charges_of, desk_settings, gate
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Series
from tradebot.embedded import embedded
from tradebot.engine import Engine
from tradebot.errors import ConfigError, LinkLost, VenueUnavailable
from tradebot.journal.closes import closes
from tradebot.journal.recovery import Books as Recovered
from tradebot.journal.recovery import Recovery, recover
from tradebot.journal.rows import End, Listing, Run
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.markets.calendar import TradingCalendar, day_of
from tradebot.ops.latency import Latencies
from tradebot.ops.narrator import Narrator, Tell
from tradebot.ops.systemd import Notifier
from tradebot.stages.analysis import Analysis
from tradebot.stages.bars import Bars
from tradebot.stages.desk import Desk
from tradebot.stages.sessions import CalendarSessions
from tradebot.stages.watch import FeedWatch
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.summary import summarize
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.venue import Broker, Venue

LOGIN_TRIES = 5
FIRST_QUOTE_S = 20.0  # wall seconds READY waits for a quote before it says that none came
STATUS_EVERY_S = 5.0
WARMUP_WITHIN_S = 60.0  # a venue that allows three history requests a second warms up 180 symbols in this time
EXCHANGE_LOG = "exchange.jsonl"


class Options(NamedTuple):
    """What the command line adds to the config: `exchange` holds the addresses that a running exchange printed."""

    run_id: str
    run_number: int
    exchange: dict[str, Any] | None = None
    exchange_log: Path | None = None


class Ground(NamedTuple):
    """What a run stands on once venue, account and instruments are known."""

    venue: Venue
    venue_name: str
    clock: Clock
    account: str
    universe: Universe


async def run(config: Config, options: Options, *, tell: Tell, notifier: Notifier) -> dict[str, Any]:
    """Trade as the config says until a signal, `app.stop_after` or the end of the prices; returns the summary.

    Raises a TradebotError, with one sentence, for whatever keeps it from starting or going on; what a task raised
    comes in its ExceptionGroup.
    """
    stop, reasons = asyncio.Event(), list[str]()

    def ask_to_stop(reason: str) -> None:
        if reason == "SIGINT" and "SIGINT" in reasons:
            os._exit(130)  # the second Ctrl-C: every acknowledged row is on disk, the next start recovers the rest
        reasons.append(reason)
        stop.set()

    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        loop.add_signal_handler(getattr(signal, name), ask_to_stop, name)
    specs = strategies(config.strategy)
    state_dir = config.app.state_dir
    recovery = await asyncio.to_thread(recover, state_dir / FILE_NAME)
    tell(
        "daemon_started",
        version=tradebot.__version__,
        pid=os.getpid(),
        state_dir=str(state_dir),
        runs=len(recovery.runs),
    )
    async with AsyncExitStack() as stack:
        narrator = Narrator(tell)
        journal = await stack.enter_async_context(
            Journal(
                state_dir,
                run=options.run_id,
                clock=WallClock(),
                on_durable=narrator.on_durable,
                durable_within_s=None,
                min_free_mb=config.journal.min_free_mb,
            )
        )
        opening = _open_ground(config, options, seen_until=recovery.last_at, on_end=ask_to_stop, tell=tell)
        ground = await stack.enter_async_context(opening)
        daemon = Daemon(config, options, ground, journal, recovery, specs, tell=tell, notifier=notifier)
        stack.push_async_callback(daemon.analysis.close)
        await daemon.start()
        summary = await daemon.trade(stop, reasons)
        journal.append("end", End(reason=reasons[0], summary=summary), at=ground.clock.market())
    tell("daemon_stopped", reason=reasons[0], journal=str(state_dir / FILE_NAME))
    return summary


def strategies(sections: Sequence[StrategySection]) -> list[StrategySpec]:
    """Return the strategies of the config. Raises DataError or ConfigError."""
    names = [s.name for s in sections]
    if len(set(names)) != len(names):
        raise ConfigError(f"[[strategy]] names {', '.join(sorted({n for n in names if names.count(n) > 1}))} twice")
    return [load_strategy(s.name, s.params) for s in sections]


@asynccontextmanager
async def _open_ground(
    config: Config, options: Options, *, seen_until: int, on_end: Callable[[str], None], tell: Tell
) -> AsyncIterator[Ground]:
    symbols = config.app.symbols
    async with AsyncExitStack() as stack:
        clock: Clock
        if options.exchange is not None:
            name, address = "exchange", options.exchange["kite"]
            time_ = options.exchange["clock"]
            clock = MarketClock(origin=time_["market"], anchor=time_["monotonic"], speed=time_["speed"])
        elif config.venue.name == "embedded":
            name, log = "embedded", options.exchange_log or config.app.state_dir / EXCHANGE_LOG
            addresses, clock = await stack.enter_async_context(
                embedded(config, symbols=symbols, seen_until=seen_until, log=log, on_end=on_end)
            )
            address = addresses.render()["kite"]
            tell("exchange_opened", rest=addresses.rest, ticker=addresses.ticker, speed=clock.speed, log=str(log))
        else:
            name, clock, kite = "kite", WallClock(), config.kite
            address = {
                "rest": kite.rest,
                "ticker": kite.ticker,
                "api_key": kite.api_key.get_secret_value(),
                "access_token": kite.access_token.get_secret_value(),
            }
        venue = await stack.enter_async_context(
            KiteVenue(
                rest=address["rest"],
                ticker=address["ticker"],
                api_key=address["api_key"],
                access_token=address["access_token"],
                clock=clock,
                mode=config.kite.mode,
                silent_after_s=config.feed.silent_after_s,
            )
        )
        account = await _login(venue.broker, clock, tell)
        if config.app.mode == "live" and account != config.kite.account_id:
            raise ConfigError(f"kite.account_id is {config.kite.account_id}, but the keys are of account {account}")
        universe = Universe(await venue.broker.instruments(symbols))
        yield Ground(venue=venue, venue_name=name, clock=clock, account=account, universe=universe)


async def _login(broker: Broker, clock: Clock, tell: Tell) -> str:
    for attempt in range(1, LOGIN_TRIES + 1):
        try:
            return await broker.login()
        except LinkLost as error:
            if attempt == LOGIN_TRIES:
                raise VenueUnavailable(f"the venue did not answer in {LOGIN_TRIES} tries: {error}") from error
            tell("login_failed", level="warning", attempt=attempt, reason=str(error))
            await clock.sleep(2.0 ** (attempt - 1) / 2)
    raise AssertionError("the loop above returns or raises")


class Daemon:
    """One run: the stages over one ground, and what is done around them."""

    def __init__(
        self, config: Config, options: Options, ground: Ground, journal: Journal, recovery: Recovery,
        specs: Sequence[StrategySpec], *, tell: Tell, notifier: Notifier,
    ) -> None:  # fmt: skip
        self._config, self._options, self._ground, self._journal = config, options, ground, journal
        self._recovery, self._tell, self._notifier = recovery, tell, notifier
        clock, universe = ground.clock, ground.universe
        self._latencies = Latencies()
        self._began_at = clock.market()
        self._beat_at = 0
        interval = config.bars.interval_ns
        self.desk = Desk(
            universe=universe,
            gate=gate(config, speed=clock.speed),
            settings=desk_settings(config),
            charges_of=charges_of(universe),
            id_prefix=order_prefix(options.run_number),
            absent_after_s=ground.venue.profile.absent_after_s,
        )
        sessions = CalendarSessions(
            calendar=TradingCalendar(),
            universe=universe,
            entries_until=time.fromisoformat(config.risk.entries_until),
            square_off_at=time.fromisoformat(config.risk.square_off_at),
        )
        grace = int(config.bars.grace_s * clock.speed * SECOND)
        self.bars = Bars(len(universe), interval=interval, grace=grace, sessions=sessions)
        self._opens_at = int(sessions.at(self._began_at).opens.min())
        self.analysis = Analysis(
            universe=universe,
            strategies=specs,
            interval=interval,
            workers=workers(config.analysis.workers),
            deadline_s=config.analysis.deadline_s,
            clock=clock,
            recall=self._recall,
            on_fault=lambda event, fields: tell(event, level="error", **fields),
        )
        self.engine = Engine(
            feed=ground.venue.feed(universe),
            broker=ground.venue.broker,
            clock=clock,
            bars=self.bars,
            analysis=self.analysis,
            desk=self.desk,
            journal=journal,
            watch=FeedWatch(stale_after_s=config.feed.stale_after_s, speed=clock.speed),
            measure=self._latencies.record,
            tell=tell,
            beat=self._beat,
            universe=universe,
            poll_every_s=config.feed.poll_every_s,
            reconcile_live_s=config.reconcile.live_every_s,
            reconcile_idle_s=config.reconcile.idle_every_s,
            order_deadline_s=config.risk.max_signal_age_s,
            durable_within_s=config.journal.durable_within_s,
        )

    async def start(self) -> None:
        """Recover from the journal, warm the workers up, compare with the venue: everything before the first order."""
        config, ground, clock = self._config, self._ground, self._ground.clock
        books = self._recovery.of(ground.account)
        run_row = Run(
            run_id=self._options.run_id,
            mode=config.app.mode,
            account=ground.account,
            symbols=ground.universe.symbols,
            venue=ground.venue_name,
            config_hash=config_hash(config),
            versions={"tradebot": tradebot.__version__},
            pid=os.getpid(),
        )
        self._journal.append("run", run_row, at=clock.market())
        self._journal.append("universe", Listing(instruments=ground.universe.instruments), at=clock.market())
        self._recover(books)
        await self.analysis.start(await self._warmup())
        try:
            compared = await self.engine.reconcile()
        except LinkLost as error:
            raise VenueUnavailable(f"the venue's books could not be read at start: {error}") from error
        blotter = self.desk.blotter
        self._tell(
            "recovered" if self._recovery.runs else "reconciled",
            clean=self._recovery.is_clean,
            positions=len(self.desk.holdings()),
            working=sum(1 for _ in blotter.live()),
            unknown=sum(1 for o in blotter.live() if o.state.value == "UNKNOWN"),
            orders_at_venue=len(compared.orders),
            fills_at_venue=len(compared.executions),
            cash=compared.cash,
            halted=self.desk.conditions.halted or None,
        )

    def _recover(self, books: Recovered) -> None:
        halt_day = day_of(self._recovery.last_at) if self._recovery.last_at else None
        # A halt for the day's loss ends with the day; the desk starts the next one afresh.
        stands = self._recovery.halted and (
            "max_daily_loss" not in self._recovery.halted or halt_day == day_of(self._began_at)
        )
        self.desk.recover(
            (*books.facts, *books.undone),
            adopted=books.adopted,
            halted=self._recovery.halted if stands else "",
            opens_at=self._opens_at,
        )
        for fact in books.undone:
            self._journal.append("order", fact, at=fact.at)

    async def _warmup(self) -> list[Series]:
        bars, interval = self._config.analysis.warmup_bars, self._config.bars.interval_ns
        if not bars:
            return []
        now = self._ground.clock.market()
        sessions = bars * interval // (300 * 60 * SECOND) + 1
        start = now - (2 * sessions + 6) * 86_400 * SECOND  # weekends and holidays lie between
        found: list[Series] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(WARMUP_WITHIN_S):
                for instrument in self._ground.universe:
                    try:
                        series = await self._ground.venue.broker.history(
                            instrument, interval=interval, start=start, end=now
                        )
                    except LinkLost as error:
                        self._tell("warmup_missing", level="warning", symbol=instrument.symbol, reason=str(error))
                        continue
                    found.append(_newest(series, bars))
        self._tell("warmed_up", symbols=len(found), of=len(self._ground.universe), bars=sum(map(len, found)))
        return found

    async def trade(self, stop: asyncio.Event, reasons: list[str]) -> dict[str, Any]:
        """Run the engine until `stop`, saying READY after the first sound quote; returns the summary."""
        async with asyncio.TaskGroup() as tasks:
            around = [
                tasks.create_task(self._announce(), name="announce"),
                tasks.create_task(self._report(), name="status"),
                tasks.create_task(self._journal.watch(), name="journal-watch"),
            ]
            if (after := self._config.app.stop_after_s) is not None:
                around.append(tasks.create_task(self._stop_after(after, stop, reasons), name="stop-after"))
            around.append(tasks.create_task(self._say_stopping(stop, reasons), name="say-stopping"))
            await self.engine.run(stop)
            for task in around:
                task.cancel()
        summary = summarize(
            engine=self.engine, desk=self.desk, bars=self.bars, latencies=self._latencies, since=self._began_at
        )
        self._tell("session_summary", **summary)
        return summary

    async def _announce(self) -> None:
        clock = self._ground.clock
        if isinstance(clock, MarketClock):
            await self.engine.streaming.wait()
            clock.release()  # the embedded exchange opens when somebody listens
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_QUOTE_S):
                await self.engine.ready.wait()
        config = self._config
        self._tell(
            "ready",
            symbols=len(self._ground.universe),
            strategies=[s.name for s in config.strategy],
            interval=config.bars.interval,
            venue=self._ground.venue_name,
            account=self._ground.account,
            quotes="flowing" if self.engine.ready.is_set() else "none yet",
        )
        self._notifier.ready(self._status())

    async def _report(self) -> None:
        while True:
            await self._ground.clock.sleep(STATUS_EVERY_S)
            self._notifier.status(self._status())

    async def _stop_after(self, seconds: float, stop: asyncio.Event, reasons: list[str]) -> None:
        await self._ground.clock.sleep(seconds)
        reasons.append(f"app.stop_after is {self._config.app.stop_after}")
        stop.set()

    async def _say_stopping(self, stop: asyncio.Event, reasons: list[str]) -> None:
        await stop.wait()
        self._tell("daemon_stopping", reason=reasons[0], resting_orders=self._config.execution.on_stop)
        self._notifier.stopping()

    def _status(self) -> str:
        halted = f", HALTED: {self.desk.conditions.halted}" if self.desk.conditions.halted else ""
        return (
            f"{self._config.app.mode.upper()} {len(self._ground.universe)} symbols, "
            f"day PnL {self.desk.day_profit():+.2f}, {len(self.desk.holdings())} positions{halted}"
        )

    def _beat(self) -> None:
        # Called for each clock tick that came through bars and desk: the loop, the queues and the journal all move.
        every = self._notifier.watchdog_every_s
        now = self._ground.clock.monotonic()
        if every is not None and self._journal.error is None and now - self._beat_at >= every * SECOND:
            self._beat_at = now
            self._notifier.watchdog()

    async def _recall(self) -> list[Close]:
        await self._journal.durable()
        return await asyncio.to_thread(self._read_closes)

    def _read_closes(self) -> list[Close]:
        path, interval = self._journal.path, self._config.bars.interval_ns
        return [close for _, close in closes(path, interval, run=self._options.run_id)]


def _newest(series: Series, n: int) -> Series:
    columns = {name: getattr(series, name)[-n:] for name in ("starts", "open", "high", "low", "close", "volume")}
    return Series(symbol=series.symbol, interval=series.interval, **columns)


def workers(setting: int | str) -> int:
    """Return the number of worker processes; `auto` leaves one core to the loop."""
    return max(1, (os.cpu_count() or 2) - 1) if setting == "auto" else int(setting)


def config_hash(config: Config) -> str:
    """Return a short hash of every setting that is not secret."""
    return blake2b(config.model_dump_json().encode(), digest_size=8).hexdigest()


def run_number(clock: Clock) -> int:
    """Return the number of a run that begins now: wall milliseconds, so that two runs never share one."""
    return clock.wall() // MILLISECOND


def order_prefix(number: int) -> str:
    """Return the first part of this run's order ids: `T` and the run's number in base 36, with room for a counter."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return f"T{text}"
