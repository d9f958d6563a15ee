"""Data frames to exact bars: turns what `tradebot.backtest(...)` is given into series of integers.

index (or a column ts, date, datetime, time, timestamp) | open high low close [volume], in any case
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
import pandas as pd

from tradebot.backtest.exchange_settings import ExchangeSettings
from tradebot.backtest.frame_times import TIME_COLUMNS, bar_starts, one_line
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries, Floats, Ints
from tradebot.errors import DataError
from tradebot.history.bar_lengths import is_last_running, look_like_end_stamps
from tradebot.history.decimals import common_price_step, month_closes
from tradebot.history.importing import instrument_for
from tradebot.history.interval import common_step, interval_name, shortest_step
from tradebot.history.resample import align_to_calendar
from tradebot.history.staging import StagedSymbol

PRICES = ("open", "high", "low", "close")
MAX_DECIMALS = 8  # the most decimals of a price or quantity that are kept
MAX_EXACT_UNITS = 1 << 62
NEVER = 1 << 62
MAX_EXACT_FLOAT = 2.0**53  # floats hold every integer below this

InputFrames = pd.DataFrame | Mapping[str, pd.DataFrame]


class InputBars(NamedTuple):
    """Bars read from frames: instruments, series by symbol, and a sentence for each thing left out or doubtful."""

    instruments: tuple[Instrument, ...]
    series: dict[str, BarSeries]
    notes: tuple[str, ...]


def bars_from_frames(
    bars: InputFrames,
    *,
    exchange: ExchangeSettings,
    zone: str = "",
    symbol: str = "",
    interval_ns: int = 0,
    now: int = NEVER,
) -> InputBars:
    """Return the bars in `bars`: one frame, one with a column `symbol`, or symbol -> frame.

    Times are the starts of bars. Without a zone they are in `zone`, else in the exchange's. `interval_ns` is the length
    of a bar; 0 takes the commonest step. A last bar that is still running at `now` (ns UTC), or was when it was read,
    is left out and noted. Symbols come in the order of their names. The instruments are those that an import makes of
    the same bars: prices keep the decimals they have, up to 8. Raises DataError for invalid bars: one sentence with
    symbol and row.
    """
    zone = zone or exchange.zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        raise DataError(f"{zone!r} is no time zone; expected one such as Asia/Kolkata or UTC") from None
    frames = _by_symbol(bars, symbol)
    if not frames:
        raise DataError("there are no bars: give a frame, or a dict of symbol to frame")
    notes: list[str] = []
    # Sorted by name, because the order decides which symbol gets the cash first.
    made = {name: _series(name, frames[name], exchange, zone, interval_ns, now, notes) for name in sorted(frames)}
    intervals = {series.interval for _, series in made.values()}
    if len(intervals) > 1:
        raise DataError(f"the symbols have bars of different lengths, {_named(intervals)}; give them one at a time")
    series = {name: one for name, (_, one) in made.items()}
    return InputBars(tuple(instrument for instrument, _ in made.values()), series, tuple(notes))


def _by_symbol(bars: InputFrames, symbol: str) -> dict[str, pd.DataFrame]:
    if isinstance(bars, Mapping):
        for name, frame in bars.items():
            if not isinstance(frame, pd.DataFrame):
                raise DataError(f"{name}: its bars must be a DataFrame, not {type(frame).__name__}")
        return {str(name): frame for name, frame in bars.items()}
    if not isinstance(bars, pd.DataFrame):
        raise DataError(f"bars must be a DataFrame or a dict of symbol to DataFrame, not {type(bars).__name__}")
    column = next((name for name in bars.columns if str(name).lower() == "symbol"), None)
    if column is not None and not symbol:
        if (is_nameless := bars[column].isna().to_numpy()).any():
            raise DataError(f"row {int(is_nameless.argmax()) + 1} has no symbol; {int(is_nameless.sum()):,} such rows")
        return {str(name): part.drop(columns=column) for name, part in bars.groupby(column, sort=False)}
    return {symbol or str(bars.attrs.get("symbol") or "BARS"): bars}


def _series(
    symbol: str, frame: pd.DataFrame, place: ExchangeSettings, zone: str, interval: int, now: int, notes: list[str]
) -> tuple[Instrument, BarSeries]:
    if frame.columns.nlevels > 1:
        raise DataError(f"{symbol}: its columns have {frame.columns.nlevels} levels; give each symbol a frame of one")
    frame = frame.rename(columns=lambda name: str(name).lower())
    twice = [name for name in (*PRICES, "volume") if (frame.columns == name).sum() > 1]
    if twice:
        raise DataError(f"{symbol}: the column {twice[0]} is there more than once")
    missing = [name for name in PRICES if name not in frame.columns]
    if missing:
        raise DataError(f"{symbol}: no column {', '.join(missing)}; there are {', '.join(map(str, frame.columns))}")
    if len(frame) < 2:
        raise DataError(f"{symbol}: {len(frame)} bars; at least two are needed to tell how long a bar is")
    starts, old = bar_starts(symbol, frame, zone)
    notes.extend(filter(None, [old]))
    interval = interval or common_step(np.diff(starts))
    stamps, starts = starts, align_to_calendar(starts, interval, place.exchange)
    if stamps[-1] != stamps[-2] and is_last_running(starts, interval, place.exchange, now):
        notes.append(
            f"{symbol}: the last row, {_at(stamps[-1], zone)}, is left out: its bar of {interval_name(interval)}"
            " was still"
            " running when it was read"
        )
        frame, starts = frame.iloc[:-1], starts[:-1]
    notes.extend(_doubts(symbol, frame, starts, interval, place))
    prices = np.column_stack([_numbers(symbol, frame, name) for name in PRICES])
    volume = _numbers(symbol, frame, "volume") if "volume" in frame.columns else np.zeros(len(frame))
    _check(symbol, starts, prices, volume)
    _check_lengths(symbol, starts, interval, zone)
    closes = month_closes({}, starts, prices[:, 3])
    staged = StagedSymbol(
        len(frame),
        _decimals(prices),
        _volume_decimals(volume),
        0,
        int(starts.max()),
        closes[min(closes)][1],
        common_price_step(prices, 0),
    )
    instrument = instrument_for(symbol, place.exchange, staged)
    if instrument.currency != place.currency:
        instrument = msgspec.structs.replace(instrument, currency=place.currency)
    units = np.rint(prices * 10.0**instrument.price_decimals).astype(np.int64)
    columns = dict(zip(PRICES, units.T.copy(), strict=True))
    quantities = np.rint(volume * 10.0**instrument.quantity_decimals).astype(np.int64)
    return instrument, BarSeries(symbol=symbol, interval=interval, starts=starts, **columns, volume=quantities)


def _doubts(symbol: str, frame: pd.DataFrame, starts: Ints, interval: int, place: ExchangeSettings) -> Iterator[str]:
    if "volume" not in frame.columns:
        unread = [name for name in frame.columns if name not in (*PRICES, *TIME_COLUMNS)]
        others = f"; columns not read: {', '.join(unread)}" if unread else ""
        yield f"{symbol}: no column volume{others}: volumes are 0"
    if look_like_end_stamps(starts, interval, place.exchange):
        yield f"{symbol}: times look like the ends of their bars, and are taken for their starts; shift them if so"


def _numbers(symbol: str, frame: pd.DataFrame, name: str) -> Floats:
    try:
        return np.asarray(frame[name].to_numpy(np.float64))
    except (ValueError, TypeError) as fault:
        raise DataError(f"{symbol}: the column {name} holds no numbers: {one_line(fault)}") from None


def _check(symbol: str, starts: Ints, prices: Floats, volume: Floats) -> None:
    def at(rows: Any, what: str) -> None:
        if rows.any():
            row = int(rows.argmax())
            stamp = pd.Timestamp(starts[row], tz="UTC").isoformat()
            raise DataError(f"{symbol}: row {row + 1} ({stamp}) {what}; {int(rows.sum()):,} such rows")

    step = np.concatenate([[1], np.diff(starts)])
    at(step == 0, "has the time of the row before it")
    at(step < 0, "is older than the row before it: sort the bars by time")
    at(~np.isfinite(prices).all(1), "has a price that is no number")
    at((prices <= 0).any(1), "has a price of 0 or less")
    at(~((volume >= 0) & (volume < MAX_EXACT_FLOAT)), "has a volume that is none")
    top, bottom = prices[:, [0, 2, 3]].max(1), prices[:, [0, 1, 3]].min(1)
    at((prices[:, 1] < top) | (prices[:, 2] > bottom), "has a high below, or a low above, its other prices")
    at((prices * 10.0**MAX_DECIMALS > MAX_EXACT_UNITS).any(1), "has a price too large to be kept exactly")


def _check_lengths(symbol: str, starts: Ints, interval: int, zone: str) -> None:
    is_close = np.diff(starts) < shortest_step(interval)
    if is_close.any():
        row = int(is_close.argmax()) + 1
        raise DataError(
            f"{symbol}: row {row + 1} ({_at(starts[row], zone)}) begins before the {interval_name(interval)} of the bar"
            f" before are over; {int(is_close.sum()):,} such rows; give bars of one length, or say it: interval='1m'"
        )


def _at(stamp: int, zone: str) -> str:
    return str(pd.Timestamp(int(stamp), tz="UTC").tz_convert(zone).isoformat())


def _volume_decimals(volume: Floats) -> int:
    # A volume is not money: decimals that its size leaves no room for are rounded off.
    found, largest = _decimals(volume[:, None]), float(volume.max(initial=1.0))
    return next(d for d in range(found, -1, -1) if d == 0 or largest * 10.0**d < MAX_EXACT_FLOAT)


def _decimals(values: Floats) -> int:
    for decimals in range(MAX_DECIMALS):
        scaled = values * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= np.maximum(1e-6, np.abs(scaled) * 1e-12)):
            return max(decimals, 2) if values.shape[1] > 1 else decimals
    return MAX_DECIMALS


def _named(intervals: set[int]) -> str:
    return " and ".join(map(interval_name, sorted(intervals)))
