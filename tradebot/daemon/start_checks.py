"""The checks before a start: one list of problems, with which `run` refuses to start and `config check` reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, time
from itertools import combinations
from pathlib import Path

from tradebot.clock import format_iso
from tradebot.config import Config
from tradebot.config.cross_checks import Complaint
from tradebot.config.sections import EMBEDDED
from tradebot.daemon.permission_checks import find_exposed_files
from tradebot.domain.products import INTRADAY
from tradebot.errors import ConfigError
from tradebot.exchange.prices.recordings import recording_files
from tradebot.indicators.expressions import Bars
from tradebot.indicators.plan import ExpressionPlan
from tradebot.markets.listing import unknown_shares
from tradebot.markets.market import Market, market_of
from tradebot.notify.apprise_receiver import address_problems, split_addresses
from tradebot.printable import make_printable
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAdapter

WARN_DAYS = 30  # days before the calendar's data end; the exchange publishes the next year's closures in December


def start_problems(config: Config, *, now: int, has_exchange: bool = False) -> list[Complaint]:
    """Return the problems that prevent a run with these settings from starting at `now` (wall ns).

    `has_exchange` is True for a run on `--exchange`. Raises DataError or ConfigError for a strategy that cannot be
    loaded, DataError for missing recorded prices.
    """
    found: list[Complaint] = []
    is_embedded = config.venue.name == EMBEDDED and not has_exchange
    adapter = None if has_exchange else registry.find_adapter(config.venue.name)
    market = _market(adapter)
    if adapter is not None:
        found += _uncovered(market, market.date_of(now), ("venue", "name"), "today")
        found += _without_history(config, adapter)
    if is_embedded:
        found += _embedded_day(config, market, market.date_of(now))
        found += invented_share_problems(config)
    found += find_exposed_files(config, credentials=os.environ.get("CREDENTIALS_DIRECTORY", ""))
    found += _untradable(config, market)
    found += _shared_symbols(config)
    addresses = split_addresses(config.notify.urls.get_secret_value())
    found += [(("notify", "urls"), sentence) for sentence in address_problems(addresses)]
    if found:
        return found
    if is_embedded and config.exchange.prices == "recorded":
        recording_files(Path(config.exchange.path), symbols=config.app.symbols)
    load_strategies(config)
    return found


def raise_start_problems(config: Config, *, now: int, has_exchange: bool) -> None:
    """Raise ConfigError with all problems that `start_problems` finds, if any."""
    if found := start_problems(config, now=now, has_exchange=has_exchange):
        lines = [make_printable(f"{'.'.join(map(str, key))}: {sentence}") for key, sentence in found]
        raise ConfigError("\n".join(lines), is_list=True)


def start_warnings(config: Config, *, now: int) -> list[str]:
    """Return warnings about settings with which a run starts all the same at `now` (wall ns)."""
    return [*_calendar_warnings(config, now=now), *settings_warnings(config)]


def settings_warnings(config: Config) -> list[str]:
    """Return those of `start_warnings` that are about the settings alone, whatever the day."""
    adapter = registry.find_adapter(config.venue.name)
    found = list[str]()
    if adapter is not None:
        found += adapter.config_warnings(config.venue_section(adapter))
    for section in config.strategy:
        if unknown := [symbol for symbol in section.symbols if symbol not in config.app.symbols]:
            found.append(f"{section.name} names {', '.join(unknown)}, which app.symbols does not: it is not traded")
    return found


def traded_market(config: Config) -> Market:
    """Return the market that a run with these settings trades in."""
    return _market(registry.find_adapter(config.venue.name))


def calendar_days_left(config: Config, *, now: int) -> int:
    """Return how many days after that of `now` (wall ns) the trading calendar covers; negative once it has ended."""
    market = traded_market(config)
    return (market.calendar.covered_through - market.date_of(now)).days


def load_strategies(config: Config) -> list[StrategySpec]:
    """Load the strategies of the config. Raises DataError or ConfigError for one that cannot run on its bars."""
    names = [section.name for section in config.strategy]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"[[strategy]] names {', '.join(twice)} twice")
    specs = [load_strategy(s.name, s.params, symbols=s.symbols) for s in config.strategy]
    called = [spec.name for spec in specs]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise ConfigError(f"two strategies have the same name: {', '.join(twice)}")
    for spec in specs:
        if (rules := spec.create_strategy().rules(Bars())) is not None:
            ExpressionPlan(rules.root_nodes, interval_ns=config.bars.interval_ns)
    return specs


def invented_share_problems(config: Config) -> list[Complaint]:
    """Return a problem where the embedded exchange would have to invent shares for unknown symbols."""
    if config.exchange.invent or config.exchange.prices != "synthetic":
        return []
    unknown = unknown_shares(config.app.symbols)
    hint = "correct it, or say --invent (exchange.invent = true) to trade invented shares of such a name"
    return [(("app", "symbols"), f"{unknown}; {hint}")] if unknown else []


def check_day_covered(at: int, market: Market) -> None:
    """Raise ConfigError when the day of `at` (market ns), about to be traded, lies past the market's calendar."""
    for _, sentence in _uncovered(market, market.date_of(at), ("venue", "name"), "the market's day"):
        raise ConfigError(sentence)


def _calendar_warnings(config: Config, *, now: int) -> list[str]:
    left = calendar_days_left(config, now=now)
    if not 0 <= left <= WARN_DAYS:
        return []
    return [
        f"the trading calendar ends on {traded_market(config).calendar.covered_through}, in {left} days: no real money"
        " is traded on days past it; update tradebot, or add the closures to markets/data/nse_sessions.toml"
    ]


def _market(adapter: VenueAdapter | None) -> Market:
    # The embedded exchange has the market of the venue whose protocol it speaks.
    return market_of((adapter or registry.default_adapter()).venue_rules.exchange)


def _uncovered(market: Market, day: date, key: tuple[str, str], what: str) -> list[Complaint]:
    calendar = market.calendar
    if calendar.is_covered(day):
        return []
    return [
        (
            key,
            f"cannot be traded on {day}, {what}: the trading calendar ends on {calendar.covered_through}, and whether"
            " the exchange is open is not known; update tradebot, or its markets/data/nse_sessions.toml",
        )
    ]


def _embedded_day(config: Config, market: Market, today: date) -> list[Complaint]:
    key, setting = ("exchange", "day"), config.exchange.day
    if config.exchange.prices != "synthetic" or not setting:
        return []
    if setting == "today":
        return _uncovered(market, today, key, "today")
    try:
        day = date.fromisoformat(setting)
    except ValueError:
        return [(key, f"is {setting}, which is no date")]
    calendar = market.calendar
    if calendar.is_covered(day) and not calendar.is_trading_day(day):
        return [(key, f"is {day}, not a trading day; the next one is {calendar.next_trading_day(day)}")]
    return _uncovered(market, day, key, "the day of the exchange")


def _without_history(config: Config, adapter: VenueAdapter) -> list[Complaint]:
    candles = adapter.venue_rules.candles
    if not config.analysis.warmup_bars or config.bars.interval_ns in candles:
        return []
    has = ", ".join(candles.values())
    sentence = f"is {config.bars.interval}, and {adapter.title} has no candles of it to warm up with ({has})"
    return [(("bars", "interval"), f"{sentence}; choose one, or set analysis.warmup_bars = 0")]


def _untradable(config: Config, market: Market) -> list[Complaint]:
    product = config.execution.product
    if product != INTRADAY:
        return [
            (
                ("execution", "product"),
                f"is {product}, which stays overnight: what is held over days is not supported yet, neither live nor in"
                f" paper; only {INTRADAY} is traded (a backtest takes {product})",
            )
        ]
    # Checked on an ordinary trading day of a share. Bars start at the open; the last one ends with the session.
    session = market.calendar.session_on(market.calendar.previous_trading_day(date(2026, 1, 1)))
    assert session is not None, "a trading day has a session"
    until = market.to_ns(market.date_of(session.opens_at), time.fromisoformat(config.risk.entries_until))
    first = min(session.opens_at + config.bars.interval_ns, session.closes_at)
    if first < min(until, session.closes_at):
        return []
    at = format_iso(first, market.tzinfo)[11:16]
    return [
        (
            ("bars", "interval"),
            f"is {config.bars.interval}: the first bar of a day closes at {at}, and {product} opens nothing after"
            f" {config.risk.entries_until} (risk.entries_until); shorter bars can be traded, these only backtested",
        )
    ]


def _shared_symbols(config: Config) -> list[Complaint]:
    found: list[Complaint] = []
    traded = [tuple(s for s in config.app.symbols if not one.symbols or s in one.symbols) for one in config.strategy]
    for (i, one), (j, other) in combinations(enumerate(config.strategy), 2):
        if one.name != other.name and (both := [symbol for symbol in traded[i] if symbol in traded[j]]):
            found.append(
                (
                    ("strategy", j, "symbols"),
                    f"{other.name} and {one.name} both trade {_some(both)}: positions are not kept by strategy yet, and"
                    " each would close what the other holds; give each its own symbols",
                )
            )
    return found


def _some(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - 3} more" if len(symbols) > 3 else ""
    return ", ".join(symbols[:3]) + more
