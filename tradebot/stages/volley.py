"""What fired at one close: columns out of the workers, signals built from them a piece at a time, so the loop goes on.

A worker answers with arrays and not with an object per symbol, so that five thousand signals cross as a few columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Floats, Ints
from tradebot.domain.messages import Action, Signal, Signals

ORDER = (Action.EXIT_LONG, Action.EXIT_SHORT, Action.ENTER_LONG, Action.ENTER_SHORT)  # room before new risk
RANK = {action.value: rank for rank, action in enumerate(ORDER)}
LEVELS = ("quantity", "stop_loss", "trail_by", "target")
PIECE = 16  # signals of one message, which the desk judges without a pause: 1 to 2 ms when all become orders


class Fires(NamedTuple):
    """What one strategy asks for by one action, over the symbols that fired.

    `ids` (k,) universe ids, `close` (k,) their closing prices, `levels` (4, k) as in LEVELS with NaN for none, `inputs`
    (len(labels), k) the values behind it, NaN where unknown.
    """

    strategy: str
    action: str
    ids: Ints
    close: Floats
    levels: Floats
    labels: tuple[str, ...]
    inputs: Floats


class Answer(NamedTuple):
    """What a job gave: what fired, and faults as (strategy, id, reason)."""

    fires: list[Fires]
    faults: list[tuple[str, int, str]]


class Volley:
    """The signals of one close, in the order (symbol id, strategy, exits first), built when they are taken.

    `failed` are the ids of the close that got no answer, `made_at` is monotonic ns.
    """

    def __init__(
        self, close: Close, universe: Universe, fires: Sequence[Fires], failed: Sequence[int], made_at: int
    ) -> None:
        self._close, self._universe, self._made_at = close, universe, made_at
        self._fires = [f for f in fires if len(f.ids)]
        self.failed = tuple(universe[id_].symbol for id_ in failed)

    def __len__(self) -> int:
        return sum(len(f.ids) for f in self._fires)

    def whole(self) -> Signals:
        """Return all signals in one message."""
        return self._message(tuple(signal for piece in self._built() for signal in piece), self.failed)

    def pieces(self) -> Iterator[Signals]:
        """Yield messages of at most PIECE signals; at least one, and the last names what failed."""
        pieces = self._built()
        piece = next(pieces, ())
        for following in pieces:
            yield self._message(piece, ())
            piece = following
        yield self._message(piece, self.failed)

    def _message(self, signals: tuple[Signal, ...], failed: tuple[str, ...]) -> Signals:
        return Signals(at=self._close.ends_at, interval=self._close.interval, signals=signals, failed=failed)

    def _built(self) -> Iterator[tuple[Signal, ...]]:
        if not self._fires:
            return
        names = {name: i for i, name in enumerate(sorted({f.strategy for f in self._fires}))}
        sizes = [len(f.ids) for f in self._fires]
        ids = np.concatenate([f.ids for f in self._fires])
        strategies = np.repeat([names[f.strategy] for f in self._fires], sizes)
        ranks = np.repeat([RANK[f.action] for f in self._fires], sizes)
        order = np.lexsort((ranks, strategies, ids))
        group = np.repeat(np.arange(len(sizes)), sizes)[order]
        within = (np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes))[order]
        for first in range(0, len(order), PIECE):
            some = slice(first, first + PIECE)
            yield self._piece(group[some], within[some])

    def _piece(self, group: Ints, within: Ints) -> tuple[Signal, ...]:
        found: list[Any] = [None] * len(group)
        for number in np.unique(group).tolist():
            places = np.flatnonzero(group == number)
            for place, signal in zip(places.tolist(), self._signals(self._fires[number], within[places]), strict=True):
                found[place] = signal
        return tuple(found)

    def _signals(self, fires: Fires, rows: Ints) -> Iterator[Signal]:
        at, quoted_at, made_at, universe = self._close.ends_at, self._close.quoted_at, self._made_at, self._universe
        strategy, action, labels = fires.strategy, Action(fires.action), fires.labels
        head, tail = f"{strategy}/", f"/{at}/{action.value}"
        levels = [_or_none(column[rows]) for column in fires.levels]
        inputs = fires.inputs[:, rows]
        values = inputs.T.tolist()
        is_known = np.logical_and.reduce(np.isfinite(inputs), axis=0).tolist()
        columns = zip(fires.ids[rows].tolist(), fires.close[rows].tolist(), *levels, values, is_known, strict=True)
        for id_, price, quantity, stop_loss, trail_by, target, shown, is_all in columns:
            symbol = universe[id_].symbol
            named = zip(labels, shown, strict=True)
            yield Signal(
                signal_id=head + symbol + tail,  # as `signal_id` makes it
                strategy=strategy, symbol=symbol, action=action, bar_at=at, quoted_at=quoted_at,
                made_at=made_at, close=price, quantity=quantity, stop_loss=stop_loss, trail_by=trail_by, target=target,
                inputs=dict(named) if is_all else {label: value for label, value in named if np.isfinite(value)},
            )  # fmt: skip


def _or_none(column: Floats) -> list[float | None]:
    is_none = np.isnan(column)
    if is_none.all():
        return [None] * len(column)
    values: list[float | None] = column.tolist()
    for i in np.flatnonzero(is_none).tolist():
        values[i] = None
    return values


def signal_id(strategy: str, symbol: str, bar_at: int, action: str) -> str:
    """Return the id of a signal, a pure function of what it says: the same in a replay."""
    return f"{strategy}/{symbol}/{bar_at}/{action}"
