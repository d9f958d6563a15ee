"""Start is recovery: the journal's rows folded into orders, positions and what the last run left undone. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradebot.domain.halts import Halts, lasting
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, ExternalPosition, Reconciled, Released, Trailing
from tradebot.domain.order import ZERO, Execution, Order, OrderEvent, OrderFact, OrderState, Wish
from tradebot.domain.order_fold import apply, begin
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import Line, PositionKey
from tradebot.errors import StateError
from tradebot.journal.crashes import CutOff, Lives
from tradebot.journal.reader import rows
from tradebot.journal.rows import Row, Run
from tradebot.journal.schema import connect_reader
from tradebot.markets.calendar import ist_day_number

ChargesOf = Callable[[Order, Execution], Decimal]  # (order before the fill, the fill) -> its charges
_ENDLESS = 1 << 62
FOLDED = ("run", "order", "reconciled", "trailing", "halt", "reduce", "flatten", "resume", "end")
NOT_SKIPPED = (
    "it may be a fill, so no run starts over it: keep the file in another place; to a new journal nothing at the venue"
    " is ours, so close there by hand what this one had opened, and no halt stands: if one did, run `tradebot kill`"
    " before the next start"
)


def _free(order: Order, execution: Execution) -> Decimal:
    return ZERO


class Fold:
    """Orders and positions of one account, built from facts in the order of the journal.

    `positions` are ours by key, `external` is what the venue's books showed beyond them last.
    """

    def __init__(self, charges_of: ChargesOf = _free, *, venue: str = "") -> None:
        self._charges_of, self._venue = charges_of, venue
        self.facts: list[OrderFact | Released] = []
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.positions: dict[PositionKey, Position] = {}
        self.adopted: list[tuple[str, Decimal, Decimal]] = []  # (symbol, signed quantity, average price)
        self.external: tuple[ExternalPosition, ...] = ()
        self.best: dict[str, Decimal] = {}  # order id of an entry -> the best price that its trailing stop saw
        self._billed: dict[tuple[str, str], Decimal] = {}  # (exchange, execution id) -> its charges

    def apply(self, message: Message) -> None:
        """Take an order fact, a reconciliation, or what trailing stops saw.

        Raises KeyError for an order without begin.
        """
        match message:
            case OrderFact():
                self._apply_fact(message)
            case Reconciled():
                self.adopted += message.adopted
                self.external = message.external
                for symbol, quantity, price in message.adopted:
                    key = self._key("", symbol, "")
                    self.positions[key] = (self.positions.get(key) or Position(key)).hold(quantity, price)
                for part in message.released:
                    self.facts.append(part)
                    position = self._at(part.key.line).release(part.quantity, part.price)
                    self.positions[position.key] = position
            case Trailing():
                self.best |= message.best
            case _:
                raise AssertionError(f"nothing to fold in {type(message).__name__}")

    def _apply_fact(self, fact: OrderFact) -> None:
        self.facts.append(fact)
        if fact.event in (OrderEvent.INTENT, OrderEvent.DENIED):
            self.orders[fact.order_id] = begin(fact)
            return
        before = self.orders[fact.order_id]
        after = self.orders[fact.order_id] = apply(before, fact)
        if after.filled == before.filled or fact.execution is None or after.is_external:
            return
        execution = fact.execution
        if fact.event is OrderEvent.REVERSED:
            execution = next(e for e in before.booked if e.key == execution.key)
            position = self._at(execution.line).reverse(execution, self._billed.pop(execution.key))
        else:
            charges = self._billed[execution.key] = self._charges_of(before, execution)
            position = self._at(execution.line).apply(execution, charges)
        self.positions[position.key] = position

    def _at(self, line: Line) -> Position:
        # Of what runs of before took over the row does not say the line: it is that of the first fill or release.
        key = self._key(*line)
        taken = self.positions.pop(self._key("", line[1], ""), None)
        if taken is not None:
            return msgspec.structs.replace(taken, key=key)
        return self.positions.get(key) or Position(key)

    def _key(self, exchange: str, symbol: str, product: str) -> PositionKey:
        return PositionKey(self._venue, exchange, symbol, product)


class Books(NamedTuple):
    """What the journal knows of one account.

    `facts` are all its facts in order, with what was given up between them, and `adopted` the positions that runs of
    before took over from the venue: what `Desk.recover` needs. `positions` are ours, `external` is what is not.
    `best` is what the trailing stops of entries saw.
    `undone` are facts to be appended next: an intent that was not sent lapsed, a sending without an answer is unknown.
    """

    facts: tuple[OrderFact | Released, ...] = ()
    adopted: tuple[tuple[str, Decimal, Decimal], ...] = ()
    orders: dict[str, Order] = {}
    positions: dict[PositionKey, Position] = {}
    undone: tuple[OrderFact, ...] = ()
    external: tuple[ExternalPosition, ...] = ()
    best: dict[str, Decimal] = {}

    def sent_on(self, day: int) -> int:
        """Return how many orders of ours left on the market day of that number, see `ist_day_number`."""
        own = {order_id for order_id, order in self.orders.items() if not order.is_external}
        facts = (fact for fact in self.facts if isinstance(fact, OrderFact) and fact.event is OrderEvent.SENDING)
        return sum(fact.order_id in own and ist_day_number(fact.at) == day for fact in facts)

    @property
    def live(self) -> tuple[Order, ...]:
        """The orders that may still trade, those named in `undone` as they were left."""
        return tuple(order for order in self.orders.values() if order.is_live)


class Recovery(NamedTuple):
    """What the last runs left: runs oldest first, books by account, the halts that still stand.

    `halted` is the reason of one that stands for everything, `halts` are all of them, as the commands that made them.
    `flatten_ids` are the ids of every flatten so far, `doubt` why all this may not be what the last run left.
    `is_clean` is False when the last run was cut off; `last_at` is the market ns of the last row, 0 in a new journal.
    `cut_off` are the runs that did not end as they should, oldest first, since a person last resumed everything.
    """

    runs: tuple[Run, ...] = ()
    books: dict[str, Books] = {}
    halted: str = ""
    is_clean: bool = True
    last_at: int = 0
    rows: int = 0
    halts: tuple[Command, ...] = ()
    flattened: frozenset[str] = frozenset()
    cut_off: tuple[CutOff, ...] = ()
    doubt: str = ""

    def halts_in(self, opens_at: int) -> tuple[Command, ...]:
        """Return the halts that still hold in the session that opens at `opens_at` (market ns)."""
        return self.halts if self.last_at >= opens_at else lasting(self.halts)

    def of(self, account: str) -> Books:
        """Return the books of an account, empty ones when it is new."""
        return self.books.get(account, Books())


def recover(path: Path, *, at: int | None = None, until: int | None = None) -> Recovery:
    """Fold a journal for a start; one that is not there is a new one. Nothing is written.

    `until` leaves out the row of that number and all after it: what a run found that begins there. The facts in
    `undone` are stamped `at`, by default the market time of the last row. Every row that is folded is checked against
    its hash, and all rows for gaps and breaks of the chain: raises StateError naming the first bad row. A row that
    cannot be read or folded is refused as well, never skipped: it may be a fill or an order that was sent.
    """
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return Recovery()
    last, last_at, last_kind = _check_links(path, until)
    runs: list[Run] = []
    folds: dict[str, Fold] = {}
    halts, lives, day = Halts(), Lives(), 0
    for row in rows(path, kinds=FOLDED):
        if until is not None and row.seq >= until:
            break
        if not row.is_sound:
            raise StateError(f"{path}: row {row.seq} was changed; `tradebot verify` tells more")
        try:
            if (today := ist_day_number(row.at)) != day:
                halts.end_session()  # of the day before
                day = today
            lives.apply(row, message := row.message)
            match message:
                case Run():
                    runs.append(message)
                case Command():
                    halts.apply(message)
                case OrderFact() | Reconciled() | Trailing():
                    account, venue = (runs[-1].account, runs[-1].venue) if runs else ("", "")
                    _fold(folds.setdefault(account, Fold(venue=venue)), row, message)
        except StateError as error:
            raise StateError(f"{path}: {error}; {NOT_SKIPPED}") from error
    when = last_at if at is None else at
    return Recovery(
        runs=tuple(runs),
        books={account: _books(fold, when) for account, fold in folds.items()},
        halted=halts.of_all,
        halts=halts.active_commands,
        flattened=frozenset(halts.flatten_ids),
        is_clean=last_kind in ("end", ""),
        last_at=last_at,
        rows=last,
        cut_off=lives.cut_off(path, last=last),
    )


def fold(path: Path, *, account: str | None = None, charges_of: ChargesOf = _free) -> Fold:
    """Return orders and positions of one account, by default that of the last run. Raises StateError."""
    folds: dict[str, Fold] = {}
    current = venue = ""
    for row in rows(path, kinds=("run", "order", "reconciled")):
        message = row.message
        if isinstance(message, Run):
            current, venue = message.account, message.venue
        else:
            _fold(folds.setdefault(current, Fold(charges_of, venue=venue)), row, message)
    return folds.get(current if account is None else account) or Fold()


def fold_orders(path: Path, *, account: str | None = None) -> dict[str, Order]:
    """Return order_id -> Order of one account in order of intent, by default of the last run's. Raises StateError."""
    return fold(path, account=account).orders


def positions(path: Path, *, account: str | None = None, charges_of: ChargesOf = _free) -> dict[PositionKey, Position]:
    """Return ours by key, of one account, by default the last run's, flat ones included. Raises StateError."""
    return fold(path, account=account, charges_of=charges_of).positions


def _fold(fold_: Fold, row: Row, message: Message) -> None:
    try:
        fold_.apply(message)
    except (ArithmeticError, AssertionError, LookupError, StopIteration, TypeError, ValueError) as error:
        if isinstance(message, OrderFact) and error.args == (message.order_id,):
            why = f"speaks of the order {message.order_id}, which no row before it begins"
        else:
            why = f"does not follow from the rows before it: {error!r}"
        raise StateError(f"row {row.seq} {why}") from error


def _books(fold_: Fold, at: int) -> Books:
    return Books(
        facts=tuple(fold_.facts),
        adopted=tuple(fold_.adopted),
        orders=fold_.orders,
        positions=fold_.positions,
        undone=tuple(_undone(fold_.orders.values().__iter__(), at)),
        external=fold_.external,
        best=fold_.best,
    )


def _undone(orders: Iterator[Order], at: int) -> Iterator[OrderFact]:
    for order in orders:
        if order.state is OrderState.INTENT:
            yield OrderFact(
                order_id=order.order_id, event=OrderEvent.LAPSED, at=at, reason="the run ended before it was sent"
            )
        elif order.state is OrderState.SENDING:
            yield OrderFact(
                order_id=order.order_id, event=OrderEvent.AMBIGUOUS, at=at, reason="the run ended before an answer came"
            )
        elif order.is_live and order.replace.wish is Wish.SENT:
            yield OrderFact(
                order_id=order.order_id,
                event=OrderEvent.REPLACE_UNKNOWN,
                at=at,
                reason="the run ended before the change was seen",
            )


def _check_links(path: Path, until: int | None) -> tuple[int, int, str]:
    connection = connect_reader(path)
    try:
        connection.execute("BEGIN")
        last = connection.execute(
            "SELECT seq, at, kind FROM rows WHERE seq < ? ORDER BY seq DESC LIMIT 1", (until or _ENDLESS,)
        ).fetchone()
        # One pass in the database, without the bodies: a row whose predecessor is missing or is not what it names.
        bad = connection.execute(
            "SELECT min(a.seq) FROM rows a LEFT JOIN rows b ON b.seq = a.seq - 1"
            " WHERE a.prev IS NOT coalesce(b.hash, CASE a.seq WHEN 1 THEN zeroblob(32) END)"
        ).fetchone()[0]
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be read: {error}") from error
    finally:
        connection.close()
    if bad is not None:
        raise StateError(f"{path}: the chain is broken at row {bad}; `tradebot verify` tells more")
    return last or (0, 0, "")
