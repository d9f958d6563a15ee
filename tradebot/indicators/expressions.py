"""What a strategy writes its rules with: `ta`, bars, lag, crossings, pairs, and the nodes that know the session."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from datetime import time, timedelta, timezone
from typing import Any

from tradebot.clock import SECOND
from tradebot.indicators import talib_bridge
from tradebot.indicators.node import (
    BASE_TIMEFRAME,
    NO_TIMEFRAME,
    Node,
    Op,
    Operand,
    as_node,
    hold,
    intern_node,
    is_longer_timeframe,
    longer_close,
)
from tradebot.indicators.session_opens import Anchor


class Bars:
    """The columns of the bars of one symbol, as expressions; `resample` makes longer bars."""

    __slots__ = ("close", "high", "low", "open", "volume")

    def __init__(self, columns: Iterable[Node] | None = None) -> None:
        names = talib_bridge.BAR_COLUMNS
        self.open, self.high, self.low, self.close, self.volume = (
            [intern_node(Op.BAR, (), (name,)) for name in names] if columns is None else columns
        )

    def column(self, name: str) -> Node:
        """Return a column by name. Raises AttributeError."""
        column: Node = getattr(self, name)
        return column


class Outputs:
    """The outputs of a TA-Lib function that has several; unpack them in its order, or take one by name.

    Names are TA-Lib's, or those without the part that repeats the function's name: `MACD(...).macdsignal` or `.signal`,
    `BBANDS(...).upperband` or `.upper`, `AROON(...).aroonup` or `.up`.
    """

    __slots__ = ("_by_name", "_name", "_nodes")

    def __init__(self, computed: Node, name: str, outputs: tuple[str, ...]) -> None:
        self._name = name
        self._nodes = tuple(intern_node(Op.PICK, (computed,), (i, output)) for i, output in enumerate(outputs))
        self._by_name: dict[str, Node] = {}
        for output, picked in zip(outputs, self._nodes, strict=True):
            short = output.removeprefix(name.lower()).removesuffix("band")
            for alias in (output, short or output):
                self._by_name[alias] = picked

    def __getattr__(self, name: str) -> Node:
        try:
            return self._by_name[name]
        except KeyError:
            raise AttributeError(f"{self._name} has no output {name}; it has {', '.join(self._by_name)}") from None

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __getitem__(self, index: int) -> Node:
        return self._nodes[index]

    def __len__(self) -> int:
        return len(self._nodes)


class TaLib:
    """Every TA-Lib function by its name: inputs first, then its parameters, by position or by TA-Lib's names.

    An input is an expression or the bars: `ta.EMA(bars.close, 12)`, `ta.ADX(bars, timeperiod=14)`, `ta.OBV(bars)`. Bars
    stand for the columns that TA-Lib names, or for close where it takes one price. A function with one output gives an
    expression, one with several gives `Outputs`. Raises AttributeError for an unknown function, TypeError for wrong
    arguments, ValueError for parameters out of range.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        described = talib_bridge.function_signature(name)

        def build(*args: object, **parameters: int | float) -> Node | Outputs:
            inputs, rest = _inputs(described, args)
            params = _params(described, rest, parameters)
            talib_bridge.lookback_rows(name, params)
            computed = intern_node(Op.TA, inputs, (name, params))
            if len(described.outputs) == 1:
                return intern_node(Op.PICK, (computed,), (0, ""))
            return Outputs(computed, name, described.outputs)

        return build


def _inputs(described: talib_bridge.Signature, args: tuple[object, ...]) -> tuple[tuple[Node, ...], tuple[object, ...]]:
    left = list(args)
    bars: Bars | None = None
    inputs: list[Node] = []
    for group in described.inputs:
        if left and isinstance(left[0], Bars):
            bars = left.pop(0)  # type: ignore[assignment]
        elif left and isinstance(left[0], Node):
            for _ in group:
                if not left or not isinstance(left[0], Node):
                    raise TypeError(
                        f"{described.name} needs bars, or one expression for each of {', '.join(map(str, group))}"
                    )
                inputs.append(left.pop(0))  # type: ignore[arg-type]
            continue
        if bars is None or None in group:
            raise TypeError(f"{described.name} needs an expression or bars as its first arguments")
        inputs.extend(bars.column(str(name)) for name in group)
    return tuple(inputs), tuple(left)


def _params(
    described: talib_bridge.Signature, args: tuple[object, ...], named: dict[str, int | float]
) -> talib_bridge.Params:
    known = described.parameters
    if len(args) > len(known):
        raise TypeError(f"{described.name} takes the parameters {', '.join(known) or 'none'}; {len(args)} were given")
    given: dict[str, object] = dict(zip(known, args, strict=False))
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise TypeError(
                f"{described.name} has no parameter {name}" + (f"; did you mean {near[0]}?" if near else "")
            )
        if name in given:
            raise TypeError(f"{described.name} got {name} twice")
    given |= named
    result: list[tuple[str, int | float]] = []
    for name, default in known.items():
        value = given.get(name, default)
        wanted = int if isinstance(default, int) else int | float
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise TypeError(f"{described.name}: {name} must be a {type(default).__name__}, was {value!r}")
        result.append((name, type(default)(value)))
    return tuple(result)


ta = TaLib()


def lag(x: Operand, bars: int = 1) -> Node:
    """Return the value `bars` bars ago, NaN before that; a value of longer bars is lagged by longer bars.

    Raises ValueError below 1: the future is not known.
    """
    if isinstance(bars, bool) or not isinstance(bars, int) or bars < 1:
        raise ValueError(f"lag needs a whole number of bars from 1, was {bars!r}")
    x = as_node(x)
    return intern_node(Op.LAG, (x, longer_close(x.timeframe)) if is_longer_timeframe(x) else (x,), (bars,))


def crossed_above(a: Operand, b: Operand) -> Node:
    """Return true at the bar where `a` is above `b` and was not at the bar before."""
    a, b = _alike(a, b)
    return (a > b) & (lag(a) <= lag(b))


def crossed_below(a: Operand, b: Operand) -> Node:
    """Return true at the bar where `a` is below `b` and was not at the bar before."""
    a, b = _alike(a, b)
    return (a < b) & (lag(a) >= lag(b))


def _alike(a: Operand, b: Operand) -> tuple[Node, Node]:
    # A lag counts bars of its own timeframe, so both sides need the same one first.
    a, b = as_node(a), as_node(b)
    frames = {a.timeframe, b.timeframe} - {NO_TIMEFRAME}
    return (hold(a), hold(b)) if len(frames) > 1 else (a, b)


def rank(x: Operand) -> Node:
    """Return the rank of a symbol's value among the symbols of one close: 0 lowest, 1 highest, ties in the middle.

    Only finite values count; the others, and a value that is alone, have NaN. A symbol without a bar in the close takes
    no part. A value of longer bars is held. A symbol is ranked among the strategy's `symbols`.
    """
    return intern_node(Op.RANK, (hold(x),))


def zscore(x: Operand) -> Node:
    """Return how many standard deviations a symbol's value is above the mean of the symbols of one close.

    The deviation is that of the population; the result is 0 where all values are equal. The same symbols take part as
    in `rank`.
    """
    return intern_node(Op.ZSCORE, (hold(x),))


def resample(bars: Bars, length: str, *, opens_at: time | None = None, zone: timezone | None = None) -> Bars:
    """Return longer bars, such as `15m`, `1h` or `1d`, counted from the open of each session of the exchange.

    `opens_at` is another time to count from, in the exchange's zone, or in `zone`, which is a fixed offset.

    An expression over them has a value at the bar that closes the longer one, the first moment at which it is known.
    That is its last bar; if that had no trade or the session ended before, it is the next bar there is. Rules fire at
    that bar alone. In expressions with other bars, and in protections, a value is held until the next (`hold`). Raises
    ValueError.
    """
    if bars.close.timeframe != BASE_TIMEFRAME:
        raise ValueError(f"resample({length!r}) needs the bars themselves, not longer ones made from them")
    columns = tuple(bars.column(name) for name in talib_bridge.BAR_COLUMNS)
    made = intern_node(Op.RESAMPLE, columns, (_nanoseconds(length), _anchor(opens_at, zone)))
    return Bars(intern_node(Op.PICK, (made,), (i, name)) for i, name in enumerate(talib_bridge.BAR_COLUMNS))


def _nanoseconds(length: str) -> int:
    unit = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}.get(length[-1:], 0)
    number = length[:-1]
    seconds = int(number) * unit if number.isascii() and number.isdigit() else 0
    if not seconds or 86_400 % seconds:
        raise ValueError(f"resample needs a length that divides a day, such as 15m, 1h or 1d, was {length!r}")
    return seconds * SECOND


def minimum(a: Operand, b: Operand) -> Node:
    """Return the smaller of a pair; NaN where one is NaN."""
    return intern_node(Op.MIN, (as_node(a), as_node(b)))


def maximum(a: Operand, b: Operand) -> Node:
    """Return the larger of a pair; NaN where one is NaN."""
    return intern_node(Op.MAX, (as_node(a), as_node(b)))


def _anchor(opens_at: time | None, zone: timezone | None) -> Anchor:
    if zone is None:
        return opens_at
    if opens_at is None:
        raise ValueError("a zone goes with the time at which sessions open there: opens_at")
    local = timedelta(hours=opens_at.hour, minutes=opens_at.minute, seconds=opens_at.second)
    seconds = (local - zone.utcoffset(None)).total_seconds()
    return int(seconds) % 86_400 * SECOND


class OpeningRange:
    """The high and the low of the first minutes of a session, as expressions."""

    __slots__ = ("high", "low")

    def __init__(self, bars: Bars, minutes: int, anchor: Anchor) -> None:
        self.high = intern_node(Op.OPENING_HIGH, (bars.high,), (minutes, anchor))
        self.low = intern_node(Op.OPENING_LOW, (bars.low,), (minutes, anchor))


def opening_range(
    bars: Bars, minutes: int, *, opens_at: time | None = None, zone: timezone | None = None
) -> OpeningRange:
    """Return the range of the bars that start in the first `minutes` of a session; for its open see `resample`.

    It is known from the first bar that starts after those minutes until the session ends. It is NaN within them, and
    all day if no bar of them was seen: a start in the middle of the day trades no half range.
    """
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes < 1440:
        raise ValueError(f"opening_range needs whole minutes from 1 to 1439, was {minutes!r}")
    _need_the_bars("opening_range", bars)
    return OpeningRange(bars, minutes, _anchor(opens_at, zone))


def session_vwap(bars: Bars, *, opens_at: time | None = None, zone: timezone | None = None) -> Node:
    """Return the average of (high + low + close) / 3 since the session opened, weighted by volume.

    It is NaN before any volume.
    """
    _need_the_bars("session_vwap", bars)
    anchor = _anchor(opens_at, zone)
    return intern_node(Op.SESSION_VWAP, (bars.high, bars.low, bars.close, bars.volume), (anchor,))


def _need_the_bars(name: str, bars: Bars) -> None:
    if bars.close.timeframe != BASE_TIMEFRAME:
        raise ValueError(f"{name} needs the bars themselves, not longer ones made from them")
