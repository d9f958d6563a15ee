"""Strategies in pandas: a frame of bars of one symbol in, a frame of signals out; always in worker processes."""

from __future__ import annotations

import difflib
from typing import ClassVar

import numpy as np
import pandas as pd

from tradebot.domain.market import Floats, Ints
from tradebot.domain.messages import Action
from tradebot.indicators.talib_bridge import BAR_COLUMNS
from tradebot.strategies.signal_masks import Mask, SignalMasks, with_valid_levels
from tradebot.strategies.strategy import Strategy

INDIA_ZONE = "Asia/Kolkata"
LEVEL_COLUMNS = ("stop_loss", "trail_by", "target")
SIDE_SUFFIXES = {Action.ENTER_LONG: "_long", Action.ENTER_SHORT: "_short"}
KNOWN_COLUMNS = {
    *map(str, Action),
    *LEVEL_COLUMNS,
    *(level + side for level in LEVEL_COLUMNS for side in SIDE_SUFFIXES.values()),
}
LOOKAHEAD_SAMPLES = 24  # bars at which a history is checked for look-ahead
ENTRY_SAMPLES = 4  # entries of each side whose levels are checked too; each check computes all bars before it
LEVEL_TOLERANCE = 1e-9  # allowed relative difference of levels: sums in another order may differ that much


class FrameStrategy(Strategy):
    """A trading idea over a pandas frame. Subclass it, declare `Param`s, and write `signals`.

    After each close the frame holds the last `window` bars, the newest last. Only the last row of the returned frame
    counts; the rows above it are the signals of earlier closes.
    """

    takes_frames = True
    window: ClassVar[int] = 500  # bars: enough for a moving average of 200 to settle; 20 KB a symbol

    def signals(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the same rows, with columns of truth values and of levels.

        `df` has the columns open, high, low, close, volume as floats. Its index is the start of each bar in the
        exchange's zone; `df.attrs["symbol"]` is the symbol. Columns may be added to it, and it may be returned. A
        signal is given where the column `enter_long`, `exit_long`, `enter_short` or `exit_short` is true. `stop_loss`,
        `trail_by` and `target` protect an entry; a suffix `_long` or `_short` limits one to a side. As in `Rules`, an
        entry is given only where all its levels are finite and its exit does not hold.
        """
        raise NotImplementedError(f"{type(self).__name__} has no signals(df)")


def make_frame(symbol: str, bars: Floats, starts: Ints, zone: str = INDIA_ZONE) -> pd.DataFrame:
    """Return bars (5, n) that start at `starts` (n,) market ns as a frame for `signals`, with `zone` for its index."""
    index = pd.DatetimeIndex(starts.astype("datetime64[ns]"), tz="UTC", name="start").tz_convert(zone)
    made = pd.DataFrame(dict(zip(BAR_COLUMNS, bars.copy(), strict=True)), index=index)
    made.attrs["symbol"] = symbol
    return made


def evaluate_frame(strategy: FrameStrategy, df: pd.DataFrame) -> tuple[SignalMasks, dict[str, Floats]]:
    """Return the signals of every row, and the other numeric columns that the strategy added, as their inputs.

    Raises TypeError or ValueError for an invalid result of `signals`, and what the strategy itself raises.
    """
    count = len(df)
    found = strategy.signals(df)
    if not isinstance(found, pd.DataFrame):
        raise TypeError(f"signals() must return a DataFrame, returned {type(found).__name__}")
    if len(found) != count:
        raise ValueError(f"signals() must return one row for each of the {count} rows given, returned {len(found)}")
    for name in map(str, found.columns):
        if name.startswith(("enter_", "exit_", *LEVEL_COLUMNS)) and name not in KNOWN_COLUMNS:
            near = difflib.get_close_matches(name, KNOWN_COLUMNS, n=1)
            raise ValueError(
                f"signals() returned an unknown column {name}" + (f"; did you mean {near[0]}?" if near else "")
            )
    when = {action: _truth(found[action.value]) for action in Action if action.value in found}
    if not when:
        raise ValueError(f"signals() returned none of the columns {', '.join(Action)}")
    levels = {action: _levels(found, SIDE_SUFFIXES[action]) if action in SIDE_SUFFIXES else {} for action in when}
    return with_valid_levels(when, levels), _others(found)


def evaluate_history(
    strategy: FrameStrategy, symbol: str, bars: Floats, starts: Ints, zone: str = INDIA_ZONE
) -> SignalMasks:
    """Return the signals of every bar of a history, from one call of `signals` over all of it.

    To find look-ahead, up to `LOOKAHEAD_SAMPLES` bars, the last one among them, are computed again from only the
    `window` bars that a worker would have then. The levels of a few entries are computed again from all bars up to
    theirs. Raises ValueError when a signal or a level differs: the strategy uses later bars, or bars from before its
    window.
    """
    whole, _ = evaluate_frame(strategy, make_frame(symbol, bars, starts, zone))
    count = len(starts)
    first = min(count, strategy.window) // 4
    for last in sorted(set(np.linspace(first, count - 1, LOOKAHEAD_SAMPLES).astype(int).tolist())) if count else ():
        part = slice(max(0, last + 1 - strategy.window), last + 1)
        live, _ = evaluate_frame(strategy, make_frame(symbol, bars[:, part], starts[part], zone))
        for action, hits in whole.when.items():
            if action not in live.when or live.when[action][-1] != hits[last]:
                at = make_frame(symbol, bars[:, part], starts[part], zone).index[-1]
                raise ValueError(
                    f"{type(strategy).__name__}: {action} of {symbol} at {at} is another one when later bars or those "
                    f"more than {strategy.window} back are known; signals() may use neither"
                )
    for action, levels in whole.levels.items():
        for row in _some(np.flatnonzero(whole.when[action])) if levels else ():
            df = make_frame(symbol, bars[:, : row + 1], starts[: row + 1], zone)
            _same_levels(strategy, action, df, levels)
    return whole


def _some(rows: Ints) -> list[int]:
    places = set(np.linspace(0, len(rows) - 1, ENTRY_SAMPLES).astype(int).tolist()) if len(rows) else set()
    return [int(rows[place]) for place in sorted(places)]


def _same_levels(strategy: FrameStrategy, action: Action, df: pd.DataFrame, levels: dict[str, Floats]) -> None:
    symbol, at, row = df.attrs["symbol"], df.index[-1], len(df) - 1
    past, _ = evaluate_frame(strategy, df)
    for name, column in levels.items():
        then = past.levels.get(action, {}).get(name, np.full(row + 1, np.nan))[row]
        if not abs(then - column[row]) <= LEVEL_TOLERANCE * abs(column[row]):
            raise ValueError(
                f"{type(strategy).__name__}: {name} of {action} of {symbol} at {at} is {column[row]:g}, and "
                f"{then:g} before later bars are known; signals() may not use them"
            )


def _truth(column: pd.Series) -> Mask:
    truth: Mask = column.eq(True).fillna(False).to_numpy(dtype=bool)
    return truth


def _levels(found: pd.DataFrame, side: str) -> dict[str, Floats]:
    names = {level: level + side if level + side in found else level for level in LEVEL_COLUMNS}
    return {level: _floats(found, name) for level, name in names.items() if name in found}


def _floats(found: pd.DataFrame, name: str) -> Floats:
    column: Floats = found[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return column


def _others(found: pd.DataFrame) -> dict[str, Floats]:
    names = [name for name in found.columns if name not in KNOWN_COLUMNS and name not in BAR_COLUMNS]
    return {str(name): _floats(found, name) for name in names if pd.api.types.is_numeric_dtype(found[name].dtype)}
