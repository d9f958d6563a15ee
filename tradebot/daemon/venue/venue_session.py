"""The venue session of a run: the configured venue, opened and logged in, with its clock and its instruments."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.clock import Clock, MarketClock, VenueClock, WallClock
from tradebot.config import Config
from tradebot.config.sections import EMBEDDED
from tradebot.daemon.login.broker_login import BrokerLogin, LoginPlace
from tradebot.daemon.login.login_at_start import NO_ANSWER, StartHooks, account_of_login, report_rights
from tradebot.daemon.start_retry import StartRetry
from tradebot.daemon.venue.dry_venue import DryVenue
from tradebot.daemon.venue.embedded_exchange import open_embedded_exchange
from tradebot.daemon.venue.exchange_clock import follow_exchange_clock
from tradebot.daemon.venue.order_route import LiveRoute, OrderRoute, SimulatedRoute
from tradebot.daemon.venue.paper_session import paper_venue, shadow_venue
from tradebot.domain.instrument import Universe
from tradebot.errors import ConfigError, DataError
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.markets.market import Market, common_market, market_of
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import ExchangeOpened
from tradebot.ops.events.venue import InstrumentsNotRead, RowsNotRead
from tradebot.paper.venue import PaperVenue
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAccess, VenueAdapter
from tradebot.venues.venue import ReadOnlyVenue as Readable
from tradebot.venues.venue import Venue, VenueReader

ROWS_NAMED = 3  # unreadable rows that one log line names
READER_WAITS_S = 15.0  # wall seconds to wait for a venue in commands that only read: short, because a person waits
EXCHANGE_LOG = "exchange.jsonl"
EXCHANGE = "exchange"  # the venue's name where an exchange on this machine invents the prices


class VenueSession(NamedTuple):
    """An open venue with its account, clock and instruments, on which a run is built."""

    venue: Venue
    venue_name: str
    clock: Clock
    account: str
    universe: Universe
    patience: StartRetry
    login_ends: str = ""  # time of day (HH:MM) at which our login ends, "" if unknown
    login: BrokerLogin | None = None  # where a person logs in each day
    is_rehearsal: bool = False  # an exchange on this machine stands in the place of the venue

    @property
    def history_venue(self) -> str:
        """Return the venue under which past bars are kept: those of a rehearsal are not the real venue's."""
        return EXCHANGE if self.is_rehearsal else self.venue_name

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
    hooks: StartHooks = StartHooks(),
    is_dry: bool = False,
    has_login: bool = False,
    known_accounts: Collection[str] = (),
) -> AsyncIterator[VenueSession]:
    """Open the venue for one run and close it at the end.

    `exchange` is what an exchange that runs already printed: its addresses, keys and clock. `seen_until`,
    `exchange_log`, `on_end` and `faults` are for the embedded exchange, see `open_embedded_exchange`. `wall` is this
    machine's clock. `hooks` are told of the steps, during the wait for a venue that does not answer as well; where the
    venue takes no login of ours, the wait is for a person. With `is_dry` the venue has no order route.
    With `has_login` a run on `exchange` is logged in by a person, as one at a real venue always is.
    `known_accounts` are the accounts in the journal.
    Raises VenueUnavailable, AccessDenied, StoppedEarly, DataError or ConfigError; ConfigError for a run that may not
    trade at the configured venue.
    """
    wall = wall or WallClock()
    within_s = READER_WAITS_S if is_dry else config.venue.wait_at_start_s
    start_retry = StartRetry(within_s=within_s, clock=wall, tell=tell, extend=hooks.on_step, stopped=hooks.stopped)
    async with AsyncExitStack() as stack:
        adapter = _adapter_of(config, exchange)
        embedded = _embedded(
            config, adapter, seen_until=seen_until, log=exchange_log, on_end=on_end, faults=faults, tell=tell, wall=wall
        )
        place = await _open_place(
            stack,
            config,
            adapter,
            embedded=embedded,
            exchange=exchange,
            is_dry=is_dry,
            wall=wall,
            start_retry=start_retry,
            tell=tell,
        )
        has_login = has_login or place.is_real
        login = _login(adapter, place.access, config, place.clock, tell) if has_login else None
        opening_venue = _venue(adapter, place, config, is_dry=is_dry, known_accounts=known_accounts, tell=tell)
        venue = await stack.enter_async_context(opening_venue)
        broker = venue.broker
        account = await account_of_login(broker, login, start_retry=start_retry, hooks=hooks, clock=wall)
        hooks.on_step()
        if config.app.mode == "live" and account != (
            live_account := adapter.live_account_id(config.venue_section(adapter))
        ):
            raise ConfigError(f"{adapter.name}.account_id is {live_account}, but the keys are of account {account}")
        universe = await _universe(broker, config, start_retry, tell)
        if login is not None:
            await report_rights(broker, universe, product=config.execution.product, tell=tell)
        venue = await stack.enter_async_context(
            _with_account(venue, adapter, place, config, account=account, universe=universe, tell=tell)
        )
        hooks.on_step()
        yield VenueSession(
            venue=venue,
            venue_name=place.name,
            clock=place.clock,
            account=account,
            universe=universe,
            patience=start_retry,
            # The token of the embedded exchange is valid as long as the exchange runs.
            login_ends="" if place.name == EMBEDDED else venue.venue_rules.login_ends,
            login=login,
            is_rehearsal=place.is_real and place.access.is_rehearsal,
        )


class _Place(NamedTuple):
    # Where a run trades. Without a route no order leaves for a venue. `is_real`: a venue of the config, or an exchange
    # on this machine in its place.
    name: str
    access: VenueAccess
    clock: Clock
    route: OrderRoute | None
    is_real: bool = False


async def _open_place(
    stack: AsyncExitStack,
    config: Config,
    adapter: VenueAdapter,
    *,
    embedded: AbstractAsyncContextManager[tuple[SimulatedRoute, MarketClock]],
    exchange: dict[str, Any] | None,
    is_dry: bool,
    wall: Clock,
    start_retry: StartRetry,
    tell: EventListener,
) -> _Place:
    # `embedded` is opened only where the config names no other venue and no exchange runs already.
    if exchange is not None:
        simulated = SimulatedRoute.from_printed(adapter, exchange)
        return _Place(name=EXCHANGE, access=simulated, route=simulated, clock=_clock_of(exchange, wall))
    if config.venue.name == EMBEDDED:
        invented, market_clock = await stack.enter_async_context(embedded)
        return _Place(name=EMBEDDED, access=invented, route=invented, clock=market_clock)
    route = LiveRoute.from_config(adapter, config) if config.app.mode == "live" and not is_dry else None
    access = route or adapter.access_from_settings(config.venue_section(adapter))
    clock = await _venue_clock(stack, adapter, access, config, wall=wall, start_retry=start_retry, tell=tell)
    return _Place(name=adapter.name, access=access, route=route, clock=clock, is_real=True)


async def _venue_clock(
    stack: AsyncExitStack,
    adapter: VenueAdapter,
    access: VenueAccess,
    config: Config,
    *,
    wall: Clock,
    start_retry: StartRetry,
    tell: EventListener,
) -> Clock:
    # The clock of a real venue; in a rehearsal that of the exchange in its place.
    if access.is_rehearsal:
        market = market_of(adapter.venue_rules.exchange)
        following = follow_exchange_clock(access, host=wall, market=market, start_retry=start_retry, tell=tell)
        return await stack.enter_async_context(following)
    return VenueClock(wall) if adapter.has_venue_timestamps(config.venue_section(adapter)) else wall


def _login(
    adapter: VenueAdapter, access: VenueAccess, config: Config, clock: Clock, tell: EventListener
) -> BrokerLogin | None:
    if adapter.login_route is None:
        return None
    settings = config.venue_section(adapter)
    place = LoginPlace(
        adapter=adapter,
        access=access,
        redirect_url=adapter.login_route.redirect_address(settings),
        market=market_of(adapter.venue_rules.exchange),
        state_dir=config.app.state_dir,
        account_id=adapter.live_account_id(settings) if config.app.mode == "live" else "",
    )
    return BrokerLogin(place, clock=clock, tell=tell)


@asynccontextmanager
async def open_history_source(
    config: Config, *, exchange: dict[str, Any] | None, exchange_log: Path, tell: EventListener
) -> AsyncIterator[HistorySource]:
    """Open the venue for reading, in either mode; nothing here can send an order. Raises as `open_venue_session`."""
    wall = WallClock()
    start_retry = StartRetry(within_s=READER_WAITS_S, clock=wall, tell=tell)
    async with AsyncExitStack() as stack:
        adapter = _adapter_of(config, exchange)
        embedded = _embedded(
            config, adapter, seen_until=0, log=exchange_log, on_end=lambda _: None, faults=None, tell=tell, wall=wall
        )
        place = await _open_place(
            stack,
            config,
            adapter,
            embedded=embedded,
            exchange=exchange,
            is_dry=True,
            wall=wall,
            start_retry=start_retry,
            tell=tell,
        )
        login = _login(adapter, place.access, config, place.clock, tell) if place.is_real else None
        # The bars of a rehearsal are invented.
        name = EXCHANGE if place.is_real and place.access.is_rehearsal else place.name
        reading: AbstractAsyncContextManager[Readable] = adapter.build_read_only_venue(place.access, place.clock)
        source = await stack.enter_async_context(reading)
        reader = source.broker
        hooks = StartHooks(may_wait=False)
        await account_of_login(reader, login, start_retry=start_retry, hooks=hooks, clock=wall)
        universe = await _universe(reader, config, start_retry, tell)
        yield HistorySource(reader=reader, venue_name=name, clock=place.clock, universe=universe)


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


def _venue(
    adapter: VenueAdapter,
    place: _Place,
    config: Config,
    *,
    is_dry: bool,
    known_accounts: Collection[str],
    tell: EventListener,
) -> AbstractAsyncContextManager[Venue]:
    # Without a route orders stay on paper, or are not sent at all: what is built then can only read the venue.
    if place.route is not None:
        return venue_with_orders(adapter, place.route, place.clock, config)
    if is_dry and config.app.mode == "live":
        return venue_without_orders(adapter, place.access, place.clock, config)
    return paper_venue(adapter, place.access, place.clock, config, known_accounts=known_accounts, tell=tell)


@asynccontextmanager
async def _with_account(
    venue: Venue,
    adapter: VenueAdapter,
    place: _Place,
    config: Config,
    *,
    account: str,
    universe: Universe,
    tell: EventListener,
) -> AsyncIterator[Venue]:
    # Opens what needs the account and the instruments: the paper account, or the shadow of a live run.
    if isinstance(venue, PaperVenue):
        async with venue.open_account(account, universe):
            yield venue
    elif config.paper.shadow and isinstance(place.route, LiveRoute):
        beside = shadow_venue(venue, adapter, place.clock, config, live_account=account, universe=universe, tell=tell)
        async with beside as shadowed:
            yield shadowed
    else:
        yield venue


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


@asynccontextmanager
async def venue_without_orders(
    adapter: VenueAdapter, access: VenueAccess, clock: Clock, config: Config
) -> AsyncIterator[Venue]:
    """Yield the venue for a dry start: it reads everything, and an order is answered as not sent."""
    reading: AbstractAsyncContextManager[Readable] = adapter.build_streaming_reader(
        access, clock, config.venue_section(adapter), silent_after_s=config.feed.silent_after_s
    )
    async with reading as venue:
        yield DryVenue(venue)


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
