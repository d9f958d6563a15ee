"""Start is recovery: the journal's rows folded into orders, positions and what the last run left undone. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradebot.domain.halts import Halts, surviving_session
from tradebot.domain.message import Message
from tradebot.domain.messages import (
    Command,
    ExternalPosition,
    ReconciliationResult,
    ReleasedPosition,
    TrailingStopPrices,
)
from tradebot.domain.order import ZERO, Fill, Order, OrderEvent, OrderEventType, OrderState, RequestState
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.errors import StateError
from tradebot.journal.crash_history import CrashedRun, CrashHistory
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import JournalRow, RunRecord
from tradebot.journal.schema import connect_reader
from tradebot.markets.calendar import ist_day_number

ChargesOf = Callable[[Order, Fill], Decimal]  # (order before the fill, the fill) -> its charges
_ENDLESS = 1 << 62
FOLDED_KINDS = ("run", "order", "reconciled", "trailing", "halt", "reduce", "flatten", "resume", "end")
NOT_SKIPPED = (
    "it may be a fill, so no run starts over it: keep the file in another place; to a new journal nothing at the venue"
    " is ours, so close there by hand what this one had opened, and no halt stands: if one did, run `tradebot kill`"
    " before the next start"
)


def _free(order: Order, execution: Fill) -> Decimal:
    return ZERO


class StateFold:
    """Orders and positions of one account, built from facts in the order of the journal.

    `fold_positions` are ours by key, `external` is what the venue's books showed beyond them last.
    """

    def __init__(self, charges_of: ChargesOf = _free, *, venue: str = "") -> None:
        self._charges_of, self._venue = charges_of, venue
        self.events: list[OrderEvent | ReleasedPosition] = []
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.positions: dict[PositionKey, Position] = {}
        self.adopted: list[tuple[str, Decimal, Decimal]] = []  # (symbol, signed quantity, average price)
        self.external: tuple[ExternalPosition, ...] = ()
        self.best_prices: dict[str, Decimal] = {}  # order id of an entry -> the best price that its trailing stop saw
        self._billed: dict[tuple[str, str], Decimal] = {}  # (exchange, execution id) -> its charges

    def apply_message(self, message: Message) -> None:
        """Take an order fact, a reconciliation, or what trailing stops saw.

        Raises KeyError for an order without begin.
        """
        match message:
            case OrderEvent():
                self._apply_fact(message)
            case ReconciliationResult():
                self.adopted += message.adopted
                self.external = message.external
                for symbol, quantity, price in message.adopted:
                    key = self._key("", symbol, "")
                    self.positions[key] = (self.positions.get(key) or Position(key)).with_quantity(quantity, price)
                for part in message.released:
                    self.events.append(part)
                    position = self._at(part.key.netting_key).release_quantity(part.quantity, part.price)
                    self.positions[position.key] = position
            case TrailingStopPrices():
                self.best_prices |= message.best_prices
            case _:
                raise AssertionError(f"nothing to fold in {type(message).__name__}")

    def _apply_fact(self, fact: OrderEvent) -> None:
        self.events.append(fact)
        if fact.type in (OrderEventType.INTENT, OrderEventType.DENIED):
            self.orders[fact.order_id] = open_order(fact)
            return
        before = self.orders[fact.order_id]
        after = self.orders[fact.order_id] = apply_event(before, fact)
        if after.filled == before.filled or fact.fill is None or after.is_external:
            return
        execution = fact.fill
        if fact.type is OrderEventType.REVERSED:
            execution = next(e for e in before.fills if e.fill_key == execution.fill_key)
            position = self._at(execution.netting_key).reverse_fill(execution, self._billed.pop(execution.fill_key))
        else:
            charges = self._billed[execution.fill_key] = self._charges_of(before, execution)
            position = self._at(execution.netting_key).apply_fill(execution, charges)
        self.positions[position.key] = position

    def _at(self, line: NettingKey) -> Position:
        # Of what runs of before took over the row does not say the line: it is that of the first fill or release.
        key = self._key(*line)
        taken = self.positions.pop(self._key("", line[1], ""), None)
        if taken is not None:
            return msgspec.structs.replace(taken, key=key)
        return self.positions.get(key) or Position(key)

    def _key(self, exchange: str, symbol: str, product: str) -> PositionKey:
        return PositionKey(self._venue, exchange, symbol, product)


class RecoveredAccount(NamedTuple):
    """What the journal knows of one account.

    `events` are all its facts in order, with what was given up between them, and `adopted` the positions that runs of
    before took over from the venue: what `Desk.recover_state` needs. `fold_positions` are ours, `external` is what is not.
    `best_prices` is what the trailing stops of entries saw.
    `closing_events` are facts to be appended next: an intent that was not sent lapsed, a sending without an answer is unknown.
    """

    events: tuple[OrderEvent | ReleasedPosition, ...] = ()
    adopted: tuple[tuple[str, Decimal, Decimal], ...] = ()
    orders: dict[str, Order] = {}
    positions: dict[PositionKey, Position] = {}
    closing_events: tuple[OrderEvent, ...] = ()
    external: tuple[ExternalPosition, ...] = ()
    best_prices: dict[str, Decimal] = {}

    def orders_sent_on(self, day: int) -> int:
        """Return how many orders of ours left on the market day of that number, see `ist_day_number`."""
        own = {order_id for order_id, order in self.orders.items() if not order.is_external}
        facts = (fact for fact in self.events if isinstance(fact, OrderEvent) and fact.type is OrderEventType.SENDING)
        return sum(fact.order_id in own and ist_day_number(fact.at) == day for fact in facts)

    @property
    def live_orders(self) -> tuple[Order, ...]:
        """The orders that may still trade, those named in `closing_events` as they were left."""
        return tuple(order for order in self.orders.values() if order.is_live)


class RecoveredState(NamedTuple):
    """What the last runs left: runs oldest first, books by account, the halts that still stand.

    `halt_reason` is the reason of one that stands for everything, `halts` are all of them, as the commands that made them.
    `flatten_ids` are the ids of every flatten so far, `doubt` why all this may not be what the last run left.
    `is_clean` is False when the last run was cut off; `last_at` is the market ns of the last row, 0 in a new journal.
    `crashed_runs` are the runs that did not end as they should, oldest first, since a person last resumed everything.
    """

    runs: tuple[RunRecord, ...] = ()
    accounts: dict[str, RecoveredAccount] = {}
    halt_reason: str = ""
    is_clean: bool = True
    last_at: int = 0
    rows: int = 0
    halts: tuple[Command, ...] = ()
    flatten_ids: frozenset[str] = frozenset()
    crashed_runs: tuple[CrashedRun, ...] = ()
    doubt: str = ""

    def halts_in_session(self, opens_at: int) -> tuple[Command, ...]:
        """Return the halts that still hold in the session that opens at `opens_at` (market ns)."""
        return self.halts if self.last_at >= opens_at else surviving_session(self.halts)

    def recovered_account(self, account: str) -> RecoveredAccount:
        """Return the books of an account, empty ones when it is new."""
        return self.accounts.get(account, RecoveredAccount())


def recover_state(path: Path, *, at: int | None = None, until: int | None = None) -> RecoveredState:
    """Fold a journal for a start; one that is not there is a new one. Nothing is written.

    `until` leaves out the row of that number and all after it: what a run found that begins there. The facts in
    `closing_events` are stamped `at`, by default the market time of the last row. Every row that is folded is checked against
    its hash, and all rows for gaps and breaks of the chain: raises StateError naming the first bad row. A row that
    cannot be read or folded is refused as well, never skipped: it may be a fill or an order that was sent.
    """
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return RecoveredState()
    last, last_at, last_kind = _check_links(path, until)
    runs: list[RunRecord] = []
    folds: dict[str, StateFold] = {}
    halts, lives, day = Halts(), CrashHistory(), 0
    for row in read_rows(path, kinds=FOLDED_KINDS):
        if until is not None and row.seq >= until:
            break
        if not row.has_valid_hash:
            raise StateError(f"{path}: row {row.seq} was changed; `tradebot verify` tells more")
        try:
            if (today := ist_day_number(row.at)) != day:
                halts.lift_session_halts()  # of the day before
                day = today
            lives.apply_row(row, message := row.message)
            match message:
                case RunRecord():
                    runs.append(message)
                case Command():
                    halts.apply_command(message)
                case OrderEvent() | ReconciliationResult() | TrailingStopPrices():
                    account, venue = (runs[-1].account, runs[-1].venue) if runs else ("", "")
                    _fold(folds.setdefault(account, StateFold(venue=venue)), row, message)
        except StateError as error:
            raise StateError(f"{path}: {error}; {NOT_SKIPPED}") from error
    when = last_at if at is None else at
    return RecoveredState(
        runs=tuple(runs),
        accounts={account: _books(fold, when) for account, fold in folds.items()},
        halt_reason=halts.global_reason,
        halts=halts.active_commands,
        flatten_ids=frozenset(halts.flatten_ids),
        is_clean=last_kind in ("end", ""),
        last_at=last_at,
        rows=last,
        crashed_runs=lives.crashed_runs(path, last=last),
    )


def fold_account(path: Path, *, account: str | None = None, charges_of: ChargesOf = _free) -> StateFold:
    """Return orders and positions of one account, by default that of the last run. Raises StateError."""
    folds: dict[str, StateFold] = {}
    current = venue = ""
    for row in read_rows(path, kinds=("run", "order", "reconciled")):
        message = row.message
        if isinstance(message, RunRecord):
            current, venue = message.account, message.venue
        else:
            _fold(folds.setdefault(current, StateFold(charges_of, venue=venue)), row, message)
    return folds.get(current if account is None else account) or StateFold()


def fold_orders(path: Path, *, account: str | None = None) -> dict[str, Order]:
    """Return order_id -> Order of one account in order of intent, by default of the last run's. Raises StateError."""
    return fold_account(path, account=account).orders


def fold_positions(
    path: Path, *, account: str | None = None, charges_of: ChargesOf = _free
) -> dict[PositionKey, Position]:
    """Return ours by key, of one account, by default the last run's, flat ones included. Raises StateError."""
    return fold_account(path, account=account, charges_of=charges_of).positions


def _fold(fold_: StateFold, row: JournalRow, message: Message) -> None:
    try:
        fold_.apply_message(message)
    except (ArithmeticError, AssertionError, LookupError, StopIteration, TypeError, ValueError) as error:
        if isinstance(message, OrderEvent) and error.args == (message.order_id,):
            why = f"speaks of the order {message.order_id}, which no row before it begins"
        else:
            why = f"does not follow from the rows before it: {error!r}"
        raise StateError(f"row {row.seq} {why}") from error


def _books(fold_: StateFold, at: int) -> RecoveredAccount:
    return RecoveredAccount(
        events=tuple(fold_.events),
        adopted=tuple(fold_.adopted),
        orders=fold_.orders,
        positions=fold_.positions,
        closing_events=tuple(_undone(fold_.orders.values().__iter__(), at)),
        external=fold_.external,
        best_prices=fold_.best_prices,
    )


def _undone(orders: Iterator[Order], at: int) -> Iterator[OrderEvent]:
    for order in orders:
        if order.state is OrderState.INTENT:
            yield OrderEvent(
                order_id=order.order_id, type=OrderEventType.LAPSED, at=at, reason="the run ended before it was sent"
            )
        elif order.state is OrderState.SENDING:
            yield OrderEvent(
                order_id=order.order_id,
                type=OrderEventType.AMBIGUOUS,
                at=at,
                reason="the run ended before an answer came",
            )
        elif order.is_live and order.replace.state is RequestState.SENT:
            yield OrderEvent(
                order_id=order.order_id,
                type=OrderEventType.REPLACE_UNKNOWN,
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
