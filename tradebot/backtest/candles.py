"""The candles of a report: each symbol's bars, thinned to what a page holds, with fills and stop lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tradebot.backtest.result import Result
from tradebot.clock import SECOND
from tradebot.domain.market import BarSeries, Ints
from tradebot.domain.order import OrderPurpose
from tradebot.history.interval import interval_name

MAX_CANDLES_PER_SYMBOL, MAX_CANDLES, MAX_SYMBOLS = 2_000, 24_000, 60
MAX_FILLS_SHOWN = 3_000
STEPS_S = (60, 180, 300, 900, 1_800, 3_600, 14_400, 86_400, 604_800, 2_592_000)
STOP_PURPOSES = {OrderPurpose.STOP.value, OrderPurpose.TRAIL.value}


def trades_with_stops(result: Result) -> pd.DataFrame:
    """Return a row per closed trade whose entry had a stop: `symbol`, `entered_at`, `exited_at`, `stop`."""
    entries = result.fills.merge(result.orders[["order_id", "stop"]], on="order_id")
    entries = entries[entries["stop"].notna()].drop_duplicates(["symbol", "ts"])
    found = result.trades.merge(entries, left_on=["symbol", "entered_at"], right_on=["symbol", "ts"])
    return found[["symbol", "entered_at", "exited_at", "stop"]].assign(symbol=found["symbol"].astype(str))


def chart_candles(result: Result, series: Mapping[str, BarSeries]) -> dict[str, Any]:
    """Return symbol -> its candles, fills and stops, thinned to what a page holds.

    Only the symbols with the most fills are kept; the notes say how many are left out.
    """
    fills, stops = result.fills, trades_with_stops(result)
    counts = fills["symbol"].astype(str).value_counts()
    by_symbol = {symbol: one for symbol, one in series.items() if len(one)}
    names = sorted(by_symbol, key=lambda name: (-int(counts.get(name, 0)), name))[:MAX_SYMBOLS]
    most = min(MAX_CANDLES_PER_SYMBOL, MAX_CANDLES // max(len(names), 1))
    left_out = len(by_symbol) - len(names)
    groups = dict(iter(fills.groupby(fills["symbol"].astype(str))))
    found = {}
    for name in sorted(names):
        own = stops[stops["symbol"] == name]
        found[name] = _market(result, by_symbol[name], groups.get(name, fills.iloc[:0]), own, most)
    for market in found.values() if left_out else ():
        market["note"] += f"; {left_out:,} symbols with fewer fills are left out of the page"
    return found


def _market(result: Result, series: BarSeries, fills: pd.DataFrame, stops: pd.DataFrame, most: int) -> dict[str, Any]:
    job = result.job
    instrument = next(i for i in job.instruments if i.symbol == series.symbol)
    starts = local_clock_s(pd.DatetimeIndex(pd.to_datetime(series.starts, unit="ns", utc=True)).tz_convert(job.zone))
    step, first = _thinned(starts, job.interval // SECOND, most)
    o, c = series.open[first], series.close[np.concatenate([first[1:], [len(starts)]]) - 1]
    h, low = np.maximum.reduceat(series.high, first), np.minimum.reduceat(series.low, first)
    t = starts[first] if step == job.interval // SECOND else starts[first] // step * step
    shown = fills.iloc[-MAX_FILLS_SHOWN:]
    at = local_clock_s(pd.DatetimeIndex(shown["ts"]))
    bar = t[np.maximum(np.searchsorted(t, at, side="right") - 1, 0)]
    note = f"bars of {interval_label(step)}" + (
        f", thinned from {interval_label(job.interval // SECOND)}" if len(first) < len(starts) else ""
    )
    if len(shown) < len(fills):
        note += f"; the last {len(shown):,} of {len(fills):,} fills"
    return {
        # Differences instead of prices: the page packs to a quarter of the size. `unpack` in report.js restores them.
        "t": np.diff(t, prepend=0).tolist(),
        "o": (o - np.concatenate([[0], c[:-1]])).tolist(),
        "c": (c - o).tolist(),
        "h": (h - np.maximum(o, c)).tolist(),
        "l": (np.minimum(o, c) - low).tolist(),
        "scale": 10**instrument.price_decimals,
        "digits": instrument.price_decimals,
        "note": note,
        "fills": [
            {
                "bar": int(b),
                "side": side,
                "qty": qty,
                "price": price,
                "purpose": purpose,
                "stop": purpose in STOP_PURPOSES,
            }
            for b, side, qty, price, purpose in zip(
                bar,
                shown["side"],
                shown["qty"].tolist(),
                shown["price"].tolist(),
                shown["purpose"].astype(str),
                strict=True,
            )
        ],
        "stops": _stop_lines(stops.iloc[-MAX_FILLS_SHOWN:], t),
    }


def _stop_lines(stops: pd.DataFrame, t: Ints) -> list[list[float]]:
    # Rows of (first bar, last bar, price). Of several trades within one candle only the first gets a line.
    ends = [local_clock_s(pd.DatetimeIndex(stops[name])) for name in ("entered_at", "exited_at")]
    first, last = (np.maximum(np.searchsorted(t, at, side="right") - 1, 0) for at in ends)
    lines: list[list[float]] = []
    for begin, end, price in sorted(zip(first.tolist(), last.tolist(), stops["stop"].tolist(), strict=True)):
        end = max(end, min(begin + 1, len(t) - 1))
        if end > begin and (not lines or t[begin] > lines[-1][1]):
            lines.append([int(t[begin]), int(t[end]), price])
    return lines


def _thinned(starts: Ints, interval_s: int, most: int) -> tuple[int, Ints]:
    first = np.arange(len(starts))
    step = interval_s
    for longer in STEPS_S:
        if len(first) <= most:
            break
        if longer > interval_s and longer % interval_s == 0:
            step = longer
            first = np.flatnonzero(np.diff(starts // step, prepend=-1))
    return step, first


def interval_label(seconds: int) -> str:
    """Return the length of a bar as people write it: 1m, 4h, 1d, 1w, 1mo."""
    return interval_name(seconds * SECOND)


def local_clock_s(index: pd.DatetimeIndex) -> Ints:
    """Return times as seconds on the exchange's own wall clock."""
    return np.asarray(index.tz_localize(None).as_unit("ns").asi8 // SECOND)
