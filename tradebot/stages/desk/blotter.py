"""The desk's memory: every order and position, changed by facts alone, so that the journal rebuilds it exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from tradebot.domain.message import Message
from tradebot.domain.order import HOLDS, ZERO, Execution, Order, OrderEvent, OrderFact
from tradebot.domain.order_course import filled
from tradebot.domain.order_fold import apply, begin
from tradebot.domain.portfolio import Position
from tradebot.stages.desk.exposure import Exposure

ChargesOf = Callable[[Order, Execution], Decimal]  # (order before the fill, the fill) -> its charges
Key = tuple[str, str]  # (exchange, execution_id)
INTENT, DENIED, REVERSED = OrderEvent.INTENT, OrderEvent.DENIED, OrderEvent.REVERSED
TIMES = ("cancel_mono", "replace_mono", "ended_mono", "sent_mono", "acked_mono")  # monotonic, of an order
ENDED_KEPT = 20_000  # ended orders kept for late fills; a venue's day allows 5,000


class Booked(Message, frozen=True, kw_only=False):
    """A fill in the books: whose it is and what it cost."""

    order_id: str
    execution: Execution
    charges: Decimal


class Blotter:
    """Orders by id, positions by symbol, and in `exposure` what orders may still do; totals are kept as fills come.

    Orders that ended are kept for fills that come late, unless told that none do.
    """

    def __init__(self, charges_of: ChargesOf, *, keeps_ended: bool = True) -> None:
        self._charges_of, self._kept = charges_of, ENDED_KEPT if keeps_ended else 0
        self._ended: deque[str] = deque()  # order_ids as they ended; one that lived again may be in it twice
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.by_venue: dict[str, str] = {}  # venue_order_id -> order_id
        self.positions: dict[str, Position] = {}  # symbol -> Position
        self.open: dict[str, Position] = {}  # symbol -> Position, those that are not flat
        self.exposure = Exposure(self.orders, self.open)
        # Symbols where more was filled than ordered -> (mono of the last fill, what the venue's list has held since).
        self.in_excess: dict[str, tuple[int, Decimal | None]] = {}
        self.moved: set[str] = set()  # symbols whose position is another one since somebody emptied this
        self.touched: set[str] = set()  # symbols whose worst case may be another one since somebody emptied this
        self.booked: dict[Key, Booked] = {}  # every fill that counts
        self.busted: dict[Key, Booked] = {}  # what was taken back for good
        self.on_forget: Callable[[Order], None] = lambda order: None  # told of each order that is kept no longer
        self.realized = ZERO
        self.charges = ZERO
        self.fills = 0

    def bill(self, order: Order, execution: Execution) -> Decimal:
        """Return what a fill of an order would be charged now."""
        return self._charges_of(order, execution)

    def begin(self, fact: OrderFact) -> Order:
        """Apply an INTENT of an order of ours, as `record` would; returns the order."""
        order, order_id = begin(fact), fact.order_id
        self.orders[order_id] = order
        symbol = order.request.symbol
        self.touched.add(symbol)
        self.exposure.begin(order_id, symbol)
        return order

    def place(self, order: Order) -> None:
        """Take an order of ours that is at the venue already, as `record` would of the facts that brought it there."""
        order_id, symbol = order.request.order_id, order.request.symbol
        self.orders[order_id] = order
        self.by_venue[order.venue_order_id] = order_id
        self.touched.add(symbol)
        self.exposure.begin(order_id, symbol)

    def fill(self, order: Order, execution: Execution, key: Key, *, at: int, mono: int) -> None:
        """Book a fill that `fills_whole` a live order, as `record` would of its fact of market time `at`.

        `key` is the fill's, which was never told before.
        """
        order_id = order.request.order_id
        charges = self._trade(order, execution)
        self.exposure.end(order_id, order.request.symbol)
        self._ended.append(order_id)
        self.booked[key] = Booked(order_id, execution, charges)
        self.orders[order_id] = filled(order, execution, at=at, mono=mono)
        if len(self.orders) > self._kept:
            self._forget()

    def close(self, order: Order, execution: Execution) -> None:
        """Book a fill that `fills_whole` a live order with one id at the venue, and forget both."""
        order_id, symbol = order.request.order_id, order.request.symbol
        self._trade(order, execution)
        self.exposure.end(order_id, symbol)
        del self.orders[order_id], self.by_venue[order.venue_order_id]

    def record(self, fact: OrderFact) -> Order:
        """Apply one fact; returns the order after it. A fill is booked into its position as well."""
        order_id, before = fact.order_id, None
        if fact.event is INTENT or fact.event is DENIED:
            order = begin(fact)
        else:
            before = self.orders[order_id]
            order = apply(before, fact)
            if fact.execution is not None and order.filled != before.filled:
                self._book(before, fact, fact.execution)
        self.orders[order_id] = order
        symbol = order.request.symbol
        self.touched.add(symbol)
        if order.venue_order_id and (before is None or order.venue_order_id != before.venue_order_id):
            self.by_venue[order.venue_order_id] = order_id
        if order.other_ids:
            self.by_venue.update(dict.fromkeys(order.other_ids, order_id))
        was_live = before is not None and before.state.is_live
        if order.state.is_live:
            if not was_live:
                self.exposure.begin(order_id, symbol)
        else:
            if was_live:
                self.exposure.end(order_id, symbol)
            if was_live or before is None:
                self._ended.append(order_id)
            if (order.claimed or order.state in HOLDS) and order.reserved(max(self.exposure.mono, fact.mono)):
                self.exposure.hold(order_id, symbol)
            if len(self.orders) > self._kept:
                self._forget()
        return order

    def release(self, mono: int) -> None:
        """Move the time to monotonic `mono`: reservations that outlived their order end.

        The first call sets it: after a boot of the machine the journal's facts tell later times than now, which would
        keep reservations and patience for as long as the machine ran before.
        """
        if not self.exposure.mono:
            for order_id, order in self.orders.items():
                late = {name: mono for name in TIMES if getattr(order, name) > mono}
                if late:
                    self.orders[order_id] = msgspec.structs.replace(order, **late)
        self.touched.update(self.exposure.release(mono))

    def adopt(self, symbol: str, quantity: Decimal, average_price: Decimal) -> None:
        """Take over a position that has no fills here: the venue's quantity is the truth."""
        before = self.position(symbol)
        self._move(
            before,
            Position(
                symbol=symbol,
                quantity=quantity,
                cost=quantity * average_price,
                realized=before.realized,
                charges=before.charges,
                bought=before.bought,
                sold=before.sold,
            ),
        )

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders that may still trade, UNKNOWN included."""
        return self.exposure.live(symbol)

    def owner(self, key: Key) -> str | None:
        """Return the order that a fill of this key, booked or taken back, belongs to."""
        booked = self.booked.get(key) or self.busted.get(key)
        return None if booked is None else booked.order_id

    def position(self, symbol: str) -> Position:
        return self.positions.get(symbol) or Position(symbol=symbol)

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held of `symbol`."""
        position = self.open.get(symbol)
        return ZERO if position is None else position.quantity

    def suspect(self, symbol: str) -> None:
        """Note that an order of `symbol` was filled beyond its quantity: what is held may be less than was told."""
        self.in_excess.setdefault(symbol, (self.exposure.mono, None))

    def closable(self, symbol: str) -> Decimal:
        """Return the signed quantity that an exit may close: ours, and in excess no more than the venue's list holds.

        Nothing until the venue was asked after the last fill.
        """
        quantity = self.quantity(symbol)
        if symbol not in self.in_excess:
            return quantity
        held = self.in_excess[symbol][1]
        if held is None or held * quantity <= 0:
            return ZERO
        return min(quantity, held, key=abs)

    def unrealized(self, mark: Callable[[str], Decimal | None]) -> Decimal:
        """Return the profit of all open positions before charges; one without a mark counts as zero."""
        total = ZERO
        for position in self.open.values():
            if (price := mark(position.symbol)) is not None:
                total += position.unrealized(price)
        return total

    def _book(self, before: Order, fact: OrderFact, execution: Execution) -> None:
        key = (execution.exchange, execution.execution_id)
        if fact.event is REVERSED:
            booked = self.booked.pop(key)
            old = self.positions.get(execution.symbol) or Position(symbol=execution.symbol)
            self._move(old, old.reverse(booked.execution, booked.charges), -booked.charges)
            if not booked.execution.is_inferred:
                self.busted[key] = booked
            self.fills -= 1
        else:
            self.booked[key] = Booked(fact.order_id, execution, self._trade(before, execution))
            if self.busted:
                self.busted.pop(key, None)

    def _trade(self, order: Order, execution: Execution) -> Decimal:
        # Move the position by a fill of an order; returns its charges.
        symbol = execution.symbol
        charges = self._charges_of(order, execution)
        old = self.positions.get(symbol) or Position(symbol)
        self._move(old, old.apply(execution, charges), charges)
        self.fills += 1
        return charges

    def _move(self, old: Position, new: Position, charges: Decimal = ZERO) -> None:
        symbol = new.symbol
        if new.realized is not old.realized:
            self.realized += new.realized - old.realized
        self.charges += charges
        if self.in_excess and symbol in self.in_excess:
            self.in_excess[symbol] = self.exposure.mono, None
        self.positions[symbol] = new
        self.touched.add(symbol)
        self.moved.add(symbol)
        if new.quantity:
            self.open[symbol] = new
        else:
            self.open.pop(symbol, None)

    def _forget(self) -> None:
        # The one that ended first goes, except that what is reserved still waits behind the others.
        for _ in range(len(self._ended)):
            order_id = self._ended.popleft()
            order = self.orders.get(order_id)
            if order is None or order.state.is_live:
                continue
            if self.exposure.is_held(order):
                self._ended.append(order_id)
                continue
            del self.orders[order_id]
            for venue_order_id in (order.venue_order_id, *order.other_ids):
                self.by_venue.pop(venue_order_id, None)
            for execution in order.booked:
                self.booked.pop(execution.key, None)
            for execution in order.busted:
                self.busted.pop(execution.key, None)
            self.on_forget(order)
            return
