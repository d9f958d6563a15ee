"""A partition of the symbols with all strategies over them: bars in, signal columns out; in a worker or inline."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch, Floats, Ints, to_floats
from tradebot.domain.messages import Action
from tradebot.indicators.expressions import Bars
from tradebot.indicators.node import Node, expression_text, named_indicators
from tradebot.indicators.plan import ExpressionPlan, ExpressionValues
from tradebot.indicators.streaming import StreamingIndicators
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.signal_masks import evaluate_rules
from tradebot.strategies.strategy import Holding, Intent, Rules, Strategy
from tradebot.strategies.user_code_guard import UserCodeGuard
from tradebot.trading.analysis.frame_windows import FrameWindows
from tradebot.trading.analysis.session_opens import session_opens_of
from tradebot.trading.analysis.signal_batch import LEVELS, SignalColumns, WorkerResult
from tradebot.trading.analysis.waiting_symbols import CloseRows, WaitingSymbols

# Invented symbols over which `warm_caches` runs the rules: enough of them to fill the caches, and each with enough bars
# for its indicators to have values.
SCRATCH_SYMBOLS, SCRATCH_BARS = 50, 300
MAX_INPUTS = 8  # most values shown with a signal: enough for a rule, bounded for the journal


class PartitionSetup(NamedTuple):
    """What a partition is built from: `instruments` with their universe `ids`, and the strategies.

    `interval_ns` is market ns. `off` holds the (strategy, symbol id) pairs that are disabled already, `waiting` the ids
    that join later.
    """

    ids: tuple[int, ...]
    instruments: tuple[Instrument, ...]
    specs: tuple[StrategySpec, ...]
    interval_ns: int
    off: frozenset[tuple[str, int]] = frozenset()
    waiting: frozenset[int] = frozenset()


class SymbolHistory(NamedTuple):
    """The history of one symbol: `starts` (n,) market ns, `columns` (5, n) in price and quantity units."""

    id: int
    starts: Ints
    columns: Ints


class Partition:
    """The state of some strategies over some symbols. Raises DataError or ConfigError of a strategy.

    An id numbers a symbol in the whole universe; a row numbers it in this partition.
    """

    def __init__(self, setup: PartitionSetup) -> None:
        self.universe = Universe(setup.instruments)
        self.interval_ns = setup.interval_ns
        self.ids = setup.ids
        self.row_of = {id_: row for row, id_ in enumerate(setup.ids)}
        # id -> row, -1 for symbols of others
        self._rows = np.full(max(setup.ids, default=-1) + 1, -1, dtype=np.int64)
        self._rows[list(setup.ids)] = np.arange(len(setup.ids))
        specs = sorted(setup.specs, key=lambda spec: spec.name)
        self.rules = [
            (spec.name, rules) for spec in specs if (rules := spec.create_strategy().rules(Bars())) is not None
        ]
        self.deciders = self._deciders(specs, setup.off)
        # strategy -> mask of rows
        self.traded_rows = {spec.name: np.isin(self.ids, self._traded(spec)) for spec in specs}
        # strategy -> action -> (label, node)
        self.shown_inputs = {name: _shown(rules) for name, rules in self.rules}
        roots = [node for _, rules in self.rules for node in rules.root_nodes + _named(rules)]
        self.live = StreamingIndicators(
            ExpressionPlan(roots, interval_ns=self.interval_ns, opens=session_opens_of(setup.instruments)),
            len(self.ids),
        )
        framing = [(spec, self._traded(spec)) for spec in specs if spec.load_class().takes_frames]
        self.frame_windows = FrameWindows(framing, self.universe, self.row_of, setup.off) if framing else None
        self._waiting = WaitingSymbols(setup.ids, setup.waiting, as_one=self.live.plan.is_cross_sectional)
        self._scratch: _Scratch | None = None
        # row -> (bars, starts). Strategies that compare symbols get the histories only when all of them are here.
        self._pasts: dict[int, tuple[Floats, Ints]] = {}

    def _deciders(
        self, specs: Sequence[StrategySpec], off: frozenset[tuple[str, int]]
    ) -> list[tuple[str, dict[int, Strategy]]]:
        # Each strategy that overrides `decide`, with one object per symbol that it trades: id -> object.
        return [
            (spec.name, {id_: spec.create_strategy() for id_ in self._traded(spec) if (spec.name, id_) not in off})
            for spec in specs
            if spec.load_class().decide is not Strategy.decide
        ]

    def _traded(self, spec: StrategySpec) -> list[int]:
        named = zip(self.ids, self.universe, strict=True)
        return [id_ for id_, instrument in named if not spec.symbols or instrument.symbol in spec.symbols]

    def load_histories(self, histories: Sequence[SymbolHistory]) -> WorkerResult:
        """Load histories, each symbol's once and before its first close, without signals. `finish_warmup` follows."""
        answer = WorkerResult([], [])
        for past in histories:
            row = self.row_of.get(past.id)
            if row is None:
                continue
            bars = self._floats(np.full(len(past.starts), row), past.columns)
            if self.live.plan.is_cross_sectional:
                self._pasts[row] = bars, past.starts
            elif len(self.live.plan):
                self.live.warm_up_states(row, bars, past.starts)
            if self.frame_windows is not None:
                self.frame_windows.load_history(row, bars, past.starts)
            if self.deciders:
                # An object may keep state in `decide`, so it gets every past bar, with no position.
                for t, start in enumerate(past.starts.tolist()):
                    ids, end = np.array([past.id]), start + self.interval_ns
                    self.run_deciders(CloseRows(end, ids, past.columns[:, t : t + 1], {}), answer)
        answer.signals.clear()  # signals of past bars are not acted on, only the faults count
        return answer

    def finish_warmup(self) -> None:
        """Finish the warm-up before the first close: load the histories of compared symbols, prepare `warm_caches`."""
        if self._waiting.is_empty:
            self._feed_compared()
        if len(self.live.plan) and len(self.ids):
            self._scratch = _Scratch(self.live.plan, min(len(self.ids), SCRATCH_SYMBOLS))

    def join_symbols(self, ids: Collection[int], histories: Sequence[SymbolHistory]) -> WorkerResult:
        """Let waiting ids join with their histories, without signals; an id without a history joins cold.

        They then have the state that they would have had from the beginning: the closes since are kept here.
        """
        answer = self.load_histories(histories)
        joined = self._waiting.join_ids(ids)
        if len(joined):
            self._feed_compared()
        for close in self._waiting.take_closes(joined):
            answer.faults.extend(self._step(close, self._rows[close.ids]).faults)
        return answer

    def _feed_compared(self) -> None:
        if self._pasts:
            self.live.feed_histories(self._pasts)
            self._pasts = {}

    def process_close(self, close_rows: CloseRows) -> WorkerResult:
        """Process the rows of a close that belong to this partition, and return signals and faults.

        Of symbols that have not joined nothing is processed yet.
        """
        close_rows, rows = self._own(close_rows)
        if not self._waiting.is_empty:
            close_rows = self._waiting.hold_back(close_rows)
            rows = self._rows[close_rows.ids]
        return self._step(close_rows, rows)

    def _step(self, close_rows: CloseRows, rows: Ints) -> WorkerResult:
        answer = WorkerResult([], [])
        if not len(rows):
            return answer
        bars = self._floats(rows, close_rows.columns)
        if len(self.live.plan):
            values = self.live.step_bars(rows, bars, close_rows.ends_at - self.interval_ns)
            for name, rules in self.rules:
                self._evaluate_rules(name, rules, values, close_rows, bars, self.traded_rows[name][rows], answer)
        if self.frame_windows is not None:
            self.frame_windows.add_bars(rows, close_rows.ids, bars, close_rows.ends_at - self.interval_ns, answer)
        if self.deciders:
            self.run_deciders(close_rows, answer)
        return answer

    def warm_caches(self) -> WorkerResult:
        """Compute one bar of invented symbols with the same rules, so that the next close finds warm processor caches.

        Changes no state of a real symbol and calls no code of a strategy. The result means nothing.
        """
        answer = WorkerResult([], [])
        if self._scratch is None:
            return answer
        values = self._scratch.advance_bar()
        rows = np.arange(self._scratch.live.size)
        piece = CloseRows(0, rows, np.zeros((5, len(rows)), dtype=np.int64), {})
        for name, rules in self.rules:
            self._evaluate_rules(name, rules, values, piece, self._scratch.bars, np.ones(len(rows), dtype=bool), answer)
        return answer

    def _own(self, piece: CloseRows) -> tuple[CloseRows, Ints]:
        # The rows of a close that are symbols of this partition, and their row numbers here. Ids ascend, so the last
        # one tells whether any lies beyond the table.
        if len(piece.ids) and piece.ids[-1] >= len(self._rows):
            is_near = piece.ids < len(self._rows)
            piece = piece._replace(ids=piece.ids[is_near], columns=piece.columns[:, is_near])
        rows = self._rows[piece.ids]
        if rows.min(initial=0) >= 0:  # all are of this partition: nothing to copy
            return piece, rows
        is_ours = rows >= 0
        return piece._replace(ids=piece.ids[is_ours], columns=piece.columns[:, is_ours]), rows[is_ours]

    def _floats(self, rows: Ints, columns: Ints) -> Floats:
        return to_floats(columns, self.universe.price_scales[rows], self.universe.quantity_scales[rows])

    def _evaluate_rules(
        self,
        name: str,
        rules: Rules,
        values: ExpressionValues,
        piece: CloseRows,
        bars: Floats,
        traded: Any,
        answer: WorkerResult,
    ) -> None:
        # Append the signals of one strategy's rules as columns, one for each action with a signal.
        masks = evaluate_rules(rules, values)
        for action, mask in masks.when.items():
            hits = np.flatnonzero(mask & traded)
            if not len(hits):
                continue
            levels = np.full((len(LEVELS), len(hits)), np.nan)
            for level, column in masks.levels[action].items():
                levels[LEVELS.index(level)] = column[hits]
            shown = self.shown_inputs[name][action]
            inputs = np.array([values[node][hits] for _, node in shown]).reshape(len(shown), len(hits))
            labels = tuple(text for text, _ in shown)
            columns = SignalColumns(name, action.value, piece.ids[hits], bars[3, hits], levels, labels, inputs)
            answer.signals.append(columns)

    def run_deciders(self, close_rows: CloseRows, result: WorkerResult) -> None:
        """Call the `decide` of every strategy that overrides it, for rows of this partition.

        Signals and faults are appended to `result`. A signal of the same strategy, action and symbol that `result` has
        already, from rules, is not added again. A strategy that raises is removed for its symbol.
        """
        batch = _exact_batch(close_rows, self.row_of, self.interval_ns)
        from_rules = {(f.strategy, f.action): set(f.ids.tolist()) for f in result.signals}
        found: dict[tuple[str, str, tuple[str, ...]], list[tuple[int, float, list[float], list[float]]]] = {}
        for i, id_ in enumerate(close_rows.ids.tolist()):
            bar = None  # built when the first strategy needs it
            for name, strategies in self.deciders:
                decider = strategies.get(id_)
                if decider is None:
                    continue
                bar = bar or batch.bar_of_row(i, self.universe)
                position = Holding(*close_rows.held[id_]) if id_ in close_rows.held else Holding()
                with UserCodeGuard() as guard:
                    returned = decider.decide(bar, close_rows.ends_at, position)
                    intents = _intents_by_action(returned)
                if guard.fault is not None:
                    del strategies[id_]
                    result.faults.append((name, id_, guard.fault_reason))
                    continue
                for action, (levels, inputs) in intents.items():
                    if id_ not in from_rules.get((name, action), ()):
                        rows_so_far = found.setdefault((name, action, tuple(inputs)), [])
                        rows_so_far.append((id_, float(bar.close), levels, list(inputs.values())))
        for (name, action, labels), rows in found.items():
            ids, prices, level_rows, values = zip(*rows, strict=True)
            shown = np.array(values, dtype=np.float64).reshape(len(ids), len(labels)).T
            columns = SignalColumns(
                name, action, np.array(ids), np.array(prices), np.array(level_rows).T, labels, shown
            )
            result.signals.append(columns)


class _Scratch:
    # Invented symbols: some hundred bars that go up and down, and one more with each call of `advance_bar`.

    def __init__(self, plan: ExpressionPlan, size: int) -> None:
        self.live, self._interval, self._at = StreamingIndicators(plan, size), plan.interval_ns or SECOND, 0
        wave = 100.0 + np.arange(SCRATCH_BARS) % 7
        bars = np.stack([wave, wave + 1, wave - 1, wave, wave])
        starts = (np.arange(SCRATCH_BARS) - SCRATCH_BARS) * self._interval
        self.live.feed_histories(dict.fromkeys(range(size), (bars, starts)))
        self.bars = np.repeat(bars[:, :1], size, axis=1)
        self._rows = np.arange(size)

    def advance_bar(self) -> ExpressionValues:
        self.bars[:4] += 1.0 if self._at % 2 else -1.0
        self._at += 1
        return self.live.step_bars(self._rows, self.bars, self._at * self._interval)


def _exact_batch(piece: CloseRows, row_of: Mapping[int, int], interval: int) -> BarBatch:
    # The close as a batch of bars, whose ids are rows of this partition. Each bar that `decide` gets is made from it.
    rows = np.array([row_of[id_] for id_ in piece.ids.tolist()], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume")
    columns = dict(zip(names, piece.columns, strict=True))
    return BarBatch(
        interval=interval, ends_at=piece.ends_at, seen_at=0, quoted_at=0, ids=rows, ticks=np.zeros_like(rows), **columns
    )


def _intents_by_action(returned: Intent | Iterable[Intent] | None) -> dict[str, tuple[list[float], dict[str, float]]]:
    # action -> (levels as in LEVELS with NaN for none, inputs). Only the first intent of an action counts.
    intents = [] if returned is None else [returned] if isinstance(returned, Intent) else list(returned)
    by_action: dict[str, tuple[list[float], dict[str, float]]] = {}
    for intent in intents:
        if not isinstance(intent, Intent):
            raise TypeError(f"decide() must return Intents, returned {type(intent).__name__}")
        levels = [_level(what, getattr(intent, what)) for what in LEVELS]
        inputs = {str(text): float(value) for text, value in intent.inputs.items()}
        by_action.setdefault(Action(intent.action).value, (levels, inputs))
    return by_action


def _level(what: str, value: Decimal | float | None) -> float:
    number = math.nan if value is None else float(value)
    if value is not None and not math.isfinite(number):
        raise ValueError(f"{what} must be a finite number, was {value}")
    return number


def _shown(rules: Rules) -> dict[Action, list[tuple[str, Node]]]:
    return {
        action: [(expression_text(node), node) for node in list(named_indicators(when))[:MAX_INPUTS]]
        for action, when in rules.when.items()
    }


def _named(rules: Rules) -> list[Node]:
    return [node for pairs in _shown(rules).values() for _, node in pairs]
