"""Fills, signals and bars for the operator, newest first, read from the journal in a thread.

The journal and not a memory of this run: it has the days before a restart too, and costs the event loop nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from tradebot.clock import SECOND
from tradebot.control.answers import BarList, BarRow, ListedTrade, SignalList, SignalRow, TradeList
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Signals
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.journal.newest_rows import RowQuery, search_newest
from tradebot.journal.rows import JournalRow

FILL_TEXT = b'"execution":{'  # in the body of an order event with a fill
BARS_KINDS = ("close", "repaired")
MAX_READS = 1  # reads at a time, so that lists never take more than one thread
Read = TypeVar("Read")


class JournalLists:
    """Lists of one journal. `run_id`, `universe` and `interval_ns` are those of the run, for its bars."""

    def __init__(self, path: Path, *, run_id: str, universe: Universe, interval_ns: int) -> None:
        self._path, self._run_id, self._universe, self._interval_ns = path, run_id, universe, interval_ns
        self._places = asyncio.Semaphore(MAX_READS)

    async def read_trades(self, *, limit: int, before: int) -> TradeList:
        """Return the newest fills before row `before`. Raises StateError."""
        query = RowQuery(kinds=("order",), text=FILL_TEXT)
        rows, rest = await self._in_thread(
            lambda: search_newest(self._path, query, _trades, before=before, limit=limit)
        )
        return TradeList(tuple(rows), rest)

    async def read_signals(self, *, limit: int, before: int) -> SignalList:
        """Return the newest signals before row `before`; those of one close are together. Raises StateError."""
        query = RowQuery(kinds=("signals",), text=b'"signal_id"')
        rows, rest = await self._in_thread(
            lambda: search_newest(self._path, query, _signals, before=before, limit=limit)
        )
        return SignalList(tuple(rows), rest)

    async def read_bars(self, symbol: str, *, limit: int, before: int) -> BarList:
        """Return the newest bars of a symbol of the run before row `before`. Raises StateError."""
        id_, query = self._universe.id_of(symbol), RowQuery(kinds=BARS_KINDS, run=self._run_id)

        def bar(row: JournalRow) -> list[BarRow]:
            batch = row.message
            assert isinstance(batch, BarBatch)
            place = int(np.searchsorted(batch.ids, id_))
            if batch.interval != self._interval_ns or place == len(batch) or batch.ids[place] != id_:
                return []
            one = batch.bar_of_row(place, self._universe)
            return [
                BarRow(row.seq, one.end, one.open, one.high, one.low, one.close, one.volume, row.kind != BARS_KINDS[0])
            ]

        rows, rest = await self._in_thread(lambda: search_newest(self._path, query, bar, before=before, limit=limit))
        return BarList(symbol, self._interval_ns // SECOND, tuple(rows), rest)

    async def _in_thread(self, read: Callable[[], Read]) -> Read:
        async with self._places:
            # A caller that gives up leaves the thread to its end, which a search bounds; meanwhile others may begin.
            return await asyncio.to_thread(read)


def _trades(row: JournalRow) -> list[ListedTrade]:
    event = row.message
    if not isinstance(event, OrderEvent) or event.fill is None or event.type is not OrderEventType.EXECUTED:
        return []
    done = event.fill
    return [
        ListedTrade(
            seq=row.seq,
            run_id=row.run,
            traded_at=done.traded_at,
            order_id=event.order_id,
            execution_id=done.execution_id,
            exchange=done.exchange,
            symbol=done.symbol,
            side=done.side.value,
            quantity=done.quantity,
            price=done.price,
        )
    ]


def _signals(row: JournalRow) -> list[SignalRow]:
    message = row.message
    assert isinstance(message, Signals)
    return [
        SignalRow(row.seq, row.run, s.signal_id, s.strategy, s.symbol, s.action.value, s.bar_at, s.close)
        for s in message.signals
    ]
