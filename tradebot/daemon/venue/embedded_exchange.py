"""The embedded exchange: a real server on loopback inside the daemon, the venue of first runs and rehearsals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, time
from pathlib import Path

from tradebot.clock import HOUR, Clock, MarketClock, WallClock
from tradebot.config import Config
from tradebot.domain.instrument import Universe
from tradebot.errors import DataError
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.exchange.account import DematHolding, OpeningBalance
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import POLL_S, Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.latency import latency_of_round_trip
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.prices.recordings import open_recording
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.server import ExchangeAddresses, serve_exchange
from tradebot.exchange.snapshot import PriceSource
from tradebot.markets.hours import closing_times
from tradebot.markets.listing import universe_for
from tradebot.markets.market import Market, common_market
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import FaultsHealed, FaultStruck, RehearsalStarted
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAdapter
from tradebot.venues.venue import VenueRules

FAULT_POLL_S = 0.1  # seconds between checks whether the faults of a rehearsal are over
DRAIN_S = 1.0  # wall seconds for the last frames to reach the daemon, before it waits for its grace time
TODAY = "today"
# Invented prices depend on the date, so a first run on a fixed day is the same for every user. On this day the shipped
# strategy trades within the first minutes.
FIRST_DAY = "2026-02-03"
MIN_RESUMED_NS = HOUR  # a day with less time left is not resumed: the next day begins


@asynccontextmanager
async def open_embedded_exchange(
    config: Config,
    *,
    symbols: Sequence[str],
    seen_until: int,
    log: Path,
    on_end: Callable[[str], None],
    faults: FaultPlan | None = None,
    tell: EventListener | None = None,
    wall: Clock | None = None,
    poll_s: float = POLL_S,
    on_open: Callable[[Exchange], None] = lambda _: None,
    holdings: Sequence[DematHolding] = (),
    keys: AccessKeys | None = None,
    app: RegisteredApp | None = None,
    adapter: VenueAdapter | None = None,
) -> AsyncIterator[tuple[ExchangeAddresses, MarketClock]]:
    """Open the exchange of `config.exchange` for `symbols`; its time stands still until the clock is released.

    `seen_until` is the market ns that earlier runs reached: the same day continues from there if enough of it is left,
    otherwise the next trading day begins. The account is stored in `log` and survives a restart. `on_end` is called
    when the prices end. `faults` are injected, and `tell` reports each one. `wall` is this machine's clock; the
    exchange reads it every `poll_s`. `on_open` gets the exchange before the first order. `keys` are the keys to log in
    with, random by default, and `app` is what the exchange knows about the client's app. `holdings` are the account's
    before its first day. The exchange speaks the protocol of `adapter`, by default the first one in the registry.
    """
    settings, wall = config.exchange, wall or WallClock()
    if settings.prices == "recorded":
        day = date.fromisoformat(settings.day) if settings.day not in ("", TODAY) else None
        source: PriceSource = open_recording(Path(settings.path), symbols=symbols, day=day)
        market = common_market(i.exchange for i in source.universe)
        begin = max(market.to_ns(market.date_of(source.opens_at), _time(settings.starts_at)), source.opens_at)
    else:
        source, begin = _synthetic(config, universe_for(symbols), seen_until, wall)
    clock = MarketClock(starts_at=begin, anchor_mono=None, speed=settings.speed, wall=wall)
    events = EventLog(log)
    adapter = adapter or registry.default_adapter()

    async def trade(exchange: Exchange) -> None:
        await exchange.run_session(poll_s=poll_s)
        await clock.sleep(DRAIN_S + config.bars.grace_s)  # else the last bars of the day would not have closed yet
        on_end("the exchange's prices are over")

    try:
        exchange = Exchange(
            source,
            clock,
            seed=settings.seed,
            balance=OpeningBalance(cash=settings.cash, holdings=tuple(holdings)),
            latency=latency_of_round_trip(settings.latency_ms),
            log=events,
            resume=log,
            rules=exchange_rules(adapter.venue_rules),
        )
        on_open(exchange)
        async with (
            serve_exchange(
                exchange,
                clock,
                adapter.protocol_server_class(),
                keys=keys or AccessKeys.new_random(),
                app=app,
                token_expires=False,
                log=events,
                faults=faults,
            ) as addresses,
            asyncio.TaskGroup() as tasks,
        ):
            trading = tasks.create_task(trade(exchange), name="exchange")
            telling = tasks.create_task(_tell_faults(faults, clock, tell), name="faults")
            yield addresses, clock
            trading.cancel()
            telling.cancel()
    finally:
        events.close_file()


def exchange_rules(venue_rules: VenueRules) -> OrderRules:
    """Return the rules of a venue that the simulated exchange enforces."""
    return OrderRules(
        tag_length=venue_rules.tag_length,
        changes_per_order=venue_rules.modifications_per_order,
        needs_protection=venue_rules.needs_protection,
        stop_market=venue_rules.stop_market or None,
        max_gtt=venue_rules.max_gtt or OrderRules().max_gtt,
    )


async def _tell_faults(plan: FaultPlan | None, clock: MarketClock, tell: EventListener | None) -> None:
    if plan is None or tell is None:
        return
    tell(RehearsalStarted(seed=plan.seed, faults=plan.rule_texts(), until_s=plan.until_s))
    plan.strike_listeners.append(lambda line: tell(FaultStruck(strike={k: line[k] for k in line if k != "at"})))
    while not plan.is_over:
        await clock.sleep(FAULT_POLL_S)
    tell(FaultsHealed(struck=dict(plan.strike_counts)))


def _synthetic(config: Config, universe: Universe, seen_until: int, wall: Clock) -> tuple[SyntheticPrices, int]:
    settings, market = config.exchange, common_market(i.exchange for i in universe)
    calendar = market.calendar
    day, starts_at = _day(config, market, seen_until, wall)
    session = calendar.session_on(day)
    if session is None:
        raise DataError(f"exchange.day {day} is not a trading day; the next one is {calendar.next_trading_day(day)}")
    source = SyntheticPrices(
        universe,
        seed=settings.seed,
        opens_at=session.opens_at,
        closes_at=int(closing_times(universe, day, calendar).max()),
        calendar=calendar,
    )
    return source, max(starts_at or market.to_ns(day, _time(settings.starts_at)), session.opens_at)


def _day(config: Config, market: Market, seen_until: int, wall: Clock) -> tuple[date, int]:
    # The day to simulate, and the market ns at which it goes on, 0 for the time in the config.
    calendar = market.calendar
    if seen_until:
        day = market.date_of(seen_until)
        session = calendar.session_on(day)
        if session is not None and seen_until < session.closes_at - MIN_RESUMED_NS:
            return day, seen_until
        return calendar.next_trading_day(day), 0
    if config.exchange.day != TODAY:
        return date.fromisoformat(config.exchange.day or FIRST_DAY), 0
    today = market.date_of(wall.wall_ns())
    return today if calendar.is_trading_day(today) else calendar.previous_trading_day(today), 0


def _time(text: str) -> time:
    return time.fromisoformat(text)
