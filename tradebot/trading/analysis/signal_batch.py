"""The signals of one close, as columns from the workers; messages are built from them in chunks, to not block the loop.

A worker answers with arrays and not with an object for each symbol. So five thousand signals travel as a few columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, Floats, Ints
from tradebot.domain.messages import Action, Signal, Signals

# Exits first: they free margin and limits for the entries
ACTION_PRIORITY = (Action.EXIT_LONG, Action.EXIT_SHORT, Action.ENTER_LONG, Action.ENTER_SHORT)
ACTION_RANK = {action.value: rank for rank, action in enumerate(ACTION_PRIORITY)}
LEVELS = ("quantity", "stop_loss", "trail_by", "target")
CHUNK_SIGNALS = 16  # signals in one message. The desk decides on them without a pause: 1 to 2 ms if all become orders


class SignalColumns(NamedTuple):
    """The signals of one strategy with one action, as columns over k symbols.

    `ids` (k,) are universe ids, `close` (k,) closing prices, `levels` (4, k) are in the order of LEVELS with NaN for
    none, `inputs` (len(labels), k) are the values behind the signals, NaN where unknown.
    """

    strategy: str
    action: str
    ids: Ints
    close: Floats
    levels: Floats
    labels: tuple[str, ...]
    inputs: Floats


class WorkerResult(NamedTuple):
    """The result of a job: signal columns, and faults as (strategy, symbol id, reason)."""

    signals: list[SignalColumns]
    faults: list[tuple[str, int, str]]


class SignalBatch:
    """The signals of one close, ordered by (symbol id, strategy, exits first), built on demand.

    `failed` are the ids of the close without an answer; the attribute holds their symbols. `made_mono` is monotonic ns.
    `withheld` counts the signals that are not given, because bars of their symbols are being repaired.
    """

    def __init__(
        self,
        batch: BarBatch,
        universe: Universe,
        columns: Sequence[SignalColumns],
        failed: Sequence[int],
        made_mono: int,
        *,
        withheld: int = 0,
    ) -> None:
        self._batch, self._universe, self._made_mono = batch, universe, made_mono
        self._columns = [f for f in columns if len(f.ids)]
        self._tables: dict[int, Floats] = {}  # id() of a SignalColumns -> its columns as one table, built once
        self.failed, self.withheld = tuple(universe[id_].symbol for id_ in failed), withheld

    def __len__(self) -> int:
        return sum(len(f.ids) for f in self._columns)

    def as_message(self) -> Signals:
        """Return all signals in one message."""
        return self._message(tuple(signal for piece in self._chunks() for signal in piece), self.failed)

    def message_chunks(self) -> Iterator[Signals]:
        """Yield at least one message, each of at most CHUNK_SIGNALS signals. The last one names the failed symbols."""
        chunks = self._chunks()
        chunk = next(chunks, ())
        for following in chunks:
            yield self._message(chunk, ())
            chunk = following
        yield self._message(chunk, self.failed)  # held back until now, because only the last one names the failed

    def _message(self, signals: tuple[Signal, ...], failed: tuple[str, ...]) -> Signals:
        return Signals(at=self._batch.ends_at, interval=self._batch.interval, signals=signals, failed=failed)

    def _chunks(self) -> Iterator[tuple[Signal, ...]]:
        if len(self) <= CHUNK_SIGNALS:
            if self._columns:
                yield self._few_signals()
            return
        # Sort all signals by (id, strategy, action), then build them a chunk at a time. After sorting, signal i is
        # number `within[i]` of the columns `group[i]`.
        names = {name: i for i, name in enumerate(sorted({f.strategy for f in self._columns}))}
        sizes = [len(f.ids) for f in self._columns]
        ids = np.concatenate([f.ids for f in self._columns])
        strategies = np.repeat([names[f.strategy] for f in self._columns], sizes)
        ranks = np.repeat([ACTION_RANK[f.action] for f in self._columns], sizes)
        order = np.lexsort((ranks, strategies, ids))
        group = np.repeat(np.arange(len(sizes)), sizes)[order]
        within = (np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes))[order]
        for first in range(0, len(order), CHUNK_SIGNALS):
            some = slice(first, first + CHUNK_SIGNALS)
            yield self._chunk(group[some], within[some])

    def _few_signals(self) -> tuple[Signal, ...]:
        # All signals, sorted. For a few of them Python's sort takes less time than the first numpy call.
        signals = [signal for columns in self._columns for signal in self._signals(columns, None)]
        ids = self._universe.id_of
        return tuple(sorted(signals, key=lambda s: (ids(s.symbol), s.strategy, ACTION_RANK[s.action])))

    def _chunk(self, group: Ints, within: Ints) -> tuple[Signal, ...]:
        signals: list[Any] = [None] * len(group)
        for number in sorted(set(group.tolist())):
            places = np.flatnonzero(group == number)
            for place, signal in zip(
                places.tolist(), self._signals(self._columns[number], within[places]), strict=True
            ):
                signals[place] = signal
        return tuple(signals)

    def _signals(self, columns: SignalColumns, rows: Ints | None) -> Iterator[Signal]:
        at, quoted_at, made_at, universe = self._batch.ends_at, self._batch.quoted_at, self._made_mono, self._universe
        strategy, action, labels = columns.strategy, Action(columns.action), columns.labels
        head, tail = f"{strategy}/", f"/{at}/{action.value}"
        ids, table = columns.ids, self._table(columns)
        if rows is not None:
            ids, table = ids[rows], table[rows]
        for id_, (price, *levels_and_inputs) in zip(ids.tolist(), table.tolist(), strict=True):
            # x != x is true for a NaN only.
            quantity, stop_loss, trail_by, target = [None if x != x else x for x in levels_and_inputs[: len(LEVELS)]]
            shown = levels_and_inputs[len(LEVELS) :]
            symbol = universe[id_].symbol
            inputs = dict(zip(labels, shown, strict=True))
            if not isfinite(sum(shown)):
                inputs = {label: value for label, value in inputs.items() if isfinite(value)}
            yield Signal(
                signal_id=head + symbol + tail,  # the same text as of `make_signal_id`
                strategy=strategy,
                symbol=symbol,
                action=action,
                bar_at=at,
                quoted_at=quoted_at,
                made_at=made_at,
                close=price,
                quantity=quantity,
                stop_loss=stop_loss,
                trail_by=trail_by,
                target=target,
                inputs=inputs,
            )

    def _table(self, columns: SignalColumns) -> Floats:
        # One row a symbol: its close, levels and inputs.
        if (table := self._tables.get(id(columns))) is None:
            table = self._tables[id(columns)] = np.vstack([columns.close, columns.levels, columns.inputs]).T
        return table


def make_signal_id(strategy: str, symbol: str, bar_at: int, action: str) -> str:
    """Return the id of a signal, a pure function of these values; so a replay makes the same id."""
    return f"{strategy}/{symbol}/{bar_at}/{action}"
