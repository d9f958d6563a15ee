"""Places an order: asks the gate, writes the book and sends the order out, in one step without interruption."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from tradebot.domain.message import Message
from tradebot.domain.messages import Submit
from tradebot.domain.order import ZERO, Order, OrderEvent, OrderEventType, OrderRequest, Side
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import DeskOutput, PlaceOrder
from tradebot.trading.desk.gate.exposure_controls import MaxDailyLoss, MaxOpenOrders, MaxPosition
from tradebot.trading.desk.gate.flow_controls import MessageRate
from tradebot.trading.desk.gate.gate import Gate, GateDecision, OrderContext
from tradebot.trading.desk.gate.limits import Limits, change_limits
from tradebot.trading.desk.placing.denials import Denials
from tradebot.trading.desk.placing.gross_exposure import GrossExposure
from tradebot.trading.desk.placing.requests import OrderRequests

INTENT, DENIED = OrderEventType.INTENT, OrderEventType.DENIED


class Placement:
    """Puts orders before the gate. An order that passes is reserved in the same step, so that the next one sees it."""

    def __init__(self, book: Book, gate: Gate, requests: OrderRequests) -> None:
        self._book, self._gate, self.requests = book, gate, requests
        self._gross_exposure = GrossExposure(book.universe, book.blotter, book.marks)
        self._day_profit = book.pnl.day_profit
        # (symbol, whether it is a resting stop) -> name of the control that denied its last exit
        self._denied_exits: dict[tuple[str, bool], str] = {}
        self.denials = Denials()

    def place_order(self, order: PlaceOrder, out: list[DeskOutput]) -> None:
        """Put an order before the gate; append its INTENT and the order to `out`, or its denial."""
        request = order.request
        decision = self._gate.check_order(request, self._context(request, order.reference))
        if decision.is_passed:
            self.send_passed(order, decision, out)
        else:
            self.record_denial(order, decision, out)

    def send_passed(self, order: PlaceOrder, decision: GateDecision, out: list[DeskOutput]) -> None:
        """Send an order that passed.

        After an exit that passed, the next denied exit of its symbol is recorded again.
        """
        self.requests.used_ids += 1
        if self._denied_exits and order.request.purpose.is_exit:
            self._denied_exits.pop((order.request.symbol, order.request.purpose.rests), None)
        self.reserve_and_send(order, decision, out)

    def reserve_and_send(self, order: PlaceOrder, decision: GateDecision, out: list[DeskOutput]) -> None:
        """Reserve an order, and append its INTENT and then the order to `out`."""
        request, c = order.request, self._book.conditions
        event = OrderEvent(
            request.order_id,
            INTENT,
            c.now,
            c.mono,
            "",
            "",
            request,
            None,
            None,
            decision.checks,
            order.inputs,
            reference=order.reference,
        )
        self._book.blotter.begin_order(event)
        out += (event, Submit(request=request))

    def record_denial(self, order: PlaceOrder, decision: GateDecision, out: list[DeskOutput]) -> None:
        """Count and record a denial.

        A denied exit is tried again on every tick, so its denial is recorded once per control; that of a resting stop
        apart, or it would hide the exit's.
        """
        request, c = order.request, self._book.conditions
        self.denials.count_denial(decision.control, request.strategy, decision.reason)
        if request.purpose.is_exit:
            kind = request.symbol, request.purpose.rests
            if self._denied_exits.get(kind) == decision.control:
                return
            self._denied_exits[kind] = decision.control
        self.requests.used_ids += 1
        event = OrderEvent(
            request.order_id,
            DENIED,
            c.now,
            c.mono,
            decision.reason,
            "",
            request,
            None,
            None,
            decision.checks,
            order.inputs,
            reference=order.reference,
            control=decision.control,
        )
        self._book.record_event(event)
        out.append(event)

    def check_replacement(self, rest: OrderRequest, reference: Decimal | None, *, instead_of: Order) -> GateDecision:
        """Ask the gate about an order that replaces a working one, as if the working one did not exist."""
        return self._gate.check_order(rest, self._context(rest, reference, without=(instead_of,)))

    def would_pass(self, order: PlaceOrder, *, without: Sequence[Order]) -> bool:
        """Return whether an order could leave now if the orders `without` were gone; no control notes it."""
        return self._gate.would_pass(order.request, self._context(order.request, order.reference, without=without))

    def restore_passed(self, order: Order, event: OrderEvent) -> None:
        """Let the gate remember an order, or a change of one, that an earlier process sent today."""
        is_change = event.type is OrderEventType.REPLACE_SENT
        if (is_change or event.type is INTENT) and not order.is_external:
            self._gate.restore_passed(order.request, event.mono, is_change=is_change)

    @property
    def limits(self) -> Message | None:
        """Return the limits that the gate judges by now, None where it was built without."""
        return self._gate.limits

    def change_limits(self, limits: Limits, order_notional: Decimal) -> None:
        """Let the gate judge by other limits, and size entries by another notional, from the next order on."""
        change_limits(self._gate, limits)
        self.requests.order_notional = order_notional

    def begin_market_day(self) -> None:
        """Reset the gate's counts of the market day to zero."""
        self._gate.begin_market_day()

    def limit_usage(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return limit -> (used, most) of the limits of the account that the gate has, as the gate would judge now.

        `daily_loss` (0 in profit) and `gross` (worst case) are money in the account's currency, `open_orders` and
        `orders_per_day` are counts.
        """
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for control in self._gate.controls:
            match control:
                case MaxDailyLoss():
                    found["daily_loss"] = max(-self._day_profit(), ZERO), control.max_loss
                case MaxPosition():
                    found["gross"] = self._gross_exposure.total_value(), control.max_gross
                case MaxOpenOrders():
                    found["open_orders"] = Decimal(self._book.exposure.working), Decimal(control.max_open)
                case MessageRate():
                    today, most = control.day_usage
                    found["orders_per_day"] = Decimal(today), Decimal(most)
        return found

    @property
    def control_names(self) -> tuple[str, ...]:
        """Return the names of the gate's controls, in the order in which they are asked."""
        return tuple(control.name for control in self._gate.controls)

    def _context(self, request: OrderRequest, reference: Decimal | None, without: Sequence[Order] = ()) -> OrderContext:
        symbol, exchange, product, strategy = request.symbol, request.exchange, request.product, request.strategy
        book = self._book
        exposure, c, blotter, id_ = book.exposure, book.conditions, book.blotter, book.universe.id_of(symbol)
        position = blotter.positions.open.get(symbol)
        longest = shortest = quantity = ZERO if position is None else position.quantity
        closing, in_doubt = ZERO, False
        if exposure.has_orders(symbol):
            longest, shortest = exposure.worst_case(symbol)
            closing, in_doubt = exposure.closing_quantity(symbol), exposure.has_order_in_doubt(symbol)
        for gone in without:
            reserved = gone.reserved_quantity(c.mono)
            longest -= reserved if gone.request.side is Side.BUY else ZERO
            shortest += reserved if gone.request.side is Side.SELL else ZERO
            closing -= reserved if gone.request.purpose.is_exit else ZERO
        return OrderContext(  # positional: keywords would cost as much as all the look-ups here
            book.universe.instruments[id_],
            quantity,
            blotter.closable_quantity(symbol),
            longest,
            shortest,
            closing,
            exposure.working - len(without),
            in_doubt,
            reference,
            book.marks.quote_age_s(id_, c.mono),
            bool(c.links.stale_sources),
            c.halt_reason_for(symbol, strategy) if c.has_halts else "",
            c.unaccounted.get(symbol, ""),
            book.external.quantities.get((exchange, symbol, product), ZERO) if book.external else ZERO,
            c.entries_closed(symbol),
            partial(self._gross_exposure.value_without, symbol),
            self._day_profit,
            c.mono,
            c.blind_reason,
            c.quote_trouble(symbol) or book.marks.crossed_reason(id_),
            c.links.session_lost,
            c.links.orders_refused,
            c.disk_short,
            c.disk_full,
        )
