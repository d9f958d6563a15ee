"""The newest bars that the history holds of an instrument, as far as a run may begin with them. Without pandas.

Held bars may come from another source, lack a session, or be older than a split. Then they are not the past of the next
bar, and the venue is asked instead.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from tradebot.clock import DAY
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Ints
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.history.jump_ratio import are_jumps
from tradebot.markets.calendar import HoursClass, Session
from tradebot.markets.hours import hours_class_of
from tradebot.markets.market import Market

SAME_BAR_TOLERANCE = 0.02  # relative; two sources differ by some ticks in one minute, a bonus of one for ten by 9%
LONGEST_BREAK_DAYS = 30  # no exchange is closed longer


class BarsWanted(NamedTuple):
    """The bars that a run wants: `bars` of `interval` ns that start in [start_at, end_at), market ns, of a market."""

    interval: int
    bars: int
    start_at: int
    end_at: int
    market: Market


class HeldBars(NamedTuple):
    """Held bars in the instrument's units, oldest first.

    The history has every bar that ended by `covered_until` (market ns). `doubt` says why the bars must not be used; it
    is empty for bars that may be.
    """

    series: BarSeries
    covered_until: int
    doubt: str = ""


def last_bar_end(market: Market, line: HoursClass, at: int, interval: int) -> int:
    """Return when the last bar of `interval` ns that is complete at `at` ended, both market ns.

    Outside a session that is the close of the last session. Raises DataError for a market without a calendar.
    """
    day = market.day_number(at)
    today = _session_on(market, day, line)
    if today is not None and at >= today.closes_at:
        return today.closes_at
    if today is not None and interval < DAY and (bars := (at - today.opens_at) // interval) > 0:
        return today.opens_at + bars * interval
    for before in range(day - 1, day - 1 - LONGEST_BREAK_DAYS, -1):
        if (session := _session_on(market, before, line)) is not None:
            return session.closes_at
    raise DataError(f"{market.exchange}: its calendar has no session in the {LONGEST_BREAK_DAYS} days before")


def read_held_bars(
    history: History, instrument: Instrument, wanted: BarsWanted, accepted: Collection[tuple[str, str, int]] = ()
) -> HeldBars | None:
    """Return the newest held bars of an instrument; None where there are fewer than wanted or a session is missing.

    Bars of a shorter interval are made longer where none of the wanted interval are held. Prices that a venue invented
    are no past of traded ones. `accepted` are the accepted jumps (exchange, symbol, day).
    """
    name = f"{instrument.exchange}:{instrument.symbol}"
    try:
        length = held_interval(history, name, wanted.interval)
        if not length or history.price_inventor(name, length):
            return None
        stored = history.instrument_of(name, length)
        held = history.load_series([name], length, wanted.start_at, wanted.end_at)[name]
    except DataError:
        return None
    held, line = held.select_bars(held.starts + length <= wanted.end_at), hours_class_of(instrument)
    if not len(held):
        return None
    covered = _covered_until(history, stored, held, line, wanted.market)
    if length != wanted.interval:
        held = _lengthened(held, wanted.interval, instrument.exchange, covered)
    held = held.select_bars(slice(-wanted.bars, None))
    if len(held) < wanted.bars or _lacks_session(held.starts, wanted.market):
        return None
    exact = _in_units_of(held, stored, instrument)
    if exact is None:
        return HeldBars(held, covered, "its held prices do not fit the instrument's decimals")
    days = _days(held.starts, wanted.market)
    firsts = np.flatnonzero(np.diff(days)) + 1
    jumps = firsts[are_jumps(held.close[firsts - 1], held.open[firsts])]
    known = {day for exchange, symbol, day in accepted if (exchange, symbol) == (stored.exchange, stored.symbol)}
    if any(int(days[i]) not in known for i in jumps.tolist()):
        return HeldBars(exact, covered, "its held bars jump from one session to the next, as a split not adjusted does")
    return HeldBars(exact, covered)


def doubt_of_price(held: BarSeries, price: int) -> str:
    """Return why held bars do not fit today's `price` in units, "" where they do or the price is 0, unknown."""
    if price > 0 and len(held) and are_jumps(held.close[-1:], price).any():
        return f"its last held close is {held.close[-1] / price:.2f} times the price of now, as a split leaves it"
    return ""


def doubt_of_gap(held: BarSeries, gap: BarSeries) -> str:
    """Return why held bars and the venue's bars from the last held one on do not fit together, "" where they do."""
    if not len(held) or not len(gap):
        return ""
    same = np.flatnonzero(gap.starts == held.starts[-1])
    if len(same):
        ratio = float(held.close[-1]) / float(max(gap.close[same[0]], 1))
        if abs(ratio - 1) > SAME_BAR_TOLERANCE:
            return f"the venue's bar of the same time closes at another price: held is {ratio:.2f} times as high"
        return ""
    if are_jumps(held.close[-1:], gap.open[:1]).any():
        return "the price jumps from its last held bar to the venue's first one"
    return ""


def join_gap(held: BarSeries, gap: BarSeries, count: int) -> BarSeries:
    """Return the newest `count` bars of held ones and the venue's after them; a bar of both is the venue's."""
    if not len(gap):
        return held.select_bars(slice(-count, None))
    kept = held.select_bars(held.starts < gap.starts[0])
    columns = {name: np.concatenate([getattr(kept, name), getattr(gap, name)]) for name in SERIES_COLUMNS}
    joined = BarSeries(symbol=held.symbol, interval=held.interval, unread_starts=gap.unread_starts, **columns)
    return joined.select_bars(slice(-count, None))


def held_interval(history: History, name: str, interval: int) -> int:
    """Return the stored interval (ns) to take: the wanted one, else the longest of which it is a multiple; 0 for none.

    Raises DataError for a name that means several series.
    """
    stored = history.stored_intervals(name)
    if interval in stored:
        return interval
    return max((n for n in stored if interval < DAY and n < interval and interval % n == 0), default=0)


def _covered_until(history: History, stored: Instrument, held: BarSeries, line: HoursClass, market: Market) -> int:
    start = int(held.starts[-1])
    session = _session_on(market, market.day_number(start), line)
    ends = start + held.interval
    if session is not None and (ends > session.closes_at > start or held.interval >= DAY):
        ends = session.closes_at  # its session cuts the last bar short
    # A symbol that did not trade has no bars; that the venue was asked proves it.
    for since, until in history.requested_spans(stored, held.interval):
        if since <= ends:
            ends = max(ends, until)
    return ends


def _lengthened(series: BarSeries, interval: int, exchange: str, covered: int) -> BarSeries:
    from tradebot.history.resample import resample_series  # imports pandas, which few starts need

    longer = resample_series(series, interval, exchange)
    # The last one may still lack shorter bars, unless its session cut it short: a day later it is complete.
    return longer.select_bars((longer.starts + interval <= covered) | (longer.starts + DAY <= covered))


def _in_units_of(series: BarSeries, stored: Instrument, instrument: Instrument) -> BarSeries | None:
    # None where a number of the series does not fit the decimals of the instrument.
    steps = dict.fromkeys(("open", "high", "low", "close"), instrument.price_decimals - stored.price_decimals)
    steps["volume"] = instrument.quantity_decimals - stored.quantity_decimals
    columns: dict[str, Ints] = {}
    for name, step in steps.items():
        column, factor = getattr(series, name), 10 ** abs(step)
        if step < 0 and (column % factor).any():
            return None
        columns[name] = column // factor if step < 0 else column * factor
    return msgspec.structs.replace(series, symbol=instrument.symbol, **columns)


def _lacks_session(starts: Ints, market: Market) -> bool:
    # Whether the market had a session between the first and the last bar of which no bar is held.
    found = np.unique(_days(starts, market))
    between = range(int(found[0]), int(found[-1]) + 1)
    traded = [day for day in between if _session_on(market, day, HoursClass.SHARE) is not None]
    return bool(len(np.setdiff1d(np.array(traded, dtype=np.int64), found)))


def _days(starts: Ints, market: Market) -> Ints:
    # No bar starts within an hour of midnight, so one offset does for all, even where clocks change.
    days: Ints = (starts + market.utc_offset_ns(int(starts[-1]))) // DAY
    return days


@lru_cache(maxsize=4096)
def _session_on(market: Market, day: int, line: HoursClass) -> Session | None:
    noon = day * DAY + DAY // 2
    return market.calendar.session_on(market.date_of(noon - market.utc_offset_ns(noon)), line)
