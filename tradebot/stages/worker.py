"""What runs inside a worker process (or inline): a share of the symbols, their indicators, the strategies over them.

Bars come in as one array per close, what fired goes out as a few rows. The module imports little, on purpose: it is all
that a worker loads besides the user's own strategies.
"""

from __future__ import annotations

import fcntl
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import numpy as np

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Close, Floats, Ints
from tradebot.domain.messages import Action
from tradebot.indicators.expressions import Bars
from tradebot.indicators.live import Live
from tradebot.indicators.node import Node, label, named
from tradebot.indicators.plan import Plan, Values
from tradebot.strategies.fence import Fence
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Holding, Intent, Rules, Strategy

ORDER = (Action.EXIT_LONG, Action.EXIT_SHORT, Action.ENTER_LONG, Action.ENTER_SHORT)  # room before new risk
EXIT_OF = {Action.ENTER_LONG: Action.EXIT_LONG, Action.ENTER_SHORT: Action.EXIT_SHORT}
INPUTS = 8  # values shown per signal: enough for a rule, bounded for the journal


class Setup(NamedTuple):
    """What a worker owns: instruments by universe id, strategies, and the (strategy, id) pairs already switched off."""

    ids: tuple[int, ...]
    instruments: tuple[Instrument, ...]
    specs: tuple[StrategySpec, ...]
    interval: int
    off: frozenset[tuple[str, int]] = frozenset()


class Past(NamedTuple):
    """The history of one symbol: `starts` (n,) market ns, `columns` (5, n) in price and quantity units."""

    id: int
    starts: Ints
    columns: Ints


class Slice(NamedTuple):
    """A worker's share of one close: `ids` (k,) ascending, `columns` (5, k) in price and quantity units.

    `held` maps an id to (quantity, average price); a symbol that is flat is absent.
    """

    ends_at: int
    ids: Ints
    columns: Ints
    held: Mapping[int, tuple[Decimal, Decimal]]


class Row(NamedTuple):
    """A signal on its way out of a worker."""

    id: int
    strategy: str
    action: str
    close: float
    quantity: float | None
    stop_loss: float | None
    trail_by: float | None
    target: float | None
    inputs: dict[str, float]


class Answer(NamedTuple):
    """What a job gave: rows in the order (id, strategy, exits first), and faults as (strategy, id, reason)."""

    rows: list[Row]
    faults: list[tuple[str, int, str]]


class Share:
    """Some symbols with all strategies over them; the same code inline and in a worker. Raises DataError."""

    def __init__(self, setup: Setup) -> None:
        self.universe = Universe(setup.instruments)
        self.interval = setup.interval
        self.ids = setup.ids
        self.row_of = {id_: row for row, id_ in enumerate(setup.ids)}
        self._rows = np.full(max(setup.ids, default=-1) + 1, -1, dtype=np.int64)  # id -> row, for a whole close
        self._rows[list(setup.ids)] = np.arange(len(setup.ids))
        specs = sorted(setup.specs, key=lambda spec: spec.name)
        self.rules = [(spec.name, rules) for spec in specs if (rules := spec.create().rules(Bars())) is not None]
        deciding = [spec for spec in specs if spec.load().decide is not Strategy.decide]
        self.deciders: list[tuple[str, dict[int, Strategy]]] = [
            (spec.name, {id_: spec.create() for id_ in self._traded(spec) if (spec.name, id_) not in setup.off})
            for spec in deciding
        ]
        self.traded = {spec.name: np.isin(self.ids, self._traded(spec)) for spec in specs}  # strategy -> mask of rows
        self.shown = {name: _shown(rules) for name, rules in self.rules}  # strategy -> action -> (label, node)
        self.live = Live(Plan(node for _, rules in self.rules for node in rules.roots + _named(rules)), len(self.ids))

    def _traded(self, spec: StrategySpec) -> list[int]:
        named = zip(self.ids, self.universe, strict=True)
        return [id_ for id_, instrument in named if not spec.symbols or instrument.symbol in spec.symbols]

    def warm(self, pasts: Sequence[Past]) -> Answer:
        """Feed histories, each symbol's once and before its first close; gives no rows."""
        answer = Answer([], [])
        for past in pasts:
            row = self.row_of[past.id]
            if len(self.live.plan):
                self.live.fill(row, self._floats(np.full(len(past.starts), row), past.columns), past.starts)
            if self.deciders:
                for t, start in enumerate(past.starts.tolist()):
                    ids, end = np.array([past.id]), start + self.interval
                    self._decide(Slice(end, ids, past.columns[:, t : t + 1], {}), answer)
        answer.rows.clear()
        return answer

    def step(self, piece: Slice) -> Answer:
        """Feed one close and return what fired."""
        answer = Answer([], [])
        rows = self._rows[piece.ids]
        assert rows.min(initial=0) >= 0, f"ids of another share: {piece.ids[rows < 0]}"
        bars = self._floats(rows, piece.columns)
        if len(self.live.plan):
            values = self.live.step(rows, bars, piece.ends_at - self.interval)
            for name, rules in self.rules:
                self._fire(name, rules, values, piece, bars, self.traded[name][rows], answer)
        if self.deciders:
            self._decide(piece, answer)
        rank = {action.value: place for place, action in enumerate(ORDER)}
        answer.rows.sort(key=lambda row: (row.id, row.strategy, rank[row.action]))
        return answer

    def _floats(self, rows: Ints, columns: Ints) -> Floats:
        # The same division as Close.floats, so that history and closes give the same numbers.
        return np.vstack([columns[:4] / self.universe.scales[rows], columns[4].astype(np.float64)[None, :]])

    def _fire(
        self, name: str, rules: Rules, values: Values, piece: Slice, bars: Floats, traded: Any, answer: Answer
    ) -> None:
        fired = {action: (values[node] == 1.0) & traded for action, node in rules.when.items()}
        for action, hits in fired.items():
            if not hits.any():
                continue
            protection = rules.protection.get(action, {})
            if action.is_entry:
                for node in protection.values():
                    hits = hits & np.isfinite(values[node])
                hits = hits & ~fired.get(EXIT_OF[action], np.zeros_like(hits))
            for i in np.flatnonzero(hits).tolist():
                levels = {what: float(values[node][i]) for what, node in protection.items()}
                shown = {text: float(values[node][i]) for text, node in self.shown[name][action]}
                inputs = {text: value for text, value in shown.items() if math.isfinite(value)}
                answer.rows.append(_row(int(piece.ids[i]), name, action, float(bars[3, i]), None, levels, inputs))

    def _decide(self, piece: Slice, answer: Answer) -> None:
        close = _close(piece, self.row_of, self.interval)
        for i, id_ in enumerate(piece.ids.tolist()):
            bar = None
            for name, objects in self.deciders:
                decider = objects.get(id_)
                if decider is None:
                    continue
                bar = bar or close.bar(i, self.universe)
                position = Holding(*piece.held[id_]) if id_ in piece.held else Holding()
                with Fence() as fence:
                    wanted = decider.decide(bar, piece.ends_at, position)
                    rows = _rows(id_, name, float(bar.close), wanted)
                if fence.fault is not None:
                    del objects[id_]
                    answer.faults.append((name, id_, fence.reason))
                    continue
                taken = {row.action for row in answer.rows if row.id == id_ and row.strategy == name}
                answer.rows.extend(row for row in rows if row.action not in taken)


def _close(piece: Slice, row_of: Mapping[int, int], interval: int) -> Close:
    rows = np.array([row_of[id_] for id_ in piece.ids.tolist()], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume")
    columns = dict(zip(names, piece.columns, strict=True))
    return Close(
        interval=interval, ends_at=piece.ends_at, seen_at=0, quoted_at=0, ids=rows, ticks=np.zeros_like(rows), **columns
    )


def _rows(id_: int, name: str, close: float, wanted: Intent | Iterable[Intent] | None) -> list[Row]:
    intents = [] if wanted is None else [wanted] if isinstance(wanted, Intent) else list(wanted)
    rows: dict[str, Row] = {}
    for intent in intents:
        if not isinstance(intent, Intent):
            raise TypeError(f"decide() must return Intents, returned {type(intent).__name__}")
        given = {
            "stop_loss": intent.stop_loss, "trail_by": intent.trail_by, "target": intent.target,
        }  # fmt: skip
        levels = {what: _finite(what, value) for what, value in given.items() if value is not None}
        quantity = None if intent.quantity is None else _finite("quantity", intent.quantity)
        action = Action(intent.action)
        inputs = {str(text): float(value) for text, value in intent.inputs.items()}
        rows.setdefault(action.value, _row(id_, name, action, close, quantity, levels, inputs))
    return list(rows.values())


def _finite(what: str, value: Decimal | float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a finite number, was {value}")
    return number


def _row(
    id_: int,
    name: str,
    action: Action,
    close: float,
    quantity: float | None,
    levels: Mapping[str, float],
    inputs: dict[str, float],
) -> Row:
    stop_loss, trail_by, target = (levels.get(what) for what in ("stop_loss", "trail_by", "target"))
    return Row(id_, name, action.value, close, quantity, stop_loss, trail_by, target, inputs)


def _shown(rules: Rules) -> dict[Action, list[tuple[str, Node]]]:
    return {action: [(label(node), node) for node in list(named(when))[:INPUTS]] for action, when in rules.when.items()}


def _named(rules: Rules) -> list[Node]:
    return [node for pairs in _shown(rules).values() for _, node in pairs]


_share: Share | None = None  # the one share of this process


def begin() -> None:
    """Prepare a new worker process: leave Ctrl-C to the parent, yield to the event loop, die with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # The kernel kills us when the pipe ends that only the daemon holds open. That needs no thread and no lock: it
        # ends a worker that hangs in C too. A parent-death signal would not do: our parent, the fork server, lives on.
        fd = parent.sentinel
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        threading.Thread(target=_outlive_not, args=(parent,), daemon=True).start()
    if not parent.is_alive():
        os._exit(0)


def _outlive_not(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def load(setup: Setup) -> None:
    """Build the share of this process."""
    global _share
    _share = Share(setup)


def warm(pasts: Sequence[Past]) -> Answer:
    """Feed histories to the share of this process."""
    assert _share is not None, "warm before load"
    return _share.warm(pasts)


def step(piece: Slice) -> Answer:
    """Feed one close to the share of this process."""
    assert _share is not None, "step before load"
    return _share.step(piece)
