"""Finds price jumps between a close and the next open: splits not adjusted, demergers, true moves. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from tradebot.domain.market import BarSeries
from tradebot.history.exchange_calendar import date_of_day, exchange_days
from tradebot.history.jump_ratio import are_jumps

SPLIT_RATIOS = (2.0, 3.0, 4.0, 5.0, 10.0, 1.5, 20.0, 8.0, 7.0, 6.0)  # new shares for one old share, usual ratios first
RATIO_TOLERANCE = 0.04  # how far close / open may be from such a ratio, relative to it
MIN_SPLIT_RATIO = 1.4


class PriceJump(NamedTuple):
    """An open far from the close before it."""

    starts_at: int  # start of the bar, ns UTC
    day: int  # at the exchange, counted from 1970-01-01
    description: str  # what the jump looks like
    is_split: bool  # whether it looks like a split


def find_jumps(series: BarSeries, exchange: str, accepted: Collection[int] = ()) -> list[PriceJump]:
    """Return the jumps of a series in order, without those on `accepted` days (counted from 1970-01-01)."""
    days = exchange_days(series.starts, exchange)
    firsts = np.flatnonzero(np.diff(days)) + 1
    before, after = series.close[firsts - 1].astype(np.float64), series.open[firsts].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / after
    found = []
    for i in np.flatnonzero(are_jumps(before, after)).tolist():
        day = int(days[firsts[i]])
        if day not in accepted:
            found.append(_jump(series.symbol, float(ratio[i]), int(series.starts[firsts[i]]), day))
    return found


def _jump(symbol: str, ratio: float, at: int, day: int) -> PriceJump:
    share = next(
        (s for s in SPLIT_RATIOS if abs(ratio / s - 1) < RATIO_TOLERANCE or abs(ratio * s - 1) < RATIO_TOLERANCE), None
    )
    way_out = f"if it is true, `tradebot data accept {symbol} {date_of_day(day)}`"
    if share is not None and not 1 / MIN_SPLIT_RATIO <= ratio <= MIN_SPLIT_RATIO:
        words = f"1 share became {share:g}" if ratio > 1 else f"{share:g} shares became 1"
        text = f"looks like a split that was not adjusted on {date_of_day(day)}: {words}; {way_out}"
        return PriceJump(at, day, text, is_split=True)
    moved = f"{1 - 1 / ratio:.1%} below" if ratio > 1 else f"{1 / ratio - 1:.1%} above"
    text = (
        f"opens on {date_of_day(day)} {moved} the close before: a demerger, a bonus not adjusted, or a true move;"
        f" {way_out}"
    )
    return PriceJump(at, day, text, is_split=False)
