"""Missing fills: infers fills that are missing for five seconds, and settles fills reported with different figures.

A status never books a fill. A fill is missing if an order's status names a larger filled quantity than its fills add up
to. After five seconds an inferred fill is booked for the difference. Its id is a function of its inputs, so a replay
makes the same one. Real fills replace it when they come. A fill that the venue reports again with different figures is
quarantined: the booked figures stay until two of the venue's lists of trades have shown the new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.order import Fill, Order, OrderEvent, OrderEventType
from tests.oracle.vendor.trading.desk.book.blotter import Blotter

INFER_AFTER_NS = 5 * SECOND
EXECUTED = OrderEventType.EXECUTED
CONFIRMING_LISTS = 2  # lists of trades that must show different figures before they replace ours


class MissingFills:
    """Makes the fill events for one blotter.

    `price_of(symbol)` prices an inferred fill for which the venue gave no price; None where it knows none either.
    """

    def __init__(self, blotter: Blotter, universe: Universe, price_of: Callable[[str], Decimal | None]) -> None:
        self._blotter, self._universe, self._price_of = blotter, universe, price_of
        self.missing_since: dict[str, int] = {}  # order_id -> monotonic ns since when fills are missing
        # fill key -> (fill with different figures, how many lists in a row showed it)
        self._disputed: dict[tuple[str, str], tuple[Fill, int]] = {}
        self.inferred_fills: dict[str, Fill] = {}  # order_id -> the inferred fill
        self.disputed_mono: int | None = None  # monotonic ns of the last fill reported with different figures

    def note_event(self, order: Order, event: OrderEvent, mono: int) -> None:
        """Note after an event whether its order has an inferred fill, and whether fills are missing.

        `order` is the order after the event, `mono` monotonic ns.
        """
        fill = event.fill
        if fill is not None and event.type is EXECUTED:
            if fill.is_inferred:
                self.inferred_fills[event.order_id] = fill
        elif fill is not None and event.type is OrderEventType.REVERSED and fill.is_inferred:
            self.inferred_fills.pop(event.order_id, None)
        if order.reported.filled and order.missing_quantity:
            self.missing_since.setdefault(event.order_id, mono)
        elif self.missing_since:
            self.missing_since.pop(event.order_id, None)

    def forget_order(self, order: Order) -> None:
        """Forget an order that the book no longer keeps."""
        if self._disputed:
            for fill in (*order.fills, *order.irregular.busted):
                self._disputed.pop(fill.fill_key, None)
        self.missing_since.pop(order.order_id, None)
        self.inferred_fills.pop(order.order_id, None)

    def fill_events(self, order_id: str, fill: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events that book a fill: none if it is known, a quarantine if it is known with different figures.

        A new fill replaces the inferred fill of its order, if there is one. What the real fill does not cover of it is
        inferred again. `at` is market ns, `mono` monotonic ns.
        """
        key = fill.fill_key
        # The fast path of nearly every fill: nothing about it is known yet.
        if (
            key not in self._blotter.booked_fills
            and key not in self._blotter.busted_fills
            and order_id not in self.inferred_fills
        ):
            return [fill_event(order_id, EXECUTED, fill, at, mono)]

        def make_event(event_type: OrderEventType, about: Fill, reason: str = "") -> OrderEvent:
            return fill_event(order_id, event_type, about, at, mono, reason)

        booked = self._blotter.booked_fills.get(key)
        if booked is not None:
            booked_fill = booked.execution
            order = self._blotter.orders.get(order_id)
            # The order is None once the book no longer keeps it. A fill is quarantined once.
            if booked_fill.is_same_trade(fill) or order is None or key in order.irregular.quarantined:
                return []
            self.disputed_mono = mono
            return [make_event(OrderEventType.QUARANTINED, fill, _dispute(booked_fill, fill))]
        back = self._blotter.busted_fills.get(key)
        # `back` is the fill that the venue took back. It may report it once more; only other figures book it again.
        if back is not None and back.execution.is_same_trade(fill):
            return []
        stand_in = self.inferred_fills.pop(order_id, None)
        if stand_in is None:
            return [make_event(OrderEventType.EXECUTED, fill)]
        events = [
            make_event(OrderEventType.REVERSED, stand_in, "its real execution came"),
            make_event(OrderEventType.EXECUTED, fill),
        ]
        missing = stand_in.quantity - fill.quantity
        if missing > 0:
            rest = _inferred(stand_in, order_id, missing, stand_in.price, fill.execution_id)
            # Set here, and not by `note_event`: the next fill in the same answer must find and replace it.
            self.inferred_fills[order_id] = rest
            events.append(make_event(OrderEventType.EXECUTED, rest, "the rest is still missing"))
        return events

    def listed_fill_events(self, fill: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events of a fill in the venue's list of trades whose figures differ from the booked ones.

        The first list gives a quarantine, the second one with the same figures a reversal and a new booking. A fill
        that is not booked, or booked with these figures, gives none. `at` is market ns, `mono` monotonic ns.
        """
        key = fill.fill_key
        booked = self._blotter.booked_fills.get(key)
        if booked is None:
            return []
        booked_fill, order_id = booked.execution, booked.order_id
        if booked_fill.is_same_trade(fill):
            self._disputed.pop(key, None)
            return []
        if booked_fill.venue_order_id != fill.venue_order_id:  # the id names a fill of another order: reverse nothing
            return self.fill_events(order_id, fill, at=at, mono=mono)
        last_disputed, list_count = self._disputed.get(key, (fill, 0))
        list_count = list_count + 1 if last_disputed.is_same_trade(fill) else 1
        self._disputed[key] = fill, list_count
        if list_count < CONFIRMING_LISTS:
            self.disputed_mono = mono
            return self.fill_events(order_id, fill, at=at, mono=mono)
        del self._disputed[key]
        events = [
            OrderEvent(
                order_id=order_id,
                type=OrderEventType.REVERSED,
                at=at,
                mono=mono,
                reason=_dispute(booked_fill, fill),
                fill=booked_fill,
            )
        ]
        if fill.quantity > 0:  # a quantity of 0 takes the fill back
            events.append(OrderEvent(order_id=order_id, type=OrderEventType.EXECUTED, at=at, mono=mono, fill=fill))
        return events

    def infer_fills(self, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events that book an inferred fill for each order with fills missing for five seconds.

        `at` is market ns, `mono` monotonic ns. An order waits while there is no price for its inferred fill.
        """
        events: list[OrderEvent] = []
        if not self.missing_since:
            return events
        for order_id, since in self.missing_since.items():
            # 0 if missing since an earlier run. Its time starts now, because a snapshot of this run may list the fill.
            if not since:
                self.missing_since[order_id] = mono
        for order_id in [i for i, since in self.missing_since.items() if mono - since >= INFER_AFTER_NS]:
            order = self._blotter.orders.get(order_id)
            if order is None or not order.missing_quantity:
                del self.missing_since[order_id]
                continue
            price = self._price(order)
            if price is None:
                continue
            events += self._inferred_events(order, price, at, mono)
        return events

    def _inferred_events(self, order: Order, price: Decimal, at: int, mono: int) -> list[OrderEvent]:
        request = order.request
        shape = Fill(
            execution_id="",
            venue_order_id=order.venue_order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            quantity=order.missing_quantity,
            price=price,
            traded_at=at,
            product=request.product,
            is_inferred=True,
        )
        events: list[OrderEvent] = []
        quantity = order.missing_quantity
        earlier = self.inferred_fills.get(order.order_id)
        if earlier is not None:  # an order has one inferred fill at a time: the new one covers the old one too
            quantity += earlier.quantity
            events.append(
                OrderEvent(
                    order_id=order.order_id,
                    type=OrderEventType.REVERSED,
                    at=at,
                    mono=mono,
                    reason="more is missing",
                    fill=earlier,
                )
            )
        inferred = _inferred(shape, order.order_id, quantity, price, f"{order.reported.filled.normalize():f}")
        events.append(
            OrderEvent(
                order_id=order.order_id,
                type=OrderEventType.EXECUTED,
                at=at,
                mono=mono,
                reason=f"the venue says {order.reported.filled:f} filled, executions came for {order.filled:f}",
                fill=inferred,
            )
        )
        return events

    def _price(self, order: Order) -> Decimal | None:
        # The missing part's price is what makes the average of all fills the venue's average. If that is no price, the
        # average itself. If the venue gave no average, the order's limit price, else the last price.
        missing, average = order.missing_quantity, order.reported.average_price
        price = order.price or self._price_of(order.symbol)
        if average is not None:
            price = (average * order.reported.filled - order.value) / missing
            if not price.is_finite() or price <= 0:
                price = average
        if price is None or order.symbol not in self._universe:  # outside the universe no tick size is known
            return price
        return self._universe.instrument_of(order.symbol).round_to_nearest_tick(price)


def fill_event(
    order_id: str, event_type: OrderEventType, fill: Fill, at: int, mono: int, reason: str = ""
) -> OrderEvent:
    """Return the event about one fill of an order, with the venue's id of the order.

    `at` is market ns, `mono` monotonic ns.
    """
    return OrderEvent(
        order_id=order_id,
        type=event_type,
        at=at,
        mono=mono,
        reason=reason,
        fill=fill,
        venue_order_id=fill.venue_order_id,
    )


def _inferred(shape: Fill, order_id: str, quantity: Decimal, price: Decimal, after: str) -> Fill:
    # `shape` gives all other fields. `after` makes the id differ between two inferred fills of one order.
    digest = blake2b(f"{order_id}|{after}|{quantity.normalize():f}".encode(), digest_size=8).hexdigest()
    fields = {name: getattr(shape, name) for name in shape.__struct_fields__}
    return Fill(**(fields | {"execution_id": f"inferred-{digest}", "quantity": quantity, "price": price}))


def _dispute(booked: Fill, reported: Fill) -> str:
    return (
        f"execution {booked.execution_id} was {booked.quantity:f} at {booked.price:f}, "
        f"the venue now says {reported.quantity:f} at {reported.price:f}"
    )
