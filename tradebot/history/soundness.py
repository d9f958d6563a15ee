"""Is a series fit to be tested on? Gaps against the calendar, impossible prices, splits that were not adjusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from tradebot.clock import iso
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import Ints, Series
from tradebot.errors import DataError
from tradebot.history.interval import DAY, MONTH, WEEK, name_of
from tradebot.history.lengths import look_like_ends
from tradebot.history.market import Calendar, as_date, calendar_of, days_of, zone, zone_of
from tradebot.history.resample import calendar_days, calendar_starts
from tradebot.markets.calendar import Line
from tradebot.markets.hours import line_of

HOLE_BARS = 5  # missing in a row; fewer are minutes without a trade
BEARABLE = frozenset({"missing_days", "holes", "split"})  # what may be so; the others are impossible
DOUBTS = frozenset({"outside_session", "end_stamps", "invented"})  # told, and no reason to refuse
SPLITS = (2.0, 3.0, 4.0, 5.0, 10.0, 1.5, 20.0, 8.0, 7.0, 6.0)  # new shares for an old one, usual ones first
NEAR = 0.04  # how far from such a ratio an open may be from the close before
SHOWN = 3


class Finding(NamedTuple):
    """What is wrong with a series: `kind` of it, how often, when first (ns UTC), and a sentence."""

    symbol: str
    kind: str
    times: int
    first_at: int
    text: str

    @property
    def is_rotten(self) -> bool:
        return self.kind not in DOUBTS


def examine(series: Series, exchange: str, line: Line = Line.SHARE) -> list[Finding]:
    """Return everything that is wrong with a series, the worst kinds first; exchange and line tell its hours."""
    findings = list(_order(series, exchange))
    if not findings:
        findings += _prices(series, exchange)
        findings += _splits(series, exchange)
        findings += _gaps(series, exchange, line)
    return findings


def require_sound(
    series: Mapping[str, Series], instruments: Iterable[Instrument], *, accept_gaps: bool = False,
    hint: str = "--accept-gaps",
) -> None:  # fmt: skip
    """Raise DataError when a series is not fit to be tested on; `accept_gaps` lets gaps and jumps pass, no other.

    `hint` is how the caller says so.
    """
    traded = {instrument.symbol: (instrument.exchange, line_of(instrument)) for instrument in instruments}
    rotten = [
        finding
        for symbol, bars in series.items()
        for finding in examine(bars, *traded.get(symbol, ("NSE", Line.SHARE)))
        if finding.is_rotten and not (accept_gaps and finding.kind in BEARABLE)
    ]
    if rotten:
        first, more = rotten[0], len(rotten) - 1
        way_out = f" or say {hint}" if all(f.kind in BEARABLE for f in rotten) else ""
        others = f" (and {more} findings more)" if more else ""
        raise DataError(f"{first.symbol}: {first.text}{others}; see `tradebot data check`, mend the data{way_out}")


def _order(series: Series, exchange: str) -> Iterator[Finding]:
    steps = np.diff(series.starts)
    for kind, is_bad, words in (
        ("unsorted", steps < 0, "bars are out of order"),
        ("duplicates", steps == 0, "bars start when another does"),
    ):
        if is_bad.any():
            at = int(series.starts[np.flatnonzero(is_bad)[0] + 1])
            yield _finding(series, exchange, kind, int(is_bad.sum()), at, words)


def _prices(series: Series, exchange: str) -> Iterator[Finding]:
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


def _splits(series: Series, exchange: str) -> Iterator[Finding]:
    days = days_of(series.starts, exchange)
    firsts = np.flatnonzero(np.diff(days)) + 1
    before, after = series.close[firsts - 1].astype(np.float64), series.open[firsts].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / after
    for i in np.flatnonzero((ratio > 1.4) | (ratio < 1 / 1.4)).tolist():
        value = float(ratio[i])
        share = next((s for s in SPLITS if abs(value / s - 1) < NEAR or abs(value * s - 1) < NEAR), None)
        if share is None:
            continue
        words = f"1 share became {share:g}" if value > 1 else f"{share:g} shares became 1"
        text = f"looks like a split that was not adjusted on {as_date(int(days[firsts[i]]))}: {words}"
        yield Finding(series.symbol, "split", 1, int(series.starts[firsts[i]]), text)


def _gaps(series: Series, exchange: str, line: Line) -> Iterator[Finding]:
    if not len(series):
        return
    if series.interval > DAY:
        yield from _missing_periods(series, exchange)
        return
    if look_like_ends(series.starts, series.interval, exchange):
        text = "times look like the ends of their bars; `tradebot data import --stamps end` takes them so"
        yield Finding(series.symbol, "end_stamps", len(series), int(series.starts[0]), text)
    calendar, days = calendar_of(exchange), days_of(series.starts, exchange)
    traded = np.unique(days)
    expected = calendar.expected(int(traded[0]), int(traded[-1]))
    has_bars = set(traded.tolist())
    missing = [day for day in expected if day not in has_bars]
    if missing:
        shown = ", ".join(str(as_date(day)) for day in missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
        text = f"{len(missing)} of {len(expected)} trading days have no bars: {shown}"
        yield Finding(series.symbol, "missing_days", len(missing), calendar.midnight(missing[0]), text)
    if series.interval == DAY:
        return
    yield from _holes(series, calendar, line, days, traded)


def _missing_periods(series: Series, exchange: str) -> Iterator[Finding]:
    if series.interval not in (WEEK, MONTH):
        return
    calendar, days = calendar_of(exchange), days_of(calendar_starts(series.starts, series.interval, exchange), exchange)
    traded = np.array(calendar.expected(int(days[0]), int(days[-1])), dtype=np.int64)
    expected = np.unique(calendar_days(traded, series.interval))
    missing = np.setdiff1d(expected, days).tolist()
    if missing:
        shown = ", ".join(str(as_date(day)) for day in missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
        what = "weeks" if series.interval == WEEK else "months"
        text = f"{len(missing)} of {len(expected)} {what} have no bar, those that begin on {shown}"
        yield Finding(series.symbol, "missing_days", len(missing), calendar.midnight(missing[0]), text)


def _holes(series: Series, calendar: Calendar, line: Line, days: Ints, traded: Ints) -> Iterator[Finding]:
    holes: list[tuple[int, int]] = []  # (start of the first missing bar, how many)
    outside, edges = 0, np.searchsorted(days, traded, side="left").tolist()
    first_outside = 0
    for day, begin, end in zip(traded.tolist(), edges, [*edges[1:], len(days)], strict=True):
        hours = calendar.hours(day, line)
        starts = series.starts[begin:end]
        inside = starts if hours is None else starts[(starts >= hours.opens_at) & (starts < hours.closes_at)]
        if hours is None or len(inside) < len(starts):
            outside += len(starts) if hours is None else len(starts) - len(inside)
            first_outside = first_outside or int(np.setdiff1d(starts, inside)[0] if hours is not None else starts[0])
        if hours is None or not len(inside):
            continue
        count = -(-(hours.closes_at - hours.opens_at) // series.interval)
        # The series may begin and end in the middle of a session; what is before and behind it is no hole.
        left = -1 if begin else int((inside[0] - hours.opens_at) // series.interval) - 1
        right = count if end < len(days) else int((inside[-1] - hours.opens_at) // series.interval) + 1
        places = np.concatenate([[left], (inside - hours.opens_at) // series.interval, [right]])
        for i in np.flatnonzero(np.diff(places) > HOLE_BARS).tolist():
            at = hours.opens_at + (int(places[i]) + 1) * series.interval
            holes.append((at, int(places[i + 1] - places[i]) - 1))
    if holes:
        longest, first = max(count for _, count in holes), _shown(holes[0][0], calendar.exchange)
        words, bars = "hole" if len(holes) == 1 else "holes", sum(count for _, count in holes)
        text = (
            f"{len(holes)} {words} inside sessions, {bars} bars of {name_of(series.interval)} in all,"
            f" the longest {longest}, the first from {first}"
        )
        yield Finding(series.symbol, "holes", len(holes), holes[0][0], text)
    if outside:
        words = "bars start outside the session"
        yield _finding(series, calendar.exchange, "outside_session", outside, first_outside, words)


def _shown(at: int, exchange: str) -> str:
    return iso(at, zone(zone_of(exchange))).replace(".000000", "")


def _finding(series: Series, exchange: str, kind: str, count: int, at: int, words: str) -> Finding:
    return Finding(series.symbol, kind, count, at, f"{count} {words}, the first at {_shown(at, exchange)}")


def span_of(series: Series, exchange: str) -> tuple[date, date]:
    """Return the first and the last day of a series at its exchange."""
    days = days_of(series.starts[[0, -1]], exchange)
    return as_date(int(days[0])), as_date(int(days[1]))
