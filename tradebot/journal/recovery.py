"""Recovery at every start: reduces the journal to orders, positions, halts and unfinished requests. Reads only.

To fold means here: to apply the messages of the journal's rows, in order, to the state so far.
"""

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


def _free(order: Order, fill: Fill) -> Decimal:
    return ZERO


class StateFold:
    """Orders and positions of one account, reduced from the journal's messages in order.

    `positions` are ours by key; `external` are the venue's other positions at the last reconciliation.
    """

    def __init__(self, charges_of: ChargesOf = _free, *, venue: str = "") -> None:
        self._charges_of, self._venue = charges_of, venue
        self.events: list[OrderEvent | ReleasedPosition] = []
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.positions: dict[PositionKey, Position] = {}
        self.adopted: list[tuple[str, Decimal, Decimal]] = []  # (symbol, signed quantity, average price)
        self.external: tuple[ExternalPosition, ...] = ()
        self.best_prices: dict[str, Decimal] = {}  # order id of an entry -> the best price for its trailing stop
        self._charges: dict[tuple[str, str], Decimal] = {}  # (exchange, execution id) -> its charges

    def apply_message(self, message: Message) -> None:
        """Apply an order event, a reconciliation, or the best prices of trailing stops.

        Raises KeyError for an event of an order that no earlier event opened.
        """
        match message:
            case OrderEvent():
                self._apply_event(message)
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

    def _apply_event(self, event: OrderEvent) -> None:
        self.events.append(event)
        if event.type in (OrderEventType.INTENT, OrderEventType.DENIED):
            self.orders[event.order_id] = open_order(event)
            return
        before = self.orders[event.order_id]
        after = self.orders[event.order_id] = apply_event(before, event)
        if after.filled == before.filled or event.fill is None or after.is_external:
            return
        fill = event.fill
        if event.type is OrderEventType.REVERSED:
            fill = next(e for e in before.fills if e.fill_key == fill.fill_key)
            position = self._at(fill.netting_key).reverse_fill(fill, self._charges.pop(fill.fill_key))
        else:
            charges = self._charges[fill.fill_key] = self._charges_of(before, fill)
            position = self._at(fill.netting_key).apply_fill(fill, charges)
        self.positions[position.key] = position

    def _at(self, netting_key: NettingKey) -> Position:
        # Our position under a netting key. Rows of adopted positions name a symbol only, so the first fill or release
        # in that symbol says which netting key such a position has.
        key = self._key(*netting_key)
        adopted = self.positions.pop(self._key("", netting_key[1], ""), None)
        if adopted is not None:
            return msgspec.structs.replace(adopted, key=key)
        return self.positions.get(key) or Position(key)

    def _key(self, exchange: str, symbol: str, product: str) -> PositionKey:
        return PositionKey(self._venue, exchange, symbol, product)


class RecoveredAccount(NamedTuple):
    """The state of one account as recovered from the journal.

    `Desk.recover_state` takes `events`, all order events and released positions in order, and `adopted`, the positions
    that older versions took over from the venue. `positions` are ours, `external` are not. `best_prices` are those of
    the entries' trailing stops. `closing_events` are to be appended next: an intent that was not sent has lapsed, an
    order that was being sent without an answer is UNKNOWN.
    """

    events: tuple[OrderEvent | ReleasedPosition, ...] = ()
    adopted: tuple[tuple[str, Decimal, Decimal], ...] = ()
    orders: dict[str, Order] = {}
    positions: dict[PositionKey, Position] = {}
    closing_events: tuple[OrderEvent, ...] = ()
    external: tuple[ExternalPosition, ...] = ()
    best_prices: dict[str, Decimal] = {}

    def orders_sent_on(self, day: int) -> int:
        """Return how many of our orders were sent on the market day with this number, see `ist_day_number`."""
        own = {order_id for order_id, order in self.orders.items() if not order.is_external}
        events = (
            event for event in self.events if isinstance(event, OrderEvent) and event.type is OrderEventType.SENDING
        )
        return sum(event.order_id in own and ist_day_number(event.at) == day for event in events)

    @property
    def live_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still trade, without the effect of `closing_events`."""
        return tuple(order for order in self.orders.values() if order.is_live)


class RecoveredState(NamedTuple):
    """The recovered state: runs oldest first, accounts by id, and the halts in force.

    `halt_reason` is the reason of an account-wide halt, "" without one. `halts` are the commands of all halts in force.
    `flatten_ids` are the ids of all flattens so far. `doubt` says why the journal may not be the one that the last run
    left. `is_clean` is False when the last run did not end properly. `last_at` is the market ns of the last row, 0 in a
    new journal. `crashed_runs` are oldest first, since a person last resumed everything.
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
        """Return the halts in force in the session that opens at `opens_at` (market ns)."""
        return self.halts if self.last_at >= opens_at else surviving_session(self.halts)

    def recovered_account(self, account: str) -> RecoveredAccount:
        """Return the state of an account, an empty one when it is new."""
        return self.accounts.get(account, RecoveredAccount())


def recover_state(path: Path, *, at: int | None = None, until: int | None = None) -> RecoveredState:
    """Return the state that a journal holds, for a start; an empty one without a journal. Writes nothing.

    The row number `until` and all later rows are left out, which gives the state that a run beginning there found. The
    `closing_events` are stamped `at`, by default the market time of the last row. Every applied row is checked against
    its hash, and all rows are checked for gaps and breaks of the chain. Raises StateError naming the first bad row. A
    row that cannot be read or applied also raises and is never skipped: it may be a fill or a sent order.
    """
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return RecoveredState()
    last, last_at, last_kind = _check_links(path, until)
    runs: list[RunRecord] = []
    folds: dict[str, StateFold] = {}
    halts, history, day = Halts(), CrashHistory(), 0
    for row in read_rows(path, kinds=FOLDED_KINDS):
        if until is not None and row.seq >= until:
            break
        if not row.has_valid_hash:
            raise StateError(f"{path}: row {row.seq} was changed; `tradebot verify` tells more")
        try:
            if (today := ist_day_number(row.at)) != day:
                halts.lift_session_halts()  # those of the previous day
                day = today
            history.apply_row(row, message := row.message)
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
    # A journal without a row is clean too.
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
        crashed_runs=history.crashed_runs(path, last=last),
    )


def fold_account(path: Path, *, account: str | None = None, charges_of: ChargesOf = _free) -> StateFold:
    """Return the orders and positions of one account, by default the last run's. Raises StateError."""
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
    """Return order_id -> Order of one account, by default the last run's, in order of intent. Raises StateError."""
    return fold_account(path, account=account).orders


def fold_positions(
    path: Path, *, account: str | None = None, charges_of: ChargesOf = _free
) -> dict[PositionKey, Position]:
    """Return our positions by key, flat ones included, by default of the last run's account. Raises StateError."""
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
    # The events that close what the run left unfinished when it ended.
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
        # One pass in the database, without bodies: find a row whose previous row is missing or has another hash.
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
