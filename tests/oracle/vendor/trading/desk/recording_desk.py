"""The desk with an input log: records its inputs for a replay without delaying an order.

The input log is appended to the journal every few seconds, after the orders that followed from the inputs. A crash
loses the last seconds of the input log and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    AccountSnapshot,
    ClockTick,
    Command,
    DeskMessage,
    FillReport,
    OrderReport,
    ReconciliationResult,
    ReleasedPosition,
    RequestResult,
    Signals,
)
from tradebot.domain.order import OrderEvent
from tradebot.journal.input_log import (
    HaltFileSeen,
    InputEntry,
    InputLogBatch,
    InputQuotes,
    StartSnapshot,
    StrategiesStepped,
    UnchangedSnapshot,
)
from tests.oracle.vendor.trading.desk.book.state_hash import StateHasher
from tests.oracle.vendor.trading.desk.decisions import DeskOutput
from tests.oracle.vendor.trading.desk.desk import Desk

DESCRIBED_PER_TICK = 64  # changed positions formatted per tick: takes 0.2 ms, and spreads the work of a burst
MAX_HASHED_ORDERS = 500  # with more live orders the state is not hashed: formatting them all would block the loop
FLUSH_INTERVAL_NS = 5 * SECOND  # monotonic time between two rows of the input log
MAX_ENTRIES = 500  # inputs in one row: packing takes 0.5 ms, for which the row of an order behind it waits


class RecordingDesk:
    """A desk that records its inputs. `append` takes a finished part of the input log, a few times a minute.

    `killed` returns the reason in the HALT file, "" without a file. `make` builds the desk with such a look-up. What it
    returns is recorded too, because the gate decides by it.
    """

    def __init__(
        self,
        make: Callable[[Callable[[], str]], Desk],
        *,
        killed: Callable[[], str],
        append: Callable[[InputLogBatch], object],
    ) -> None:
        self._look_up, self._append = killed, append
        self._desk = make(self._look_up_kill)
        self.account = self._desk.account
        self.book = book = self._desk.book
        self._entries: list[InputEntry] = []
        # instrument id -> whether its quotes influence decisions, and so are all recorded
        self._is_noted: npt.NDArray[np.bool_] = np.zeros(len(book.universe), dtype=bool)
        self._snapshot: AccountSnapshot | None = None
        self._flushed_at = 0  # monotonic ns
        self._has_changed = True  # orders or positions have changed since the last hash
        self._states = StateHasher()
        self._to_describe: dict[str, None] = {}  # symbols whose changed position is not formatted yet
        self._killed = ""

    def apply_message(self, message: DeskMessage) -> list[DeskOutput]:
        """Record a message and let the desk take it."""
        self._note(message)
        output = self._desk.apply_message(message)
        self._follow(output)
        if isinstance(message, ClockTick):
            for symbol in list(islice(self._to_describe, DESCRIBED_PER_TICK)):
                del self._to_describe[symbol]
                self._states.prepare_position(self.book.positions.position_of(symbol))
            if message.mono - self._flushed_at >= FLUSH_INTERVAL_NS:
                self.flush_inputs()
        elif len(self._entries) >= MAX_ENTRIES:
            self._hand_on("")  # the state is hashed with a later row
        return output

    def adopt_snapshot(self, snapshot: AccountSnapshot) -> list[DeskOutput]:
        """Record the account snapshot of the start and let the desk compare it."""
        self._mark({p.symbol for p in snapshot.positions} | {o.symbol for o in snapshot.orders})
        self._put(StartSnapshot(snapshot=snapshot))
        self._snapshot = snapshot
        output = self._desk.adopt_snapshot(snapshot)
        self._follow(output)
        return output

    def recover_state(self, events: Sequence[OrderEvent | ReleasedPosition], **rest: Any) -> None:
        """Let the desk rebuild its book from the journal's events."""
        self._desk.recover_state(events, **rest)
        self._update_noted(self.book.universe.symbols)

    def holdings_at(self, batch: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the positions that strategies get with a batch of bars, and record them."""
        held = self._desk.holdings_at(batch)
        self._put(StrategiesStepped(ends_at=batch.ends_at, holdings=held))
        return held

    def flush_inputs(self) -> None:
        """Append what was recorded so far, with a hash of the state if it has changed."""
        self._flushed_at = max(self._flushed_at, self.book.conditions.mono)
        if not self._entries:
            return
        if self._has_changed and self.book.exposure.working <= MAX_HASHED_ORDERS:
            self._has_changed = False
            self._hand_on(self._states.hash_book(self.book))
        else:
            self._hand_on("")

    def _look_up_kill(self) -> str:
        reason = self._look_up()
        if reason != self._killed:
            self._killed = reason
            self._put(HaltFileSeen(reason=reason))
        return reason

    def _hand_on(self, state: str) -> None:
        entries, self._entries = self._entries, []
        self._append(InputLogBatch(entries=tuple(entries), state=state))

    def _note(self, message: DeskMessage) -> None:
        match message:
            case Quotes():
                if len(message) == 1:  # most frames have one row, and arrays of one are ten times slower than an item
                    if self._is_noted.item(message.ids.item(0)):
                        self._put(message)
                elif (rows := self._is_noted[message.ids]).any():
                    self._put(message if rows.all() else message.select_rows(rows))
            case AccountSnapshot():
                self._mark(message_symbols(message))
                is_same = self._snapshot is not None and _is_same(self._snapshot, message)
                self._put(UnchangedSnapshot(asked_at=message.asked_at) if is_same else message)
                self._snapshot = message
            case _:
                self._mark(message_symbols(message))
                self._put(message)

    def _put(self, message: Message) -> None:
        # Recorded with the desk's time before the message. A replay sets that time, then gives the message to the desk.
        self._entries.append(InputEntry(self.book.conditions.mono, message))

    def _mark(self, symbols: Collection[str]) -> None:
        # The quotes of symbols without orders or positions are not recorded. Record the newest quote of each such
        # symbol here, because a decision about the next message may depend on it.
        if not symbols:
            return
        unnoted = [id_ for id_ in self._ids(symbols) if not self._is_noted.item(id_)]
        if unnoted:
            m, ids = self.book.marks, np.array(unnoted, dtype=np.int64)
            self._put(InputQuotes(ids=ids, seen_at=m.seen_at[ids], last=m.last[ids], bid=m.bid[ids], ask=m.ask[ids]))

    def _follow(self, output: Sequence[DeskOutput]) -> None:
        changed, orders = set(), self.book.blotter.orders
        for sent in output:
            match sent:
                case OrderEvent():
                    changed.add(orders[sent.order_id].request.symbol)
                case ReconciliationResult():
                    changed.update(part.key.symbol for part in sent.released)
                case Command():
                    self._has_changed = True
        if changed:
            self._has_changed = True
            self._to_describe.update(dict.fromkeys(changed))
            self._update_noted(changed)

    def _update_noted(self, symbols: Iterable[str]) -> None:
        book = self.book
        ids, open_, exposure, wanted = (
            book.universe.ids_by_symbol,
            book.positions.open,
            book.exposure,
            book.pending_exits.requested,
        )
        for symbol in symbols:
            if (id_ := ids.get(symbol)) is not None:
                self._is_noted[id_] = symbol in open_ or exposure.has_orders(symbol) or symbol in wanted

    def _ids(self, symbols: Collection[str]) -> list[int]:
        ids = self.book.universe.ids_by_symbol
        return [ids[symbol] for symbol in (sorted(symbols) if len(symbols) > 1 else symbols) if symbol in ids]


def message_symbols(message: Message) -> set[str]:
    """Return the symbols whose quotes the desk may look up because of `message`."""
    match message:
        case Signals():
            return {signal.symbol for signal in message.signals}
        case OrderReport():
            return {message.order.symbol}
        case FillReport():
            return {message.fill.symbol}
        case RequestResult():
            return {message.event.fill.symbol} if message.event.fill else set()
        case AccountSnapshot():
            return {p.symbol for p in message.positions} | {o.symbol for o in message.orders}
    return set()


def _is_same(old: AccountSnapshot, new: AccountSnapshot) -> bool:
    return msgspec.structs.replace(old, asked_at=new.asked_at) == new
