"""A venue in memory for tests of resting stops: it keeps orders, triggers stops, and answers when the test says so.

It knows nothing of the desk. Answers and reports wait in a list until the test delivers them, in any order; the lists
of a poll are always true.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from tests.trading.desk.desk_rig import DeskRig
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Cancel,
    DeskMessage,
    FillReport,
    Incident,
    Modify,
    OrderReport,
    RequestResult,
    Submit,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_reports import GttReport
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.settings import RestingSettings

D, S, E = Decimal, VenueOrderStatus, OrderEventType
WORKING = (S.OPEN, S.PENDING_TRIGGER)
STOPS = (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)
RESTING = RestingSettings(strategies=("s",), stop_market=(("NSE", "equity"),))


class Kept(msgspec.Struct):
    """An order as the venue keeps it; `request` has the terms in force."""

    venue_order_id: str
    request: OrderRequest
    status: VenueOrderStatus
    filled: Decimal = D(0)
    placed_id: str = ""  # of a GTT: the order that it placed
    created_at: int = 0
    ended_mono: int = 0
    is_tagged: bool = True

    @property
    def rest(self) -> Decimal:
        return self.request.quantity - self.filled if self.status in WORKING else D(0)


class Outstanding(NamedTuple):
    """A message of the venue on its way to the desk since `sent_mono`; `order` is what it is about."""

    order: Kept
    message: DeskMessage
    sent_mono: int = 0


class VenueModel:
    """The venue behind a `DeskRig`. It takes what the desk sends; the test fills, triggers, polls and loses answers."""

    def __init__(self, rig: DeskRig, *, product: str = "MIS") -> None:
        self.rig, self.product = rig, product
        self.orders: dict[str, Kept] = {}
        self.fills: list[Fill] = []
        self.held = D(0)  # of our orders and the owner's, in AAA
        self.price = D(1000)
        self.way: list[Outstanding] = []  # answers and reports that are not delivered yet
        self.outputs: list[DeskOutput] = []
        self.refuses: str = ""  # why a new stop is refused
        self.loses_answers = False
        self.changed_at = rig.at
        self._numbers = 0

    # ---- what the desk sends

    def take(self, outputs: list[DeskOutput]) -> list[DeskOutput]:
        """Carry out the requests in what the desk returned; their answers wait in `way`."""
        self.outputs += outputs
        for output in outputs:
            match output:
                case Submit():
                    self._submit(output.request)
                case Modify():
                    self._modify(output)
                case Cancel() if output.venue_order_id:
                    self._cancel(output)
        return outputs

    def _submit(self, request: OrderRequest) -> None:
        self._result(request.order_id, E.SENDING)  # the sender's own, at once
        stops = request.kind in STOPS
        if stops and self.refuses:
            self._answer(request.order_id, E.REFUSED, reason=self.refuses)
            return
        id_ = self._new_id("g" if request.gtt is not None else "v")
        status = S.PENDING_TRIGGER if stops else S.OPEN
        order = self.orders[id_] = Kept(id_, request, status, created_at=self.rig.at)
        if self.loses_answers:
            self._answer(request.order_id, E.AMBIGUOUS, order=order, reason="no answer")
        else:
            self._answer(request.order_id, E.ACCEPTED, venue_order_id=id_, order=order)
        if request.gtt is None:
            self._report(order)
        self._match()

    def _modify(self, modify: Modify) -> None:
        order = self.orders[modify.venue_order_id]
        if order.status not in WORKING:
            self._answer(modify.order_id, E.REPLACE_REFUSED, order=order, reason="it has ended")
            return
        if order.status is S.OPEN and modify.request.kind in STOPS:
            self._answer(modify.order_id, E.REPLACE_REFUSED, order=order, reason="it has triggered")
            return
        order.request = msgspec.structs.replace(
            order.request,
            quantity=modify.request.quantity,
            price=modify.request.price,
            trigger_price=modify.request.trigger_price,
            kind=modify.request.kind,
        )
        if order.request.quantity <= order.filled:
            order.status = S.FILLED
        if order.request.gtt is None:
            self._report(order)
        self._match()

    def _cancel(self, cancel: Cancel) -> None:
        order = self.orders[cancel.venue_order_id]
        if order.status not in WORKING or order.placed_id:
            self._answer(cancel.order_id, E.CANCEL_REFUSED, order=order, reason="it has ended")
            return
        order.status, order.ended_mono = S.CANCELED, self.rig.mono
        if order.request.gtt is None:
            self._report(order)

    # ---- what happens at the venue

    def trade(self, order: Kept, quantity: Decimal, price: Decimal | None = None) -> None:
        """Fill a part of a working order."""
        quantity = min(quantity, order.rest)
        if quantity > 0:
            self._fill(order, quantity, price)

    def fill_after_cancel(self, order: Kept, quantity: Decimal) -> None:
        """Fill a part of a cancelled order after all, and say so at once."""
        quantity = min(quantity, order.request.quantity - order.filled)
        if quantity > 0:
            self._fill(order, quantity, None)
            self.deliver(len(self.way) - 1)

    def _fill(self, order: Kept, quantity: Decimal, price: Decimal | None) -> None:
        order.filled += quantity
        if order.filled >= order.request.quantity and order.status is not S.CANCELED:
            order.status = S.FILLED
        request = order.request
        self._numbers += 1
        fill = Fill(
            execution_id=f"x{self._numbers}",
            venue_order_id=order.venue_order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            quantity=quantity,
            price=price or self.price,
            traded_at=self.rig.at,
            product=request.product,
        )
        self.fills.append(fill)
        self.held += quantity * request.side.sign
        self._report(order)
        self.way.append(Outstanding(order, FillReport(fill=fill, mono=self.rig.mono), self.rig.mono))

    def move(self, price: str) -> None:
        """Move the market to a price: stops trigger, the desk gets the quote."""
        self.price = D(price)
        self._match()
        self.take(self.rig.quote("AAA", price))

    def owner_trades(self, side: Side, quantity: int) -> None:
        """The owner trades in the broker's app, at once."""
        request = OrderRequest(
            order_id="", symbol="AAA", exchange="NSE", side=side, kind=OrderKind.MARKET, quantity=D(quantity),
            product=self.product,
        )  # fmt: skip
        id_ = self._new_id("o")
        order = self.orders[id_] = Kept(id_, request, S.OPEN, is_tagged=False)
        self.trade(order, D(quantity))

    def end(self, order: Kept, status: VenueOrderStatus = S.CANCELED) -> None:
        """End an order without a request of ours: the owner, the exchange or the broker."""
        if order.status in WORKING and not order.placed_id:
            order.status = status
            if order.request.gtt is None:
                self._report(order)

    def _match(self) -> None:
        for order in list(self.orders.values()):
            trigger = order.request.trigger_price
            if order.status is S.PENDING_TRIGGER and trigger is not None and not order.placed_id:
                is_hit = self.price <= trigger if order.request.side is Side.SELL else self.price >= trigger
                terms = order.request.gtt
                is_target = (
                    terms is not None and terms.target_trigger is not None and self.price >= terms.target_trigger
                )
                if is_hit or is_target:
                    self._trigger(order, is_target=is_target)

    def _trigger(self, order: Kept, *, is_target: bool) -> None:
        if order.request.gtt is None:
            order.status = S.OPEN
            self._report(order)
            return
        price = order.request.gtt.target_price if is_target else order.request.price
        request = msgspec.structs.replace(
            order.request, kind=OrderKind.LIMIT, price=price, trigger_price=None, gtt=None, order_id=""
        )
        id_ = self._new_id("p")
        placed = self.orders[id_] = Kept(id_, request, S.OPEN, is_tagged=False)
        order.status, order.placed_id = S.OPEN, id_
        self._report(placed)

    # ---- what the desk hears

    def deliver(self, index: int = 0) -> None:
        """Deliver one waiting message."""
        message = self.way.pop(index).message
        if isinstance(message, RequestResult):
            event = msgspec.structs.replace(message.event, at=self.rig.at, mono=self.rig.mono)
            message = RequestResult(event=event)
        elif isinstance(message, OrderReport | FillReport):
            message = msgspec.structs.replace(message, mono=self.rig.mono)  # when it is received
        self.take(self.rig.desk.apply_message(message))

    def deliver_all(self) -> None:
        """Deliver all waiting messages, those that follow from them included."""
        while self.way:
            self.deliver()

    def poll(self) -> None:
        """Let the desk read the lists of the venue; what was on its way is older and comes later."""
        self.take(self.rig.desk.apply_message(self.snapshot()))

    def snapshot(self) -> AccountSnapshot:
        """Return the lists of the venue, as of now."""
        rows = tuple(self.row(order) for order in self.orders.values())
        position = VenuePosition(
            symbol="AAA", exchange="NSE", product=self.product, quantity=self.held, average_price=self.price
        )
        return AccountSnapshot(
            asked_at=self.rig.mono, orders=rows, fills=tuple(self.fills), positions=(position,), cash=None
        )

    def tick(self, seconds: float = 0.05) -> list[DeskOutput]:
        """Let time pass."""
        return self.take(self.rig.tick(seconds))

    def run(self, seconds: float) -> None:
        """Let time pass in steps of a tenth, deliver what is on its way, poll every two seconds or when it may help."""
        for step in range(int(seconds * 10)):
            self.tick(0.1)
            self.deliver_all()
            due_mono = self.rig.desk.account.next_poll_at()
            if step % 20 == 19 or (due_mono is not None and due_mono <= self.rig.mono):
                self.poll()

    def row(self, order: Kept) -> VenueOrder:
        """Return the row of an order in the venue's list."""
        request, gtt = order.request, None
        if request.gtt is not None:
            terms = request.gtt
            gtt = GttReport(
                created_at=order.created_at,
                placed_order_id=order.placed_id,
                target_trigger=terms.target_trigger,
                target_price=terms.target_price,
            )
        return VenueOrder(
            venue_order_id=order.venue_order_id,
            tag=request.order_id if order.is_tagged and gtt is None else "",
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            kind=request.kind,
            status=order.status,
            quantity=request.quantity,
            filled=D(0) if gtt is not None else order.filled,
            price=request.price,
            trigger_price=request.trigger_price,
            product=request.product,
            gtt=gtt,
        )

    # ---- what a test asks

    @property
    def stops(self) -> list[Kept]:
        """Return the stops that rest at the venue."""
        return [order for order in self.orders.values() if order.status is S.PENDING_TRIGGER]

    @property
    def stops_placed(self) -> list[Kept]:
        """Return every order that was placed to rest as a stop, those that have triggered or ended included."""
        return [order for order in self.orders.values() if order.request.purpose.rests]

    def placed_for(self, purpose: OrderPurpose) -> list[Kept]:
        """Return every order that was placed for a purpose, those that have ended included."""
        return [order for order in self.orders.values() if order.request.purpose is purpose]

    @property
    def sellable(self) -> Decimal:
        """Return what the orders of ours at the venue may still sell."""
        placed = {order.placed_id for order in self.orders.values() if order.placed_id}
        rests = (
            order.rest
            for order in self.orders.values()
            if order.request.side is Side.SELL
            and (order.is_tagged or order.venue_order_id in placed)
            and not order.placed_id
        )
        return sum(rests, D(0))

    @property
    def incidents(self) -> list[str]:
        """Return the texts of all incidents so far."""
        return [output.text for output in self.outputs if isinstance(output, Incident)]

    def buy(self, *, stop: str | None = "990", quantity: int | None = None, **levels: object) -> OrderRequest:
        """Enter AAA at 1000 with a stop, and let the venue fill it (whole, or a part); nothing is delivered yet."""
        self.move("1000")
        fields = {"stop_loss": float(stop)} if stop is not None else {}
        outputs = self.take(self.rig.signal("AAA", Action.ENTER_LONG, **(fields | levels)))
        (request,) = [output.request for output in outputs if isinstance(output, Submit)]
        (order,) = [order for order in self.orders.values() if order.request.order_id == request.order_id]
        self.trade(order, D(quantity) if quantity is not None else request.quantity)
        return request

    def _result(self, order_id: str, event_type: OrderEventType) -> None:
        event = OrderEvent(order_id=order_id, type=event_type, at=self.rig.at, mono=self.rig.mono)
        self.take(self.rig.desk.apply_message(RequestResult(event=event)))

    def _answer(
        self,
        order_id: str,
        event_type: OrderEventType,
        *,
        order: Kept | None = None,
        venue_order_id: str = "",
        reason: str = "",
    ) -> None:
        event = OrderEvent(
            order_id=order_id,
            type=event_type,
            at=self.rig.at,
            mono=self.rig.mono,
            venue_order_id=venue_order_id,
            reason=reason,
        )
        about = order or Kept("", OrderRequest(order_id, "AAA", "NSE", Side.SELL, OrderKind.LIMIT, D(1)), S.REJECTED)
        self.way.append(Outstanding(about, RequestResult(event=event), self.rig.mono))

    def _report(self, order: Kept) -> None:
        self.way.append(Outstanding(order, OrderReport(order=self.row(order), mono=self.rig.mono), self.rig.mono))

    def _new_id(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}{self._numbers}"
