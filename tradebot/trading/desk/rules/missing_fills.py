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
from tradebot.domain.order import Execution, Order, OrderEvent, OrderFact
from tradebot.trading.desk.book.blotter import Blotter

INFER_AFTER_NS = 5 * SECOND
EXECUTED = OrderEvent.EXECUTED
CONFIRMING_LISTS = 2  # lists of trades that must show other figures before they replace ours


class MissingFills:
    """Facts of fills against one blotter. `price_of(symbol)` values a fill that came with no price at all."""

    def __init__(self, blotter: Blotter, universe: Universe, price_of: Callable[[str], Decimal | None]) -> None:
        self._blotter, self._universe, self._price_of = blotter, universe, price_of
        self.missing_since: dict[str, int] = {}  # order_id -> mono since when fills are missing
        self._disputed: dict[tuple[str, str], tuple[Execution, int]] = {}  # key -> (other figures, lists that had them)
        self.inferred_fills: dict[str, Execution] = {}  # order_id -> the execution made up for it
        self.disputed_mono: int | None = None  # monotonic time of the last fill that was told with other figures

    def note_event(self, order: Order, event: OrderFact, mono: int) -> None:
        """Take what a fact did: its fill has an owner now, and the order lacks fills or does not."""
        execution = event.execution
        if execution is not None and event.event is EXECUTED:
            if execution.is_inferred:
                self.inferred_fills[event.order_id] = execution
        elif execution is not None and event.event is OrderEvent.REVERSED and execution.is_inferred:
            self.inferred_fills.pop(event.order_id, None)
        if order.claim.filled and order.shortfall:
            self.missing_since.setdefault(event.order_id, mono)
        elif self.missing_since:
            self.missing_since.pop(event.order_id, None)

    def forget_order(self, order: Order) -> None:
        """Forget an order that the book keeps no longer."""
        if self._disputed:
            for execution in (*order.booked, *order.odd.busted):
                self._disputed.pop(execution.key, None)
        self.missing_since.pop(order.order_id, None)
        self.inferred_fills.pop(order.order_id, None)

    def fill_events(self, order_id: str, execution: Execution, *, at: int, mono: int) -> list[OrderFact]:
        """Return the facts of a fill: nothing when it is known, its quarantine when it is known otherwise."""
        key = execution.key
        if (
            key not in self._blotter.booked_fills
            and key not in self._blotter.busted_fills
            and order_id not in self.inferred_fills
        ):
            return [fill_event(order_id, EXECUTED, execution, at, mono)]

        def fact(event: OrderEvent, what: Execution, reason: str = "") -> OrderFact:
            return fill_event(order_id, event, what, at, mono, reason)

        booked = self._blotter.booked_fills.get(key)
        if booked is not None:
            known = booked.execution
            order = self._blotter.orders.get(order_id)
            if known.tells_the_same(execution) or order is None or key in order.odd.quarantined:
                return []
            self.disputed_mono = mono
            return [fact(OrderEvent.QUARANTINED, execution, _dispute(known, execution))]
        back = self._blotter.busted_fills.get(key)
        if back is not None and back.execution.tells_the_same(execution):
            return []
        stand_in = self.inferred_fills.pop(order_id, None)
        if stand_in is None:
            return [fact(OrderEvent.EXECUTED, execution)]
        facts = [
            fact(OrderEvent.REVERSED, stand_in, "its real execution came"),
            fact(OrderEvent.EXECUTED, execution),
        ]
        missing = stand_in.quantity - execution.quantity
        if missing > 0:
            rest = _inferred(stand_in, order_id, missing, stand_in.price, execution.execution_id)
            self.inferred_fills[order_id] = rest  # the next fill of the same answer replaces it
            facts.append(fact(OrderEvent.EXECUTED, rest, "the rest is still missing"))
        return facts

    def listed_fill_events(self, execution: Execution, *, at: int, mono: int) -> list[OrderFact]:
        """Return a reversal and the new booking when the venue's list has shown other figures twice."""
        key = execution.key
        booked = self._blotter.booked_fills.get(key)
        if booked is None:
            return []
        known, order_id = booked.execution, booked.order_id
        if known.tells_the_same(execution):
            self._disputed.pop(key, None)
            return []
        if known.venue_order_id != execution.venue_order_id:  # an id used again for another order reverses nothing
            return self.fill_events(order_id, execution, at=at, mono=mono)
        other, rounds = self._disputed.get(key, (execution, 0))
        rounds = rounds + 1 if other.tells_the_same(execution) else 1
        self._disputed[key] = execution, rounds
        if rounds < CONFIRMING_LISTS:
            self.disputed_mono = mono
            return self.fill_events(order_id, execution, at=at, mono=mono)
        del self._disputed[key]
        facts = [
            OrderFact(
                order_id=order_id,
                event=OrderEvent.REVERSED,
                at=at,
                mono=mono,
                reason=_dispute(known, execution),
                execution=known,
            )
        ]
        if execution.quantity > 0:
            facts.append(OrderFact(order_id=order_id, event=OrderEvent.EXECUTED, at=at, mono=mono, execution=execution))
        return facts

    def infer_fills(self, *, at: int, mono: int) -> list[OrderFact]:
        """Return the executions made up for what has been missing for five seconds."""
        facts: list[OrderFact] = []
        if not self.missing_since:
            return facts
        for order_id, since in self.missing_since.items():
            if not since:  # missing when an earlier run ended: the look of this start may know it
                self.missing_since[order_id] = mono
        for order_id in [i for i, since in self.missing_since.items() if mono - since >= INFER_AFTER_NS]:
            order = self._blotter.orders.get(order_id)
            if order is None or not order.shortfall:
                del self.missing_since[order_id]
                continue
            price = self._price(order)
            if price is None:
                continue
            facts += self._inferred_events(order, price, at, mono)
        return facts

    def _inferred_events(self, order: Order, price: Decimal, at: int, mono: int) -> list[OrderFact]:
        request = order.request
        shape = Execution(
            execution_id="",
            venue_order_id=order.venue_order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            quantity=order.shortfall,
            price=price,
            traded_at=at,
            product=request.product,
            is_inferred=True,
        )
        facts: list[OrderFact] = []
        quantity = order.shortfall
        earlier = self.inferred_fills.get(order.order_id)
        if earlier is not None:  # one stand-in at a time: the new one covers what the old one did
            quantity += earlier.quantity
            facts.append(
                OrderFact(
                    order_id=order.order_id,
                    event=OrderEvent.REVERSED,
                    at=at,
                    mono=mono,
                    reason="more is missing",
                    execution=earlier,
                )
            )
        made = _inferred(shape, order.order_id, quantity, price, f"{order.claim.filled.normalize():f}")
        facts.append(
            OrderFact(
                order_id=order.order_id,
                event=OrderEvent.EXECUTED,
                at=at,
                mono=mono,
                reason=f"the venue says {order.claim.filled:f} filled, executions came for {order.filled:f}",
                execution=made,
            )
        )
        return facts

    def _price(self, order: Order) -> Decimal | None:
        # What the venue's average leaves for the missing part; without one, the limit or the last price will do.
        missing, average = order.shortfall, order.claim.average_price
        price = order.price or self._price_of(order.symbol)
        if average is not None:
            price = (average * order.claim.filled - order.value) / missing
            if not price.is_finite() or price <= 0:
                price = average
        if price is None or order.symbol not in self._universe:
            return price
        return self._universe.get(order.symbol).nearest_price(price)


def fill_event(
    order_id: str, event_type: OrderEvent, fill: Execution, at: int, mono: int, reason: str = ""
) -> OrderFact:
    """Return what happened to one fill of an order, with the id that the venue gave the order."""
    return OrderFact(
        order_id=order_id,
        event=event_type,
        at=at,
        mono=mono,
        reason=reason,
        execution=fill,
        venue_order_id=fill.venue_order_id,
    )


def _inferred(shape: Execution, order_id: str, quantity: Decimal, price: Decimal, after: str) -> Execution:
    digest = blake2b(f"{order_id}|{after}|{quantity.normalize():f}".encode(), digest_size=8).hexdigest()
    fields = {name: getattr(shape, name) for name in shape.__struct_fields__}
    return Execution(**(fields | {"execution_id": f"inferred-{digest}", "quantity": quantity, "price": price}))


def _dispute(known: Execution, told: Execution) -> str:
    return (
        f"execution {known.execution_id} was {known.quantity:f} at {known.price:f}, "
        f"the venue now says {told.quantity:f} at {told.price:f}"
    )
