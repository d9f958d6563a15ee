"""The venue session of a run: the configured venue, opened and logged in, with its clock and its instruments."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.clock import Clock, MarketClock, VenueClock, WallClock
from tradebot.config import Config
from tradebot.config.sections import EMBEDDED
from tradebot.daemon.embedded_exchange import open_embedded_exchange
from tradebot.daemon.order_route import LiveRoute, OrderRoute, SimulatedRoute
from tradebot.daemon.start_retry import StartRetry
from tradebot.domain.instrument import Universe
from tradebot.errors import ConfigError, DataError
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.markets.market import Market, common_market
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import ExchangeOpened
from tradebot.ops.events.venue import InstrumentsNotRead, LoginFailed, RowsNotRead
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAccess, VenueAdapter
from tradebot.venues.venue import ReadOnlyVenue as Readable
from tradebot.venues.venue import Venue, VenueReader

NO_ANSWER = "the venue did not answer"
ROWS_NAMED = 3  # unreadable rows that one log line names
READER_WAITS_S = 15.0  # wall seconds to wait for a venue in commands that only read: short, because a person waits
EXCHANGE_LOG = "exchange.jsonl"


class VenueSession(NamedTuple):
    """An open venue with its account, clock and instruments, on which a run is built."""

    venue: Venue
    venue_name: str
    clock: Clock
    account: str
    universe: Universe
    patience: StartRetry
    login_ends: str = ""  # time of day (HH:MM) at which our login ends, "" if unknown

    @property
    def traded_market(self) -> Market:
        """Return the market of the instruments; its day is the run's. Raises DataError where they trade in several."""
        return common_market(i.exchange for i in self.universe)


class HistorySource(NamedTuple):
    """An open venue for reading past bars; it cannot send orders."""

    reader: VenueReader
    venue_name: str
    clock: Clock
    universe: Universe


@asynccontextmanager
async def open_venue_session(
    config: Config,
    *,
    exchange: dict[str, Any] | None,
    exchange_log: Path | None,
    seen_until: int,
    on_end: Callable[[str], None],
    tell: EventListener,
    faults: FaultPlan | None = None,
    wall: Clock | None = None,
    on_step: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
) -> AsyncIterator[VenueSession]:
    """Open the venue for one run and close it at the end.

    `exchange` is what an exchange that runs already printed: its addresses, keys and clock. `seen_until`,
    `exchange_log`, `on_end` and `faults` are for the embedded exchange, see `open_embedded_exchange`. `wall` is this
    machine's clock. `on_step` is called after each step that may take long, and during the wait for a venue that does
    not answer; that wait ends once `stopped` returns True.
    Raises VenueUnavailable, AccessDenied, StoppedEarly, DataError or ConfigError; ConfigError for a run that may not
    trade at the configured venue.
    """
    wall = wall or WallClock()
    start_retry = StartRetry(
        within_s=config.venue.wait_at_start_s, clock=wall, tell=tell, extend=on_step, stopped=stopped
    )
    async with AsyncExitStack() as stack:
        clock: Clock
        route: OrderRoute
        adapter = _adapter_of(config, exchange)
        if exchange is not None:
            name, route, clock = "exchange", SimulatedRoute.from_printed(adapter, exchange), _clock_of(exchange, wall)
        elif config.venue.name == EMBEDDED:
            opening = _embedded(
                config,
                adapter,
                seen_until=seen_until,
                log=exchange_log,
                on_end=on_end,
                faults=faults,
                tell=tell,
                wall=wall,
            )
            name, (route, clock) = EMBEDDED, await stack.enter_async_context(opening)
        else:
            name, route = adapter.name, LiveRoute.from_config(adapter, config)
            clock = VenueClock(wall) if adapter.has_venue_timestamps(config.venue_section(adapter)) else wall
        venue = await stack.enter_async_context(venue_with_orders(adapter, route, clock, config))
        broker = venue.broker
        account = await start_retry.retry_until_answered(broker.fetch_account_id, failed=LoginFailed, gave_up=NO_ANSWER)
        on_step()
        if config.app.mode == "live" and account != (
            live_account := adapter.live_account_id(config.venue_section(adapter))
        ):
            raise ConfigError(f"{adapter.name}.account_id is {live_account}, but the keys are of account {account}")
        universe = await _universe(broker, config, start_retry, tell)
        on_step()
        yield VenueSession(
            venue=venue,
            venue_name=name,
            clock=clock,
            account=account,
            universe=universe,
            patience=start_retry,
            # The token of the embedded exchange is valid as long as the exchange runs.
            login_ends="" if name == EMBEDDED else venue.venue_rules.login_ends,
        )


@asynccontextmanager
async def open_history_source(
    config: Config, *, exchange: dict[str, Any] | None, exchange_log: Path, tell: EventListener
) -> AsyncIterator[HistorySource]:
    """Open the venue for reading, in either mode; nothing here can send an order. Raises as `open_venue_session`."""
    wall = WallClock()
    async with AsyncExitStack() as stack:
        clock: Clock
        access: VenueAccess
        adapter = _adapter_of(config, exchange)
        if exchange is not None:
            name, access, clock = "exchange", SimulatedRoute.from_printed(adapter, exchange), _clock_of(exchange, wall)
        elif config.venue.name == EMBEDDED:
            opening = _embedded(
                config,
                adapter,
                seen_until=0,
                log=exchange_log,
                on_end=lambda _: None,
                faults=None,
                tell=tell,
                wall=wall,
            )
            name, (access, clock) = EMBEDDED, await stack.enter_async_context(opening)
        else:
            name, access, clock = adapter.name, adapter.access_from_settings(config.venue_section(adapter)), wall
        reading: AbstractAsyncContextManager[Readable] = adapter.build_read_only_venue(access, clock)
        source = await stack.enter_async_context(reading)
        reader = source.broker
        start_retry = StartRetry(within_s=READER_WAITS_S, clock=wall, tell=tell)
        await start_retry.retry_until_answered(reader.fetch_account_id, failed=LoginFailed, gave_up=NO_ANSWER)
        universe = await _universe(reader, config, start_retry, tell)
        yield HistorySource(reader=reader, venue_name=name, clock=clock, universe=universe)


@asynccontextmanager
async def _embedded(
    config: Config,
    adapter: VenueAdapter,
    *,
    seen_until: int,
    log: Path | None,
    on_end: Callable[[str], None],
    faults: FaultPlan | None,
    tell: EventListener,
    wall: Clock,
) -> AsyncIterator[tuple[SimulatedRoute, MarketClock]]:
    log = log or config.app.state_dir / EXCHANGE_LOG
    opening = open_embedded_exchange(
        config,
        symbols=config.app.symbols,
        seen_until=seen_until,
        log=log,
        on_end=on_end,
        faults=faults,
        tell=tell,
        wall=wall,
        adapter=adapter,
    )
    async with opening as (addresses, clock):
        route = SimulatedRoute.from_printed(adapter, addresses.to_json())
        tell(ExchangeOpened(addresses=route.addresses, speed=clock.speed, log=str(log)))
        yield route, clock


def _adapter_of(config: Config, exchange: dict[str, Any] | None) -> VenueAdapter:
    # The adapter whose protocol to speak: of the exchange that runs already, of the configured venue, or the default
    # one for the embedded exchange.
    if exchange is not None:
        return registry.adapter_of_printed(exchange)
    return registry.find_adapter(config.venue.name) or registry.default_adapter()


def venue_with_orders(
    adapter: VenueAdapter, route: OrderRoute, clock: Clock, config: Config
) -> AbstractAsyncContextManager[Venue]:
    """Return a venue that can send orders. Only this function builds one."""
    assert isinstance(route, OrderRoute), f"{type(route).__name__} is no order route"
    found: AbstractAsyncContextManager[Venue] = adapter.build_trading_venue(
        route, clock, config.venue_section(adapter), silent_after_s=config.feed.silent_after_s
    )
    return found


def _clock_of(exchange: dict[str, Any], wall: Clock) -> MarketClock:
    printed = exchange["clock"]
    return MarketClock(starts_at=printed["market"], anchor_mono=printed["monotonic"], speed=printed["speed"], wall=wall)


async def _universe(reader: VenueReader, config: Config, start_retry: StartRetry, tell: EventListener) -> Universe:
    symbols = config.app.symbols
    listed = await start_retry.retry_until_answered(
        lambda: reader.fetch_instruments(symbols), failed=InstrumentsNotRead, gave_up=NO_ANSWER
    )
    if listed.unread:
        some = [f"{row.symbol or 'a row without a symbol'}: {row.reason}" for row in listed.unread[:ROWS_NAMED]]
        tell(RowsNotRead(book="instruments", rows=len(listed.unread), some=some))
    twice = [symbol for symbol, count in Counter(i.symbol for i in listed).items() if count > 1]
    if twice:
        raise DataError(f"{', '.join(twice)}: asked for on two exchanges; one run trades a symbol on one of them")
    return Universe(listed)
