"""The desk with a tape: notes what it consumes for a replay, beside the path of an order and never in front of it.

The tape is appended to the journal every few seconds, behind the orders that followed from it: a crash loses its last
seconds and nothing else.
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
    Command,
    DeskMessage,
    FillReport,
    OrderReport,
    RequestResult,
    ReconciliationResult,
    ReleasedPosition,
    Signals,
    ClockTick,
)
from tradebot.domain.order import OrderEvent
from tradebot.journal.input_log import StartSnapshot, InputEntry, HaltFileSeen, InputQuotes, UnchangedSnapshot, StrategiesStepped, InputLogBatch
from tests.oracle.vendor.trading.desk.book.states import States
from tests.oracle.vendor.trading.desk.decisions import DeskOutput
from tests.oracle.vendor.trading.desk.desk import Desk

AT_A_TICK = 64  # changed positions put into words: a fifth of a millisecond, and those of a burst never come together
MOST_LIVE = 500  # live orders up to which a state is hashed: the words of more hold the loop, and change again soon
EVERY = 5 * SECOND  # our time between two rows of tape
MOST_ENTRIES = 500  # of one row: half a millisecond of packing, for which an order's row behind it has to wait


class TapedDesk:
    """A desk that notes what it is given. `append` takes a finished tape, a few times a minute.

    `make` builds the desk around a look-up of the HALT file, which is noted too: what the gate was told decides.
    """

    def __init__(
        self,
        make: Callable[[Callable[[], str]], Desk],
        *,
        killed: Callable[[], str],
        append: Callable[[InputLogBatch], object],
    ) -> None:
        self._look_up, self._append = killed, append
        self._desk = make(self._look)
        self.account = self._desk.account
        self.book = book = self._desk.book
        self._entries: list[InputEntry] = []
        self._is_noted: npt.NDArray[np.bool_] = np.zeros(len(book.universe), dtype=bool)  # whose quotes decide
        self._books: AccountSnapshot | None = None
        self._flushed_at = 0
        self._has_changed = True  # orders or positions, since the last hash
        self._states = States()
        self._untold: dict[str, None] = {}  # symbols whose position changed and is not put into words yet
        self._killed = ""

    def apply(self, message: DeskMessage) -> list[DeskOutput]:
        """Note a message and let the desk take it."""
        self._note(message)
        output = self._desk.apply(message)
        self._follow(output)
        if isinstance(message, ClockTick):
            for symbol in list(islice(self._untold, AT_A_TICK)):
                del self._untold[symbol]
                self._states.note(self.book.positions.of(symbol))
            if message.mono - self._flushed_at >= EVERY:
                self.flush()
        elif len(self._entries) >= MOST_ENTRIES:
            self._hand_on("")  # what it led to is hashed with what follows
        return output

    def adopt(self, books: AccountSnapshot) -> list[DeskOutput]:
        """Note the books of the start and let the desk compare them."""
        self._mark({p.symbol for p in books.positions} | {o.symbol for o in books.orders})
        self._put(StartSnapshot(snapshot=books))
        self._books = books
        output = self._desk.adopt(books)
        self._follow(output)
        return output

    def recover(self, facts: Sequence[OrderEvent | ReleasedPosition], **rest: Any) -> None:
        """Let the desk be rebuilt from the journal's facts."""
        self._desk.recover(facts, **rest)
        self._look_at(self.book.universe.symbols)

    def holdings_at(self, close: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the holdings that the strategies are told with `close`, and note them."""
        held = self._desk.holdings_at(close)
        self._put(StrategiesStepped(ends_at=close.ends_at, holdings=held))
        return held

    def flush(self) -> None:
        """Hand on what was noted so far."""
        self._flushed_at = max(self._flushed_at, self.book.conditions.mono)
        if not self._entries:
            return
        if self._has_changed and self.book.exposure.working <= MOST_LIVE:
            self._has_changed = False
            self._hand_on(self._states.of(self.book))
        else:
            self._hand_on("")

    def _look(self) -> str:
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
                if len(message) == 1:  # as most frames have: arrays of one cost ten times what they hold
                    if self._is_noted.item(message.ids.item(0)):
                        self._put(message)
                elif (rows := self._is_noted[message.ids]).any():
                    self._put(message if rows.all() else message.select_rows(rows))
            case AccountSnapshot():
                self._mark(symbols_of(message))
                same = self._books is not None and _is_same(self._books, message)
                self._put(UnchangedSnapshot(asked_at=message.asked_at) if same else message)
                self._books = message
            case _:
                self._mark(symbols_of(message))
                self._put(message)

    def _put(self, message: Message) -> None:
        # The time is the one from before the message: a replay sets it in front of it.
        self._entries.append(InputEntry(self.book.conditions.mono, message))

    def _mark(self, symbols: Collection[str]) -> None:
        # Of symbols whose quotes are not noted one by one the newest is, before something is decided on it.
        if not symbols:
            return
        unnoted = [id_ for id_ in self._ids(symbols) if not self._is_noted.item(id_)]
        if unnoted:
            m, ids = self.book.marks, np.array(unnoted, dtype=np.int64)
            self._put(InputQuotes(ids=ids, seen_at=m.seen_at[ids], last=m.last[ids], bid=m.bid[ids], ask=m.ask[ids]))

    def _follow(self, output: Sequence[DeskOutput]) -> None:
        touched, orders = set(), self.book.blotter.orders
        for what in output:
            match what:
                case OrderEvent():
                    touched.add(orders[what.order_id].request.symbol)
                case ReconciliationResult():
                    touched.update(part.key.symbol for part in what.released)
                case Command():
                    self._has_changed = True
        if touched:
            self._has_changed = True
            self._untold.update(dict.fromkeys(touched))
            self._look_at(touched)

    def _look_at(self, symbols: Iterable[str]) -> None:
        book = self.book
        ids, open_, exposure, wanted = book.universe.ids_by_symbol, book.positions.open, book.exposure, book.exits.wanted
        for symbol in symbols:
            if (id_ := ids.get(symbol)) is not None:
                self._is_noted[id_] = symbol in open_ or exposure.has_orders(symbol) or symbol in wanted

    def _ids(self, symbols: Collection[str]) -> list[int]:
        ids = self.book.universe.ids_by_symbol
        return [ids[symbol] for symbol in (sorted(symbols) if len(symbols) > 1 else symbols) if symbol in ids]


def symbols_of(message: Message) -> set[str]:
    """Return the symbols whose quotes the desk may ask for because of `message`."""
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
