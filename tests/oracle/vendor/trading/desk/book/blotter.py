"""The desk's memory: every order and position, changed by facts alone, so that the journal rebuilds it exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.domain.messages import AccountSnapshot, ReleasedPosition
from tradebot.domain.order import RESERVATION_HOLD_NS, ZERO, Fill, Order, OrderEventType, OrderEvent
from tradebot.domain.order_reducer import apply_event, open_order, cap_monotonic_times
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import NettingKey, PositionKey
from tests.oracle.vendor.trading.desk.book.exposure import Exposure
from tests.oracle.vendor.trading.desk.book.external import External, Own, line_of
from tests.oracle.vendor.trading.desk.book.positions import Positions

ChargesOf = Callable[[Order, Fill], Decimal]  # (order before the fill, the fill) -> its charges
Key = tuple[str, str]  # (exchange, execution_id)
INTENT, DENIED = OrderEventType.INTENT, OrderEventType.DENIED
EXECUTED, REVERSED = OrderEventType.EXECUTED, OrderEventType.REVERSED
JUST_FILLED = SECOND // 5  # after a fill: the list of positions may be from before it
ENDED_KEPT = 20_000  # ended orders kept for late fills; a venue's day allows 5,000


class Booked(Message, frozen=True, kw_only=False):
    """A fill in the books: whose it is, what it cost, and the monotonic time it was heard, 0 of before this process."""

    order_id: str
    execution: Fill
    charges: Decimal
    mono: int


class Blotter:
    """Orders by id, ours by key, and in `exposure` what our orders may still do; totals are kept as fills come.

    What other hands trade stands in `external`. Orders that ended are kept for fills that come late, unless told that
    none do.
    """

    def __init__(self, charges_of: ChargesOf, *, venue: str = "", keeps_ended: bool = True) -> None:
        self._charges_of, self._kept = charges_of, ENDED_KEPT if keeps_ended else 0
        self._ended: deque[str] = deque()  # order_ids as they ended; one that lived again may be in it twice
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.by_venue: dict[str, str] = {}  # venue_order_id -> order_id
        self.positions = Positions(venue)
        self.exposure = Exposure(self.orders, self.positions.open)
        self.external = External(self.orders)
        # Symbols where more was filled than ordered -> (mono of the last fill, what the venue's list has held since).
        self.in_excess: dict[str, tuple[int, Decimal | None]] = {}
        self.touched: set[str] = set()  # symbols whose worst case may have changed since then
        self.booked: dict[Key, Booked] = {}  # every fill that counts
        self.busted: dict[Key, Booked] = {}  # what was taken back for good
        self.forgotten: list[Order] = []  # that are kept no longer, until who remembers something of them empties it

    def begin(self, fact: OrderEvent) -> Order:
        """Apply an INTENT of an order of ours, as `record` would; returns the order."""
        order, order_id = open_order(fact), fact.order_id
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

    def close(self, order: Order, execution: Fill) -> None:
        """Book a fill that `fills_whole` a live order with one id at the venue, and forget both."""
        order_id, symbol = order.request.order_id, order.request.symbol
        self._trade(order, execution)
        self.exposure.end(order_id, symbol)
        del self.orders[order_id], self.by_venue[order.venue_order_id]

    def record(self, fact: OrderEvent) -> Order:
        """Apply one fact; returns the order after it. A fill of ours is booked into its position as well."""
        order_id, before = fact.order_id, None
        if fact.type is INTENT or fact.type is DENIED:
            order = open_order(fact)
        else:
            before = self.orders[order_id]
            order = apply_event(before, fact)
            if fact.fill is not None and order.filled != before.filled:
                self._book(before, fact, fact.fill)
            if fact.type is EXECUTED and fact.fill is not None and order.filled > order.quantity:
                self.suspect(order.request.symbol)
        self.orders[order_id] = order
        self.touched.add(order.request.symbol)
        self._name(before, order)
        self._count(before, order, fact.mono)
        return order

    def _name(self, before: Order | None, order: Order) -> None:
        # The venue's ids of an order lead to it. One that a later one took the place of leads nowhere.
        order_id, venue_order_id = order.request.order_id, order.venue_order_id
        old = "" if before is None else before.venue_order_id
        if venue_order_id and venue_order_id != old:
            self.by_venue[venue_order_id] = order_id
            if old and old not in order.other_ids:
                self.by_venue.pop(old, None)
        if order.other_ids:
            self.by_venue.update(dict.fromkeys(order.other_ids, order_id))

    def _count(self, before: Order | None, order: Order, mono: int) -> None:
        # What an order may still do, among ours or those of others.
        order_id, symbol = order.request.order_id, order.request.symbol
        exposure = self.external.exposure if order.is_external else self.exposure
        was_live = before is not None and before.state.is_live
        if order.state.is_live:
            if not was_live:
                exposure.begin(order_id, symbol)
            return
        if was_live:
            exposure.end(order_id, symbol)
        if was_live or before is None:
            self._ended.append(order_id)
        if (order.reported.filled or order.state in RESERVATION_HOLD_NS) and order.reserved_quantity(max(exposure.mono, mono)):
            exposure.hold(order_id, symbol)
        if len(self.orders) > self._kept:
            self._forget()

    def release(self, mono: int) -> None:
        """Move the time to monotonic `mono`: reservations that outlived their order end.

        The first call sets it: after a boot of the machine the journal's facts tell later times than now, which would
        keep reservations and patience for as long as the machine ran before.
        """
        if not self.exposure.mono:
            for order_id, order in self.orders.items():
                self.orders[order_id] = cap_monotonic_times(order, mono)
        self.touched.update(self.exposure.release(mono))
        self.external.exposure.release(mono)

    def adopt(self, key: PositionKey, quantity: Decimal, average_price: Decimal) -> None:
        """Take over a position that has no fills here, as runs of before did: the quantity is the truth."""
        self.positions.note(key)
        before = self.positions.by_key.get(key) or Position(key)
        self._move(before, before.with_quantity(quantity, average_price))

    def give_up(self, released: ReleasedPosition) -> None:
        """Take a part of a position for no longer ours: it is held beyond ours from now on."""
        before = self.positions.by_key[PositionKey(self.positions.venue, *released.key.netting_key)]
        self._move(before, before.release_quantity(released.quantity, released.price))
        self.external.take_over(released.key.netting_key, released.quantity)

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self.exposure.live(symbol)

    def live_anywhere(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        yield from self.exposure.live()
        yield from self.external.exposure.live()

    def own(self, books: AccountSnapshot) -> Own:
        """Return what was ours when `books` were read, by line, as far as they can know it.

        A fill that was heard since they were asked for and that they do not list came later than they.
        """
        held = {p.key.netting_key: p.quantity for p in self.positions.by_key.values()}
        late: dict[NettingKey, Decimal] = {}
        late_ours: dict[NettingKey, Decimal] = {}
        listed = {execution.fill_key for execution in books.fills}
        for booked in reversed(self.booked.values()):
            fill = booked.execution
            if booked.mono < books.asked_at - JUST_FILLED:
                break
            if fill.fill_key in listed or fill.is_inferred:
                continue
            line, signed = (fill.exchange, fill.symbol, fill.product), fill.quantity * fill.side.sign
            order = self.orders.get(booked.order_id)
            if order is not None and order.is_external:
                late[line] = late.get(line, ZERO) + signed
            else:
                held[line] = held.get(line, ZERO) - signed
                late_ours[line] = late_ours.get(line, ZERO) + signed
        for order in self.exposure.live():
            if order.reported.filled and order.missing_quantity:  # filled, as its status says, and not told yet
                line, signed = line_of(order), order.missing_quantity * order.request.side.sign
                late_ours[line] = late_ours.get(line, ZERO) + signed
        return Own(held, late, late_ours)

    def owner(self, key: Key) -> str | None:
        """Return the order that a fill of this key, booked or taken back, belongs to."""
        booked = self.booked.get(key) or self.busted.get(key)
        return None if booked is None else booked.order_id

    def suspect(self, symbol: str) -> None:
        """Note that an order of `symbol` was filled beyond its quantity: what is held may be less than was told."""
        self.in_excess.setdefault(symbol, (self.exposure.mono, None))

    def check_excess(self, books: AccountSnapshot) -> None:
        """Take what the venue's list holds of symbols in excess, where it was asked for after their last fill."""
        net = books.net_quantities()
        for symbol, (since, _) in list(self.in_excess.items()):
            line = self.positions.of(symbol).key.netting_key
            held = self.external.of_ours(line, net)
            if books.asked_at <= since + JUST_FILLED or books.unknown_position_reason(symbol):
                continue
            if held == self.positions.quantity(symbol):
                del self.in_excess[symbol]
            else:
                self.in_excess[symbol] = since, held

    def closable(self, symbol: str) -> Decimal:
        """Return the signed quantity that an exit may close: ours, as far as the venue holds it on the same side.

        In excess nothing until the venue was asked after the last fill, and then no more than its list holds.
        """
        position = self.positions.open.get(symbol)
        if position is None:
            return ZERO
        quantity = self.external.closable(position) if self.external else position.quantity
        if symbol not in self.in_excess:
            return quantity
        held = self.in_excess[symbol][1]
        if held is None or held * quantity <= 0:
            return ZERO
        return min(quantity, held, key=abs)

    def _book(self, before: Order, fact: OrderEvent, execution: Fill) -> None:
        key = (execution.exchange, execution.execution_id)
        is_ours = not before.is_external
        if fact.type is REVERSED:
            booked = self.booked.pop(key)
            if is_ours:
                old = self.positions.at(booked.execution)
                self._move(old, old.reverse_fill(booked.execution, booked.charges), -booked.charges)
                self.positions.fills -= 1
            else:
                self.external.trade(booked.execution, -1)
            if not booked.execution.is_inferred:
                self.busted[key] = booked
            return
        charges = ZERO
        if is_ours:
            charges = self._trade(before, execution)
        else:
            self.external.trade(execution)
        # Before the first release the facts are the journal's, of which some tell the time of an earlier boot.
        self.booked[key] = Booked(fact.order_id, execution, charges, fact.mono if self.exposure.mono else 0)
        if self.busted:
            self.busted.pop(key, None)

    def _trade(self, order: Order, execution: Fill) -> Decimal:
        # Move the position by a fill of an order of ours; returns its charges.
        charges, positions, symbol = self._charges_of(order, execution), self.positions, execution.symbol
        old = positions.open.get(symbol)
        if old is None or old.key.product != execution.product or old.key.exchange != execution.exchange:
            old = positions.at(execution)
        if self.in_excess and symbol in self.in_excess:
            self.in_excess[symbol] = self.exposure.mono, None
        self.touched.add(symbol)
        positions.move(old, old.apply_fill(execution, charges), charges)
        positions.fills += 1
        return charges

    def _move(self, old: Position, new: Position, charges: Decimal = ZERO) -> None:
        symbol = new.key.symbol
        if self.in_excess and symbol in self.in_excess:
            self.in_excess[symbol] = self.exposure.mono, None
        self.touched.add(symbol)
        self.positions.move(old, new, charges)

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
            for execution in order.fills:
                self.booked.pop(execution.fill_key, None)
            for execution in order.irregular.busted:
                self.busted.pop(execution.fill_key, None)
            self.forgotten.append(order)
            return
