"""The blotter: every order and position, changed by order events alone, so that the journal rebuilds it exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.domain.messages import AccountSnapshot, ReleasedPosition
from tradebot.domain.order import RESERVATION_HOLD_NS, ZERO, Fill, Order, OrderEvent, OrderEventType
from tradebot.domain.order_reducer import apply_event, cap_monotonic_times, open_order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.trading.desk.book.exposure import Exposure
from tradebot.trading.desk.book.external_positions import ExternalPositions, OwnQuantities, order_netting_key
from tradebot.trading.desk.book.positions import Positions

ChargesOf = Callable[[Order, Fill], Decimal]  # (order before the fill, the fill) -> its charges
FillKey = tuple[str, str]  # (exchange, the venue's id of the fill)
INTENT, DENIED = OrderEventType.INTENT, OrderEventType.DENIED
EXECUTED, REVERSED = OrderEventType.EXECUTED, OrderEventType.REVERSED
JUST_FILLED_NS = SECOND // 5  # this soon after a fill the list of positions may still be from before it
MAX_ENDED_ORDERS = 20_000  # ended orders kept for late fills; a venue allows 5,000 orders a day


class BookedFill(Message, frozen=True, kw_only=False):
    """A booked fill: its order, its charges, and the monotonic ns at which it was reported.

    `mono` is 0 for a fill from before this process.
    """

    order_id: str
    execution: Fill
    charges: Decimal
    mono: int


class Blotter:
    """The orders by id and our positions by key.

    `exposure` knows what our orders may still do to our positions, `external` what is in the account but not ours.
    Ended orders are kept for late fills, unless `keeps_ended` is False.
    """

    def __init__(self, charges_of: ChargesOf, *, venue: str = "", keeps_ended: bool = True) -> None:
        self._charges_of, self._kept = charges_of, MAX_ENDED_ORDERS if keeps_ended else 0
        self._ended: deque[str] = deque()  # order_ids as they ended; an order that was open again may be in it twice
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.by_venue_id: dict[str, str] = {}  # venue_order_id -> order_id
        self.positions = Positions(venue)
        self.exposure = Exposure(self.orders, self.positions.open)
        self.external = ExternalPositions(self.orders)
        # Symbol of an overfilled order -> (monotonic ns of the symbol's last fill, our part of the venue's position in
        # a snapshot requested after that, None before such a snapshot).
        self.overfilled: dict[str, tuple[int, Decimal | None]] = {}
        self.dirty_exposure: set[str] = set()  # symbols whose worst case may have changed since this was last emptied
        self.booked_fills: dict[FillKey, BookedFill] = {}  # every fill that counts
        self.busted_fills: dict[FillKey, BookedFill] = {}  # fills that were reversed for good
        self.forgotten_orders: list[Order] = []  # orders no longer kept; a rule that remembers them empties the list

    def begin_order(self, event: OrderEvent) -> Order:
        """Apply the INTENT event of a new order of ours; return the order.

        A faster way to what `record_event` does with this event.
        """
        order, order_id = open_order(event), event.order_id
        self.orders[order_id] = order
        symbol = order.request.symbol
        self.dirty_exposure.add(symbol)
        self.exposure.add_live(order_id, symbol)
        return order

    def add_working_order(self, order: Order) -> None:
        """Add an order of ours that is at the venue already.

        A faster way to what `record_event` does with the order's events so far, for a backtest.
        """
        order_id, symbol = order.request.order_id, order.request.symbol
        self.orders[order_id] = order
        self.by_venue_id[order.venue_order_id] = order_id
        self.dirty_exposure.add(symbol)
        self.exposure.add_live(order_id, symbol)

    def close_filled_order(self, order: Order, fill: Fill) -> None:
        """Book the one fill that fills a live order completely, then forget the order and the fill.

        The order must have one id at the venue only.
        """
        order_id, symbol = order.request.order_id, order.request.symbol
        self._book_own_fill(order, fill)
        self.exposure.remove_live(order_id, symbol)
        del self.orders[order_id], self.by_venue_id[order.venue_order_id]

    def record_event(self, event: OrderEvent) -> Order:
        """Apply one order event and return the order after it; also book a fill into its position."""
        order_id, before = event.order_id, None
        if event.type is INTENT or event.type is DENIED:
            order = open_order(event)
        else:
            before = self.orders[order_id]
            order = apply_event(before, event)
            # Unchanged where the reducer did not book the fill: it is known already, or was quarantined.
            if event.fill is not None and order.filled != before.filled:
                self._apply_fill(before, event, event.fill)
            if event.type is EXECUTED and event.fill is not None and order.filled > order.quantity:
                self.mark_overfilled(order.request.symbol)
        self.orders[order_id] = order
        self.dirty_exposure.add(order.request.symbol)
        self._index_venue_ids(before, order)
        self._update_exposure(before, order, event.mono)
        return order

    def _index_venue_ids(self, before: Order | None, order: Order) -> None:
        # All the venue's ids of an order lead to it. An id that turned out wrong, and is not kept in `other_ids`, leads
        # nowhere.
        order_id, venue_order_id = order.request.order_id, order.venue_order_id
        old = "" if before is None else before.venue_order_id
        if venue_order_id and venue_order_id != old:
            self.by_venue_id[venue_order_id] = order_id
            if old and old not in order.other_ids:
                self.by_venue_id.pop(old, None)
        if order.other_ids:
            self.by_venue_id.update(dict.fromkeys(order.other_ids, order_id))

    def _update_exposure(self, before: Order | None, order: Order, mono: int) -> None:
        # Note whether the order is live, or ended with a quantity that stays reserved for late fills.
        order_id, symbol = order.request.order_id, order.request.symbol
        exposure = self.external.exposure if order.is_external else self.exposure
        was_live = before is not None and before.state.is_live
        if order.state.is_live:
            if not was_live:
                exposure.add_live(order_id, symbol)
            return
        if was_live:
            exposure.remove_live(order_id, symbol)
        if was_live or before is None:
            self._ended.append(order_id)
        # The first half is a fast test: an order without either never has a reserved quantity.
        if (order.reported.filled or order.state in RESERVATION_HOLD_NS) and order.reserved_quantity(
            max(exposure.mono, mono)
        ):
            exposure.add_reserved(order_id, symbol)
        if len(self.orders) > self._kept:
            self._forget_oldest()

    def note_list(self, asked_at: int) -> None:
        """Note that everything in the account snapshot requested at `asked_at` (monotonic ns) is booked."""
        self.exposure.note_list(asked_at)

    def expire_reservations(self, mono: int) -> None:
        """Move the time to `mono` (monotonic ns), and end the reservations whose time is over.

        The first call also limits the monotonic times of all orders to `mono`. After a reboot those in the journal are
        later than now, and would keep reservations for as long as the machine ran before.
        """
        if not self.exposure.mono:
            for order_id, order in self.orders.items():
                self.orders[order_id] = cap_monotonic_times(order, mono)
        self.dirty_exposure.update(self.exposure.expire_reserved(mono))
        self.external.exposure.expire_reserved(mono)

    def adopt_position(self, key: PositionKey, quantity: Decimal, average_price: Decimal) -> None:
        """Set a position without fills, as runs of older versions adopted it; the signed `quantity` replaces ours."""
        self.positions.set_current_key(key)
        before = self.positions.by_key.get(key) or Position(key)
        self._replace_position(before, before.with_quantity(quantity, average_price))

    def release_position(self, released: ReleasedPosition) -> None:
        """Release a part of a position that is no longer ours; from now on it counts as external."""
        before = self.positions.by_key[PositionKey(self.positions.venue, *released.key.netting_key)]
        self._replace_position(before, before.release_quantity(released.quantity, released.price))
        self.external.take_over_position(released.key.netting_key, released.quantity)

    def live_orders(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self.exposure.live_orders(symbol)

    def all_live_orders(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        yield from self.exposure.live_orders()
        yield from self.external.exposure.live_orders()

    def own_at_snapshot(self, snapshot: AccountSnapshot) -> OwnQuantities:
        """Return our quantities by netting key at the time of a snapshot, and the fills that came after it.

        A fill came after it if it was reported after the snapshot was requested and the snapshot does not list it.
        """
        held = {p.key.netting_key: p.quantity for p in self.positions.by_key.values()}
        late: dict[NettingKey, Decimal] = {}
        late_ours: dict[NettingKey, Decimal] = {}
        listed = {fill.fill_key for fill in snapshot.fills}
        for booked in reversed(self.booked_fills.values()):
            fill = booked.execution
            # Fills are booked in the order of their times, so all earlier ones are older too.
            if booked.mono < snapshot.asked_at - JUST_FILLED_NS:
                break
            if fill.fill_key in listed or fill.is_inferred:
                continue
            key, signed = fill.netting_key, fill.quantity * fill.side.sign
            order = self.orders.get(booked.order_id)
            if order is not None and order.is_external:
                late[key] = late.get(key, ZERO) + signed
            else:
                held[key] = held.get(key, ZERO) - signed
                late_ours[key] = late_ours.get(key, ZERO) + signed
        # Filled by its status, but the fills are not reported yet: the venue's position may include them.
        for order in self.exposure.live_orders():
            if order.reported.filled and order.missing_quantity:
                key, signed = order_netting_key(order), order.missing_quantity * order.request.side.sign
                late_ours[key] = late_ours.get(key, ZERO) + signed
        return OwnQuantities(held, late, late_ours)

    def fill_order_id(self, key: FillKey) -> str | None:
        """Return the id of the order that a booked or reversed fill belongs to, None for an unknown fill."""
        booked = self.booked_fills.get(key) or self.busted_fills.get(key)
        return None if booked is None else booked.order_id

    def mark_overfilled(self, symbol: str) -> None:
        """Note that an order of `symbol` was overfilled: the venue may hold less than our booked fills add up to."""
        self.overfilled.setdefault(symbol, (self.exposure.mono, None))

    def check_overfills(self, snapshot: AccountSnapshot) -> None:
        """Compare our positions in overfilled symbols with a snapshot that was requested after their last fill.

        Where they agree, the symbol is no longer overfilled; else the venue's quantity limits what an exit may close.
        """
        net = snapshot.net_quantities()
        for symbol, (since, _) in list(self.overfilled.items()):
            key = self.positions.position_of(symbol).key.netting_key
            held = self.external.own_quantity(key, net)
            if snapshot.asked_at <= since + JUST_FILLED_NS or snapshot.unknown_position_reason(symbol):
                continue
            if held == self.positions.open_quantity(symbol):
                del self.overfilled[symbol]
            else:
                self.overfilled[symbol] = since, held

    def closable_quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity that an exit may close: ours, as far as the venue holds it on the same side.

        It is 0 in an overfilled symbol until a snapshot was requested after the last fill, and then at most what the
        snapshot holds.
        """
        position = self.positions.open.get(symbol)
        if position is None:
            return ZERO
        quantity = self.external.closable_quantity(position) if self.external else position.quantity
        if symbol not in self.overfilled:
            return quantity
        held = self.overfilled[symbol][1]
        if held is None or held * quantity <= 0:
            return ZERO
        return min(quantity, held, key=abs)

    def _apply_fill(self, before: Order, event: OrderEvent, fill: Fill) -> None:
        key = (fill.exchange, fill.execution_id)
        is_ours = not before.is_external
        if event.type is REVERSED:
            booked = self.booked_fills.pop(key)
            if is_ours:
                old = self.positions.position_for_fill(booked.execution)
                self._replace_position(old, old.reverse_fill(booked.execution, booked.charges), -booked.charges)
                self.positions.fill_count -= 1
            else:
                self.external.apply_fill(booked.execution, -1)
            if not booked.execution.is_inferred:
                self.busted_fills[key] = booked
            return
        charges = ZERO
        if is_ours:
            charges = self._book_own_fill(before, fill)
        else:
            self.external.apply_fill(fill)
        # `exposure.mono` is 0 until the first `expire_reservations`. Until then events come from the journal, some with
        # monotonic times of an earlier boot.
        self.booked_fills[key] = BookedFill(event.order_id, fill, charges, event.mono if self.exposure.mono else 0)
        if self.busted_fills:
            self.busted_fills.pop(key, None)

    def _book_own_fill(self, order: Order, fill: Fill) -> Decimal:
        # Apply a fill of our order to the position; return its charges.
        charges, positions, symbol = self._charges_of(order, fill), self.positions, fill.symbol
        # Nearly always the open position of the symbol is the one to change.
        old = positions.open.get(symbol)
        if old is None or old.key.product != fill.product or old.key.exchange != fill.exchange:
            old = positions.position_for_fill(fill)
        if self.overfilled and symbol in self.overfilled:
            self.overfilled[symbol] = self.exposure.mono, None
        self.dirty_exposure.add(symbol)
        positions.replace_position(old, old.apply_fill(fill, charges), charges)
        positions.fill_count += 1
        return charges

    def _replace_position(self, old: Position, new: Position, charges: Decimal = ZERO) -> None:
        symbol = new.key.symbol
        if self.overfilled and symbol in self.overfilled:
            self.overfilled[symbol] = self.exposure.mono, None
        self.dirty_exposure.add(symbol)
        self.positions.replace_position(old, new, charges)

    def _forget_oldest(self) -> None:
        # Drop the order that ended first. One that is still reserved goes to the end of the queue.
        for _ in range(len(self._ended)):
            order_id = self._ended.popleft()
            order = self.orders.get(order_id)
            if order is None or order.state.is_live:  # forgotten already, or open again
                continue
            if self.exposure.is_reserved(order):
                self._ended.append(order_id)
                continue
            del self.orders[order_id]
            for venue_order_id in (order.venue_order_id, *order.other_ids):
                self.by_venue_id.pop(venue_order_id, None)
            for fill in order.fills:
                self.booked_fills.pop(fill.fill_key, None)
            for fill in order.irregular.busted:
                self.busted_fills.pop(fill.fill_key, None)
            self.forgotten_orders.append(order)
            return
