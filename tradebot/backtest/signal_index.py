"""The signals of one instrument over its whole history, in batch: those of rules and of frame strategies."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tradebot.backtest.bar_table import BarTable
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries, Floats, to_floats
from tradebot.domain.messages import Action, Signal
from tradebot.indicators.cross_section import BarHistory
from tradebot.indicators.cross_section import evaluate_histories as across
from tradebot.indicators.expressions import Bars
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.session_opens import SessionOpens
from tradebot.markets.exchanges import zone_name_of
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.signal_masks import SignalMasks, evaluate_rules
from tradebot.strategies.time_limit import time_limit
from tradebot.strategies.user_code_guard import UserCodeGuard
from tradebot.trading.analysis.session_opens import session_opens_of
from tradebot.trading.analysis.signal_batch import ACTION_PRIORITY, make_signal_id

SIGNAL_LEVELS = ("quantity", "stop_loss", "trail_by", "target")  # the levels of a signal, in the order of its fields
NEVER = 1 << 62  # the row after every row
NO_LEVELS: list[float | None] = [None] * len(SIGNAL_LEVELS)


class StrategyFault(NamedTuple):
    """A strategy that was switched off for a symbol, and why."""

    strategy: str
    symbol: str
    reason: str


class ActionSignals(NamedTuple):
    """All signals of one action of one strategy: `rows` ascending, `levels` name -> column."""

    strategy: str
    action: Action
    rows: list[int]
    levels: dict[str, Floats]


class IndexedSignals(NamedTuple):
    """The signal index of every instrument, and the strategies that failed while it was built."""

    indexes: list[SignalIndex]
    faults: list[StrategyFault]


class _RowCursor:
    # A cursor over the ascending rows that have a signal; `place` is the index of the first row not passed yet.
    __slots__ = ("place", "rows")

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows, self.place = [*rows, NEVER], 0

    def advance_to(self, row: int) -> int:
        # Usually one step: either the signal is acted on, or the next one is read.
        place = self.place + 1
        self.place = place = place if self.rows[place] >= row else bisect_left(self.rows, row, place)
        return self.rows[place]


class SignalIndex:
    """The signals of one instrument, read in ascending rows; `unused_count` is the number not returned so far."""

    def __init__(self, instrument: Instrument, actions: Sequence[ActionSignals]) -> None:
        self._symbol, self._scale = instrument.symbol, 10.0**instrument.price_decimals
        self._by_action = [(one, _RowCursor(one.rows)) for one in actions]
        self.unused_count = sum(len(one.rows) for one in actions)
        self._actionable = {  # sign of the position -> the rows with a signal that it can act on
            0: _RowCursor(_merged(one.rows for one in actions if one.action.is_entry)),
            1: _RowCursor(_merged(one.rows for one in actions if one.action is Action.EXIT_LONG)),
            -1: _RowCursor(_merged(one.rows for one in actions if one.action is Action.EXIT_SHORT)),
        }

    def next_actionable_row(self, row: int, sign: int) -> int:
        """Return the first row from `row` on with a signal that a position of `sign` can act on.

        For a flat position (0) that is an entry, else the exit of its side: the desk ignores all other signals.
        Returns NEVER without such a row.
        """
        cursor = self._actionable[sign]
        first = cursor.rows[cursor.place]
        return first if first >= row else cursor.advance_to(row)

    def signals_at(self, row: int, end: int, close: int) -> list[Signal]:
        """Return the signals at the close of a row, `close` units at `end` (market ns): by strategy, exits first."""
        found: list[Signal] = []
        price = close / self._scale
        for one, fired in self._by_action:
            first = fired.rows[fired.place]
            if first > row or (first < row and fired.advance_to(row) != row):
                continue
            quantity, stop, trail, target = NO_LEVELS
            if one.levels:
                quantity, stop, trail, target = (
                    float(one.levels[name][fired.place]) if name in one.levels else None for name in SIGNAL_LEVELS
                )
            id_ = make_signal_id(one.strategy, self._symbol, end, one.action.text)
            found.append(
                Signal(id_, one.strategy, self._symbol, one.action, end, end, end, price, quantity, stop, trail, target)
            )
        self.unused_count -= len(found)
        return found


def index_signals(
    specs: Sequence[StrategySpec],
    instruments: Sequence[Instrument],
    table: BarTable,
    firsts: Sequence[int],
    limit_s: float,
) -> IndexedSignals:
    """Evaluate rules and frame strategies over all histories.

    Signals before row `firsts[id]` belong to the warm-up and are dropped. `specs` are sorted by name. A frame strategy
    that raises, or takes longer than `limit_s` for one history, is switched off for that symbol.
    """
    pasts = [(_floats(i, s), s.starts) for i, s in zip(instruments, table.series, strict=True)]
    opens = session_opens_of(instruments)
    said: list[list[tuple[str, SignalMasks]]] = [[] for _ in instruments]  # id -> (strategy, what fired)
    faults: list[StrategyFault] = []
    for spec in specs:
        traded = [n for n, i in enumerate(instruments) if not spec.symbols or i.symbol in spec.symbols]
        for id_, ruled in _ruled(spec, traded, pasts, table.interval_ns, opens):
            said[id_].append((spec.name, ruled))
        if spec.load_class().takes_frames:
            for id_ in traded:
                framed, reason = _framed(spec, instruments[id_], pasts[id_], limit_s)
                if framed is not None:
                    said[id_].append((spec.name, framed))
                else:
                    faults.append(StrategyFault(spec.name, instruments[id_].symbol, reason))
    actions = [
        SignalIndex(i, [w for name, one in pairs for w in _wishes(name, one, first)])
        for i, pairs, first in zip(instruments, said, firsts, strict=True)
    ]
    return IndexedSignals(actions, faults)


def _ruled(
    spec: StrategySpec, traded: Sequence[int], pasts: Sequence[BarHistory], interval: int, opens: SessionOpens
) -> Iterator[tuple[int, SignalMasks]]:
    rules = spec.create_strategy().rules(Bars())
    if rules is None:
        return
    plan, read = ExpressionPlan(rules.root_nodes, interval_ns=interval, opens=opens), [pasts[id_] for id_ in traded]
    columns = (
        across(plan, read)
        if plan.is_cross_sectional
        else (evaluate_history(plan, bars, starts) for bars, starts in read)
    )
    for id_, values in zip(traded, columns, strict=True):
        yield id_, evaluate_rules(rules, values)


def _framed(
    spec: StrategySpec, instrument: Instrument, past: BarHistory, limit_s: float
) -> tuple[SignalMasks | None, str]:
    from tradebot.strategies import frame_strategy  # pandas is imported where a strategy needs it

    strategy = spec.create_strategy()
    assert isinstance(strategy, frame_strategy.FrameStrategy), f"{spec.name} takes frames and is no FrameStrategy"
    found = None
    with UserCodeGuard() as guard, time_limit(limit_s):
        found = frame_strategy.evaluate_history(strategy, instrument.symbol, *past, zone_name_of(instrument.exchange))
    return found, guard.fault_reason


def _wishes(strategy: str, found: SignalMasks, first: int) -> Iterator[ActionSignals]:
    for action in (action for action in ACTION_PRIORITY if action in found.when):
        places = np.flatnonzero(found.when[action])
        places = places[np.searchsorted(places, first) :]
        rows = places.tolist()
        if rows:
            levels = {what: column[places] for what, column in found.levels.get(action, {}).items()}
            yield ActionSignals(strategy, action, rows, levels)


def _floats(instrument: Instrument, series: BarSeries) -> Floats:
    columns = (series.open, series.high, series.low, series.close, series.volume)
    return to_floats(columns, 10.0**instrument.price_decimals, 10.0**instrument.quantity_decimals)


def _merged(lists: Iterable[list[int]]) -> list[int]:
    found = [rows for rows in lists if rows]
    return found[0] if len(found) == 1 else sorted(set().union(*found))
