"""Checks whether a series is good enough for backtests: gaps, impossible prices, splits that were not adjusted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from tradebot.clock import DAY, format_iso
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries, Ints
from tradebot.errors import DataError
from tradebot.history.bar_lengths import look_like_end_stamps
from tradebot.history.exchange_calendar import (
    ExchangeCalendar,
    calendar_of,
    date_of_day,
    exchange_days,
    load_zone,
    zone_of,
)
from tradebot.history.interval import MONTH, WEEK, interval_name
from tradebot.history.price_jumps import find_jumps
from tradebot.history.resample import align_to_calendar, period_first_days
from tradebot.markets.calendar import HoursClass
from tradebot.markets.hours import hours_class_of

MIN_HOLE_BARS = 5  # missing bars in a row that make a hole; fewer are minutes without a trade
# The user may accept these; the other kinds are impossible data.
ACCEPTABLE_KINDS = frozenset({"missing_days", "holes"})
# These are reported, but are no reason to refuse.
WARNING_KINDS = frozenset({"outside_session", "end_stamps", "invented", "jump", "closed_days"})
MAX_SHOWN_JUMPS = 10  # reported one by one
MAX_SHOWN_DAYS = 3


class QualityFinding(NamedTuple):
    """Something wrong with a series: its kind, how often, when it is first seen (ns UTC), and a sentence."""

    symbol: str
    kind: str
    times: int
    first_at: int
    description: str

    @property
    def is_blocking(self) -> bool:
        """True for data that a backtest refuses."""
        return self.kind not in WARNING_KINDS


AcceptedJumps = Collection[tuple[str, str, int]]  # (exchange, symbol, day counted from 1970-01-01)


def examine_series(
    series: BarSeries, exchange: str, line: HoursClass = HoursClass.SHARE, accepted: AcceptedJumps = ()
) -> list[QualityFinding]:
    """Return everything that is wrong with a series, the worst kinds first; `exchange` and `line` decide its hours.

    A jump on a day that is accepted for its symbol is no finding.
    """
    findings = list(_order(series, exchange))
    if not findings:
        findings += _prices(series, exchange)
        known = {day for place, symbol, day in accepted if (place, symbol) == (exchange, series.symbol)}
        findings += _jumps(series, exchange, known)
        findings += _gaps(series, exchange, line)
    return findings


def require_testable(
    series: Mapping[str, BarSeries],
    instruments: Iterable[Instrument],
    *,
    accept_gaps: bool = False,
    hint: str = "--accept-gaps",
    with_splits: bool = False,
    accepted: AcceptedJumps = (),
) -> None:
    """Raise DataError when a series is not good enough for a backtest; `accept_gaps` allows gaps and nothing else.

    `hint` is the caller's name for `accept_gaps` in the message. What looks like a split is allowed on days accepted
    for its symbol, and with `with_splits` also by `accept_gaps`.
    """
    bearable = ACCEPTABLE_KINDS | {"split"} if with_splits else ACCEPTABLE_KINDS
    traded = {instrument.symbol: (instrument.exchange, hours_class_of(instrument)) for instrument in instruments}
    rotten = [
        finding
        for symbol, bars in series.items()
        for finding in examine_series(bars, *traded.get(symbol, (HOME_EXCHANGE, HoursClass.SHARE)), accepted)
        if finding.is_blocking and not (accept_gaps and finding.kind in bearable)
    ]
    if rotten:
        first, more = rotten[0], len(rotten) - 1
        way_out = f" or say {hint}" if all(f.kind in bearable for f in rotten) else ""
        others = f" (and {more} findings more)" if more else ""
        raise DataError(
            f"{first.symbol}: {first.description}{others}; see `tradebot data check`, mend the data{way_out}"
        )


def _order(series: BarSeries, exchange: str) -> Iterator[QualityFinding]:
    steps = np.diff(series.starts)
    for kind, is_bad, words in (
        ("unsorted", steps < 0, "bars are out of order"),
        ("duplicates", steps == 0, "bars start when another does"),
    ):
        if is_bad.any():
            at = int(series.starts[np.flatnonzero(is_bad)[0] + 1])
            yield _finding(series, exchange, kind, int(is_bad.sum()), at, words)


def _prices(series: BarSeries, exchange: str) -> Iterator[QualityFinding]:
    prices = np.stack([series.open, series.high, series.low, series.close])
    _, high, low, _ = prices
    for kind, is_bad, words in (
        ("not_positive", (prices <= 0).any(axis=0), "bars have a price of 0 or less"),
        ("high_below_low", high < low, "bars have a high below their low"),
        ("outside_range", (prices > high).any(axis=0) | (prices < low).any(axis=0), "bars have open or close outside"),
        ("negative_volume", series.volume < 0, "bars have a negative volume"),
    ):
        if is_bad.any():
            at = int(series.starts[np.flatnonzero(is_bad)[0]])
            yield _finding(series, exchange, kind, int(is_bad.sum()), at, words)


def _jumps(series: BarSeries, exchange: str, accepted: Collection[int]) -> Iterator[QualityFinding]:
    found = find_jumps(series, exchange, accepted)
    for is_split, kind in ((True, "split"), (False, "jump")):
        ours = [jump for jump in found if jump.is_split == is_split]
        for jump in ours[:MAX_SHOWN_JUMPS]:
            yield QualityFinding(series.symbol, kind, 1, jump.starts_at, jump.description)
        if len(ours) > MAX_SHOWN_JUMPS:
            more = ours[MAX_SHOWN_JUMPS:]
            yield QualityFinding(
                series.symbol, kind, len(more), more[0].starts_at, f"{len(more)} more, the next: {more[0].description}"
            )


def _gaps(series: BarSeries, exchange: str, line: HoursClass) -> Iterator[QualityFinding]:
    if not len(series):
        return
    if series.interval > DAY:
        yield from _missing_periods(series, exchange)
        return
    if look_like_end_stamps(series.starts, series.interval, exchange):
        text = "times look like the ends of their bars; `tradebot data import --stamps end` takes them so"
        yield QualityFinding(series.symbol, "end_stamps", len(series), int(series.starts[0]), text)
    calendar, days = calendar_of(exchange), exchange_days(series.starts, exchange)
    traded = np.unique(days)
    expected = calendar.trading_days(int(traded[0]), int(traded[-1]))
    has_bars = set(traded.tolist())
    missing = [day for day in expected if day not in has_bars]
    if missing:
        shown = ", ".join(str(date_of_day(day)) for day in missing[:MAX_SHOWN_DAYS]) + (
            " ..." if len(missing) > MAX_SHOWN_DAYS else ""
        )
        text = f"{len(missing)} of {len(expected)} trading days have no bars: {shown}"
        yield QualityFinding(series.symbol, "missing_days", len(missing), calendar.midnight_at(missing[0]), text)
    if series.interval == DAY:
        yield from _closed_days(series, calendar, traded, expected)
        return
    yield from _holes(series, calendar, line, days, traded)


def _missing_periods(series: BarSeries, exchange: str) -> Iterator[QualityFinding]:
    if series.interval not in (WEEK, MONTH):
        return
    calendar, days = (
        calendar_of(exchange),
        exchange_days(align_to_calendar(series.starts, series.interval, exchange), exchange),
    )
    traded = np.array(calendar.trading_days(int(days[0]), int(days[-1])), dtype=np.int64)
    expected = np.unique(period_first_days(traded, series.interval))
    missing = np.setdiff1d(expected, days).tolist()
    if missing:
        shown = ", ".join(str(date_of_day(day)) for day in missing[:MAX_SHOWN_DAYS]) + (
            " ..." if len(missing) > MAX_SHOWN_DAYS else ""
        )
        what = "weeks" if series.interval == WEEK else "months"
        text = f"{len(missing)} of {len(expected)} {what} have no bar, those that begin on {shown}"
        yield QualityFinding(series.symbol, "missing_days", len(missing), calendar.midnight_at(missing[0]), text)


def _closed_days(
    series: BarSeries, calendar: ExchangeCalendar, traded: Ints, expected: list[int]
) -> Iterator[QualityFinding]:
    closed = np.setdiff1d(traded, np.array(expected, dtype=np.int64)).tolist()
    if closed:
        shown = ", ".join(f"{date_of_day(day):%Y-%m-%d (%A)}" for day in closed[:MAX_SHOWN_DAYS])
        text = (
            f"{len(closed)} of {len(traded)} bars are dated on days on which {calendar.exchange} was closed: {shown}"
            f"{' ...' if len(closed) > MAX_SHOWN_DAYS else ''}; a wrong zone shifts days"
        )
        yield QualityFinding(series.symbol, "closed_days", len(closed), calendar.midnight_at(closed[0]), text)


def _holes(
    series: BarSeries, calendar: ExchangeCalendar, line: HoursClass, days: Ints, traded: Ints
) -> Iterator[QualityFinding]:
    holes: list[tuple[int, int]] = []  # (start of the first missing bar, how many)
    outside, edges = 0, np.searchsorted(days, traded, side="left").tolist()
    first_outside = 0
    for day, begin, end in zip(traded.tolist(), edges, [*edges[1:], len(days)], strict=True):
        hours = calendar.session_hours(day, line)
        starts = series.starts[begin:end]
        inside = starts if hours is None else starts[(starts >= hours.opens_at) & (starts < hours.closes_at)]
        if hours is None or len(inside) < len(starts):
            outside += len(starts) if hours is None else len(starts) - len(inside)
            first_outside = first_outside or int(np.setdiff1d(starts, inside)[0] if hours is not None else starts[0])
        if hours is None or not len(inside):
            continue
        count = -(-(hours.closes_at - hours.opens_at) // series.interval)
        # A series may begin and end in the middle of a session. The time before its first and after its last bar is no
        # hole.
        left = -1 if begin else int((inside[0] - hours.opens_at) // series.interval) - 1
        right = count if end < len(days) else int((inside[-1] - hours.opens_at) // series.interval) + 1
        places = np.concatenate([[left], (inside - hours.opens_at) // series.interval, [right]])
        for i in np.flatnonzero(np.diff(places) > MIN_HOLE_BARS).tolist():
            at = hours.opens_at + (int(places[i]) + 1) * series.interval
            holes.append((at, int(places[i + 1] - places[i]) - 1))
    if holes:
        longest, first = max(count for _, count in holes), _shown(holes[0][0], calendar.exchange)
        words, bars = "hole" if len(holes) == 1 else "holes", sum(count for _, count in holes)
        text = (
            f"{len(holes)} {words} inside sessions, {bars} bars of {interval_name(series.interval)} in all,"
            f" the longest {longest}, the first from {first}"
        )
        yield QualityFinding(series.symbol, "holes", len(holes), holes[0][0], text)
    if outside:
        words = "bars start outside the session"
        yield _finding(series, calendar.exchange, "outside_session", outside, first_outside, words)


def _shown(at: int, exchange: str) -> str:
    return format_iso(at, load_zone(zone_of(exchange))).replace(".000000", "")


def _finding(series: BarSeries, exchange: str, kind: str, count: int, at: int, words: str) -> QualityFinding:
    return QualityFinding(series.symbol, kind, count, at, f"{count} {words}, the first at {_shown(at, exchange)}")


def first_and_last_day(series: BarSeries, exchange: str) -> tuple[date, date]:
    """Return the dates of a series' first and last bar at its exchange."""
    days = exchange_days(series.starts[[0, -1]], exchange)
    return date_of_day(int(days[0])), date_of_day(int(days[1]))
