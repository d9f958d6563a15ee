"""The desk with a tape: notes what it consumes for a replay, beside the path of an order and never in front of it.

The tape is appended to the journal every few seconds, behind the orders that followed from it: a crash loses its last
seconds and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from itertools import islice
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.market import Close, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    Books,
    Command,
    DeskMessage,
    Executed,
    OrderSeen,
    Outcome,
    Reconciled,
    Released,
    Signals,
    Tick,
)
from tradebot.domain.order import Order, OrderFact
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.journal.tape import Adopt, Entry, Killed, Marks, SameBooks, Stepped, Tape
from tests.oracle.vendor.trading.desk.desk import Desk, DeskOutput

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
AT_A_TICK = 64  # changed positions put into words: a fifth of a millisecond, and those of a burst never come together
MOST_LIVE = 500  # live orders up to which a state is hashed: the words of more hold the loop, and change again soon
EVERY = 5 * SECOND  # our time between two rows of tape
MOST_ENTRIES = 500  # of one row: half a millisecond of packing, for which an order's row behind it has to wait


class TapedDesk(Desk):
    """A desk that notes what it is given. `append` takes a finished tape, a few times a minute."""

    def __init__(self, *, append: Callable[[Tape], object], **settings: Any) -> None:
        super().__init__(**settings)
        self._append = append
        self._entries: list[Entry] = []
        self._is_noted: npt.NDArray[np.bool_] = np.zeros(len(self._universe), dtype=bool)  # whose quotes decide
        self._books: Books | None = None
        self._flushed_at = 0
        self._has_changed = True  # orders or positions, since the last hash
        self._states = States()
        self._untold: dict[str, None] = {}  # symbols whose position changed and is not put into words yet
        self._killed = ""

    def apply(self, message: DeskMessage) -> list[DeskOutput]:
        self._note(message)
        output = super().apply(message)
        self._follow(output)
        if isinstance(message, Tick):
            for symbol in list(islice(self._untold, AT_A_TICK)):
                del self._untold[symbol]
                self._states.note(self.blotter.position(symbol))
            if message.mono - self._flushed_at >= EVERY:
                self.flush()
        elif len(self._entries) >= MOST_ENTRIES:
            self._hand_on("")  # what it led to is hashed with what follows
        return output

    def adopt(self, books: Books) -> list[DeskOutput]:
        self._mark({p.symbol for p in books.positions} | {o.symbol for o in books.orders})
        self._put(Adopt(books=books))
        self._books = books
        output = super().adopt(books)
        self._follow(output)
        return output

    def recover(self, facts: Sequence[OrderFact | Released], **rest: Any) -> None:
        super().recover(facts, **rest)
        self._look_at(self._universe.symbols)

    def holdings_at(self, close: Close) -> dict[str, tuple[Decimal, Decimal]]:
        held = super().holdings_at(close)
        self._put(Stepped(ends_at=close.ends_at, held=held))
        return held

    def killed(self, reason: str) -> str:
        """Note what the gate was told of the HALT file and return it."""
        if reason != self._killed:
            self._killed = reason
            self._put(Killed(reason=reason))
        return reason

    def flush(self) -> None:
        """Hand on what was noted so far."""
        self._flushed_at = max(self._flushed_at, self.conditions.mono)
        if not self._entries:
            return
        if self._has_changed and self._exposure.working <= MOST_LIVE:
            self._has_changed = False
            self._hand_on(self._states.of(self))
        else:
            self._hand_on("")

    def _hand_on(self, state: str) -> None:
        entries, self._entries = self._entries, []
        self._append(Tape(entries=tuple(entries), state=state))

    def _note(self, message: DeskMessage) -> None:
        match message:
            case Quotes():
                if len(message) == 1:  # as most frames have: arrays of one cost ten times what they hold
                    if self._is_noted.item(message.ids.item(0)):
                        self._put(message)
                elif (rows := self._is_noted[message.ids]).any():
                    self._put(message if rows.all() else message.take(rows))
            case Books():
                self._mark(symbols_of(message))
                same = self._books is not None and _is_same(self._books, message)
                self._put(SameBooks(asked_at=message.asked_at) if same else message)
                self._books = message
            case _:
                self._mark(symbols_of(message))
                self._put(message)

    def _put(self, message: Message) -> None:
        self._entries.append(Entry(self.conditions.mono, message))

    def _mark(self, symbols: Iterable[str]) -> None:
        # Of symbols whose quotes are not noted one by one the newest is, before something is decided on it.
        unnoted = [id_ for id_ in self._ids(symbols) if not self._is_noted.item(id_)]
        if unnoted:
            m, ids = self.marks, np.array(unnoted, dtype=np.int64)
            self._put(Marks(ids=ids, seen_at=m.seen_at[ids], last=m.last[ids], bid=m.bid[ids], ask=m.ask[ids]))

    def _follow(self, output: Sequence[DeskOutput]) -> None:
        touched = set()
        for what in output:
            match what:
                case OrderFact():
                    touched.add(self.blotter.orders[what.order_id].symbol)
                case Reconciled():
                    touched.update(part.key.symbol for part in what.released)
                case Command():
                    self._has_changed = True
        if touched:
            self._has_changed = True
            self._untold.update(dict.fromkeys(touched))
            self._look_at(touched)

    def _look_at(self, symbols: Iterable[str]) -> None:
        for id_ in self._ids(symbols):
            symbol = self._universe[id_].symbol
            self._is_noted[id_] = (
                not self.blotter.position(symbol).is_flat
                or next(self._exposure.all(symbol), None) is not None
                or symbol in self.exits
            )

    def _ids(self, symbols: Iterable[str]) -> list[int]:
        universe = self._universe
        return [universe.id(symbol) for symbol in sorted(symbols) if symbol in universe]


def symbols_of(message: Message) -> set[str]:
    """Return the symbols whose quotes the desk may ask for because of `message`."""
    match message:
        case Signals():
            return {signal.symbol for signal in message.signals}
        case OrderSeen():
            return {message.order.symbol}
        case Executed():
            return {message.execution.symbol}
        case Outcome():
            return {message.fact.execution.symbol} if message.fact.execution else set()
        case Books():
            return {p.symbol for p in message.positions} | {o.symbol for o in message.orders}
    return set()


def state_of(desk: Desk) -> str:
    """Return a hash of what the desk holds and works: positions, money, live orders, standing halts."""
    return States().of(desk)


class States:
    """Hashes of one desk's states. What has not changed since the last one is not put into words again."""

    def __init__(self) -> None:
        self._positions: dict[PositionKey, tuple[Position, str]] = {}  # ours with its line
        self._orders: dict[str, tuple[Order, str]] = {}  # order_id -> live order and its line

    def note(self, position: Position) -> None:
        """Put one position into words ahead of the next hash."""
        self._positions[position.key] = position, _position_line(position)

    def of(self, desk: Desk) -> str:
        """Return the hash as `state_of` does."""
        blotter = desk.blotter
        self._positions = _told(self._positions, blotter.positions.items(), _position_line)
        self._orders = _told(self._orders, ((o.order_id, o) for o in blotter.live_anywhere()), _order_line)
        positions = sorted(self._positions.items(), key=lambda known: (known[0].symbol, *known[0].line))
        lines = [line for _, (_, line) in positions]
        lines += sorted(line for _, line in self._orders.values())
        lines += [f"{line} {beyond:f}" for line, beyond in sorted(blotter.external.beyond.items())]
        lines += sorted(f"{c.verb} {c.scope} {c.reason}" for c in desk.conditions.halts.standing)
        lines.append(f"{blotter.realized:f} {blotter.charges:f} {blotter.fills} {len(blotter.orders)}")
        return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _position_line(p: Position) -> str:
    return f"{p.symbol} {p.quantity:f} {p.cost:f} {p.realized:f} {p.charges:f}"


def _order_line(o: Order) -> str:
    return f"{o.order_id} {o.state} {o.filled:f} {o.cancel.wish}"


def _told(
    known: dict[K, tuple[T, str]], now: Iterable[tuple[K, T]], line: Callable[[T], str]
) -> dict[K, tuple[T, str]]:
    # Both are never changed, only replaced: the same object has the same line.
    told = {}
    for key, what in now:
        before = known.get(key)
        told[key] = before if before is not None and before[0] is what else (what, line(what))
    return told


def _is_same(old: Books, new: Books) -> bool:
    return msgspec.structs.replace(old, asked_at=new.asked_at) == new
