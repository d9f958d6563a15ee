"""Fills that do not add up: missing for five seconds, told again with other figures, made up and then found.

A status never books anything, but one that knows more fills than came for five seconds is believed: an inferred
execution is booked, with an id that a replay makes again, and the real ones replace it when they come. A trade that the
venue tells again with other figures is set aside until its list of trades has shown them twice.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.order import Fill, Order, OrderEventType, OrderEvent
from tests.oracle.vendor.trading.desk.book.blotter import Blotter

INFER_AFTER = 5 * SECOND
EXECUTED = OrderEventType.EXECUTED
CONFIRMATIONS = 2  # lists of trades that must show other figures before they replace ours


class Shortfalls:
    """Facts of fills against one blotter. `price_of(symbol)` values a fill that came with no price at all."""

    def __init__(self, blotter: Blotter, universe: Universe, price_of: Callable[[str], Decimal | None]) -> None:
        self._blotter, self._universe, self._price_of = blotter, universe, price_of
        self.short: dict[str, int] = {}  # order_id -> mono since when fills are missing
        self._disputed: dict[tuple[str, str], tuple[Fill, int]] = {}  # key -> (other figures, lists that had them)
        self.inferred: dict[str, Fill] = {}  # order_id -> the execution made up for it
        self.disputed_at: int | None = None  # monotonic time of the last fill that was told with other figures

    def note(self, order: Order, fact: OrderEvent, mono: int) -> None:
        """Take what a fact did: its fill has an owner now, and the order lacks fills or does not."""
        execution = fact.fill
        if execution is not None and fact.type is EXECUTED:
            if execution.is_inferred:
                self.inferred[fact.order_id] = execution
        elif execution is not None and fact.type is OrderEventType.REVERSED and execution.is_inferred:
            self.inferred.pop(fact.order_id, None)
        if order.reported.filled and order.missing_quantity:
            self.short.setdefault(fact.order_id, mono)
        elif self.short:
            self.short.pop(fact.order_id, None)

    def forget(self, order: Order) -> None:
        """Forget an order that the book keeps no longer."""
        if self._disputed:
            for execution in (*order.fills, *order.irregular.busted):
                self._disputed.pop(execution.fill_key, None)
        self.short.pop(order.order_id, None)
        self.inferred.pop(order.order_id, None)

    def fills(self, order_id: str, execution: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the facts of a fill: nothing when it is known, its quarantine when it is known otherwise."""
        key = execution.fill_key
        if key not in self._blotter.booked and key not in self._blotter.busted and order_id not in self.inferred:
            return [fill_fact(order_id, EXECUTED, execution, at, mono)]

        def fact(event: OrderEventType, what: Fill, reason: str = "") -> OrderEvent:
            return fill_fact(order_id, event, what, at, mono, reason)

        booked = self._blotter.booked.get(key)
        if booked is not None:
            known = booked.execution
            order = self._blotter.orders.get(order_id)
            if known.is_same_trade(execution) or order is None or key in order.irregular.quarantined:
                return []
            self.disputed_at = mono
            return [fact(OrderEventType.QUARANTINED, execution, _dispute(known, execution))]
        back = self._blotter.busted.get(key)
        if back is not None and back.execution.is_same_trade(execution):
            return []
        stand_in = self.inferred.pop(order_id, None)
        if stand_in is None:
            return [fact(OrderEventType.EXECUTED, execution)]
        facts = [
            fact(OrderEventType.REVERSED, stand_in, "its real execution came"),
            fact(OrderEventType.EXECUTED, execution),
        ]
        missing = stand_in.quantity - execution.quantity
        if missing > 0:
            rest = _inferred(stand_in, order_id, missing, stand_in.price, execution.execution_id)
            self.inferred[order_id] = rest  # the next fill of the same answer replaces it
            facts.append(fact(OrderEventType.EXECUTED, rest, "the rest is still missing"))
        return facts

    def confirmed(self, execution: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return a reversal and the new booking when the venue's list has shown other figures twice."""
        key = execution.fill_key
        booked = self._blotter.booked.get(key)
        if booked is None:
            return []
        known, order_id = booked.execution, booked.order_id
        if known.is_same_trade(execution):
            self._disputed.pop(key, None)
            return []
        if known.venue_order_id != execution.venue_order_id:  # an id used again for another order reverses nothing
            return self.fills(order_id, execution, at=at, mono=mono)
        other, rounds = self._disputed.get(key, (execution, 0))
        rounds = rounds + 1 if other.is_same_trade(execution) else 1
        self._disputed[key] = execution, rounds
        if rounds < CONFIRMATIONS:
            self.disputed_at = mono
            return self.fills(order_id, execution, at=at, mono=mono)
        del self._disputed[key]
        facts = [
            OrderEvent(
                order_id=order_id,
                type=OrderEventType.REVERSED,
                at=at,
                mono=mono,
                reason=_dispute(known, execution),
                fill=known,
            )
        ]
        if execution.quantity > 0:
            facts.append(OrderEvent(order_id=order_id, type=OrderEventType.EXECUTED, at=at, mono=mono, fill=execution))
        return facts

    def infer(self, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the executions made up for what has been missing for five seconds."""
        facts: list[OrderEvent] = []
        if not self.short:
            return facts
        for order_id, since in self.short.items():
            if not since:  # missing when an earlier run ended: the look of this start may know it
                self.short[order_id] = mono
        for order_id in [i for i, since in self.short.items() if mono - since >= INFER_AFTER]:
            order = self._blotter.orders.get(order_id)
            if order is None or not order.missing_quantity:
                del self.short[order_id]
                continue
            price = self._price(order)
            if price is None:
                continue
            facts += self._made_up(order, price, at, mono)
        return facts

    def _made_up(self, order: Order, price: Decimal, at: int, mono: int) -> list[OrderEvent]:
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
        facts: list[OrderEvent] = []
        quantity = order.missing_quantity
        earlier = self.inferred.get(order.order_id)
        if earlier is not None:  # one stand-in at a time: the new one covers what the old one did
            quantity += earlier.quantity
            facts.append(
                OrderEvent(
                    order_id=order.order_id,
                    type=OrderEventType.REVERSED,
                    at=at,
                    mono=mono,
                    reason="more is missing",
                    fill=earlier,
                )
            )
        made = _inferred(shape, order.order_id, quantity, price, f"{order.reported.filled.normalize():f}")
        facts.append(
            OrderEvent(
                order_id=order.order_id,
                type=OrderEventType.EXECUTED,
                at=at,
                mono=mono,
                reason=f"the venue says {order.reported.filled:f} filled, executions came for {order.filled:f}",
                fill=made,
            )
        )
        return facts

    def _price(self, order: Order) -> Decimal | None:
        # What the venue's average leaves for the missing part; without one, the limit or the last price will do.
        missing, average = order.missing_quantity, order.reported.average_price
        price = order.price or self._price_of(order.symbol)
        if average is not None:
            price = (average * order.reported.filled - order.value) / missing
            if not price.is_finite() or price <= 0:
                price = average
        if price is None or order.symbol not in self._universe:
            return price
        return self._universe.instrument_of(order.symbol).round_to_nearest_tick(price)


def fill_fact(order_id: str, event: OrderEventType, what: Fill, at: int, mono: int, reason: str = "") -> OrderEvent:
    """Return what happened to one fill of an order, with the id that the venue gave the order."""
    return OrderEvent(
        order_id=order_id,
        type=event,
        at=at,
        mono=mono,
        reason=reason,
        fill=what,
        venue_order_id=what.venue_order_id,
    )


def _inferred(shape: Fill, order_id: str, quantity: Decimal, price: Decimal, after: str) -> Fill:
    digest = blake2b(f"{order_id}|{after}|{quantity.normalize():f}".encode(), digest_size=8).hexdigest()
    fields = {name: getattr(shape, name) for name in shape.__struct_fields__}
    return Fill(**(fields | {"execution_id": f"inferred-{digest}", "quantity": quantity, "price": price}))


def _dispute(known: Fill, told: Fill) -> str:
    return (
        f"execution {known.execution_id} was {known.quantity:f} at {known.price:f}, "
        f"the venue now says {told.quantity:f} at {told.price:f}"
    )
