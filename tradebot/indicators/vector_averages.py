"""The averages of a plan, stepped together: EMAs, MACDs and average true ranges share each numpy operation.

At fifty symbols an operation costs what its call costs, so four averages in one array take the time of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators.vector_bands import VectorBbands
from tradebot.indicators.vector_functions import VectorEma, VectorMacd, VectorSma
from tradebot.indicators.vector_fused import FusedFactor
from tradebot.indicators.vector_state import BarStep, State
from tradebot.indicators.vector_wilder import VectorAtr

Average = VectorEma | VectorMacd | VectorAtr


class ProgramLine(NamedTuple):
    """One line of a plan's program: the index of its node, those of its arguments, and the function to compute it.

    `picks` are (index, output number) of the nodes that pick one of its outputs; None for a node without state.
    """

    place: int
    args: tuple[int, ...]
    compute: Callable[..., Any]
    is_bars: bool
    picks: list[tuple[int, int]] | None


class JointAverages:
    """The averages of several states over one close column and over its ranges; the states own their numbers.

    They step together if all symbols step and all averages have begun, otherwise each on its own. The averages of the
    column come first, then those of derived values: the signals of MACDs and the average true ranges.
    """

    def __init__(self, states: Sequence[Average]) -> None:
        self.states = states
        self._direct = [state for state in states if not isinstance(state, VectorAtr)]
        self._late = [state for state in states if not isinstance(state, VectorEma)]
        weights: list[float] = []
        self._lines: list[slice | int] = []  # the lines of each direct state in the common array
        for state in self._direct:
            factor = state.weight if isinstance(state, VectorEma) else state.weights
            first, own = len(weights), factor.value.ravel().tolist()
            self._lines.append(first if isinstance(state, VectorEma) else slice(first, first + len(own)))
            weights += own
        self._factor = FusedFactor(weights) if weights else None
        late = [
            float(state.kept.value if isinstance(state, VectorAtr) else state.signal_weight.value)
            for state in self._late
        ]
        self._late_factor = FusedFactor(late) if late else None
        self._all: Floats = np.empty((len(weights), 0))
        self._views: list[Floats] = []  # the part of it that each direct state was given

    def step_bar(self, step: BarStep, inputs: list[Any], *, is_finite: bool) -> State:
        """Feed high, low and close; return the outputs of all states, one after the other."""
        high, low, close = inputs
        if not (is_finite and step.is_whole) or any(state.unopened_count for state in self.states):
            own = [inputs if isinstance(state, VectorAtr) else [close] for state in self.states]
            return sum([s.step_bar(step, x, is_finite=is_finite) for s, x in zip(self.states, own, strict=True)], ())
        found: dict[Average, State] = {}
        if self._factor is not None:
            self._follow(close, found)
        if self._late_factor is not None:
            self._follow_late(high, low, close, found)
        return sum([found[state] for state in self.states], ())

    def _follow(self, close: Floats, found: dict[Average, State]) -> None:
        assert self._factor is not None, "there are averages of the column"
        if not self._views or any(s.state[0] is not view for s, view in zip(self._direct, self._views, strict=True)):
            self._all = np.vstack([state.state[0] for state in self._direct])
        before = self._all
        now = self._all = self._factor.multiply_add_small(close - before, before)
        self._views = [now[line] for line in self._lines]
        for state, view in zip(self._direct, self._views, strict=True):
            if isinstance(state, VectorEma):
                state.state = found[state] = (view,)

    def _follow_late(self, high: Floats, low: Floats, close: Floats, found: dict[Average, State]) -> None:
        assert self._late_factor is not None, "there are averages of something else"
        x, y = np.empty((2, len(self._late), len(close)))
        macds: list[Floats] = []
        for i, state in enumerate(self._late):
            if isinstance(state, VectorAtr):
                x[i] = state.state[1]
                np.multiply(state.ranges.compute_ranges(high, low, state.state[0]), state.part, out=y[i])
            else:
                averages = self._views[self._direct.index(state)]
                macds.append(averages[0] - averages[1])
                y[i] = state.state[1]
                np.subtract(macds[-1], y[i], out=x[i])
        now = self._late_factor.multiply_add(x, y)
        for state, average in zip(self._late, now, strict=True):
            if isinstance(state, VectorAtr):
                state.state, found[state] = (close, average), (average,)
            else:
                macd = macds.pop(0)
                state.state = self._views[self._direct.index(state)], average
                found[state] = macd, average, macd - average


def join_averages(program: Sequence[ProgramLine], states: Sequence[object]) -> list[ProgramLine]:
    """Return a program in which the averages over one close column are one line, in the place of the first of them.

    Average true ranges join the averages of the close that they are computed from. A simple average that is also the
    middle of Bollinger bands is taken from those.
    """
    return _averages(_middles(program, states), states)


def _middles(program: Sequence[ProgramLine], states: Sequence[object]) -> list[ProgramLine]:
    bands = {(line.args, s.period): line for line in program if isinstance(s := states[line.place], VectorBbands)}
    result: list[ProgramLine] = []
    for line in program:
        state = states[line.place]
        twin = bands.get((line.args, state.period)) if isinstance(state, VectorSma) else None
        if twin is None or twin.picks is None:
            result.append(line)
        else:
            twin.picks.extend((slot, 1) for slot, _ in line.picks or ())
            result.append(twin)  # the bands are computed where the average would have been
    return list({line.place: line for line in result}.values())


def _averages(program: Sequence[ProgramLine], states: Sequence[object]) -> list[ProgramLine]:
    alike: dict[int, list[ProgramLine]] = {}
    ranges: dict[int, tuple[int, ...]] = {}
    for line in program:
        if line.is_bars and isinstance(states[line.place], VectorEma | VectorMacd | VectorAtr):
            if isinstance(states[line.place], VectorAtr) and ranges.setdefault(line.args[-1], line.args) != line.args:
                continue
            alike.setdefault(line.args[-1], []).append(line)
    result: list[ProgramLine] = []
    for line in program:
        group = alike.get(line.args[-1], []) if line.args else []
        if line not in group or len(group) == 1:
            result.append(line)
        elif line is group[0]:
            owners: list[Any] = [states[one.place] for one in group]
            firsts = np.cumsum([0, *(owner.width for owner in owners)]).tolist()
            picks = [
                (slot, first + i) for one, first in zip(group, firsts, strict=False) for slot, i in one.picks or ()
            ]
            args = ranges.get(line.args[-1], (line.args[-1],) * 3)
            result.append(ProgramLine(line.place, args, JointAverages(owners).step_bar, True, picks))
    return result
