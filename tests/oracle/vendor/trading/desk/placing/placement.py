"""How an order is placed: before the gate, into the book and out, in one step in which nothing else can happen."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from tradebot.domain.messages import Submit
from tradebot.domain.order import ZERO, Order, OrderEventType, OrderEvent, OrderRequest, Side
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import DeskOutput, Place
from tests.oracle.vendor.trading.desk.gate.gate import Gate, Verdict, View
from tests.oracle.vendor.trading.desk.placing.denials import Denials
from tests.oracle.vendor.trading.desk.placing.gross import Gross
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests

INTENT, DENIED = OrderEventType.INTENT, OrderEventType.DENIED


class Placement:
    """Shows orders to the gate. What passes is reserved in the same step: a second order sees the first."""

    def __init__(self, book: Book, gate: Gate, requests: OrderRequests) -> None:
        self._book, self._gate, self.requests = book, gate, requests
        self._gross = Gross(book.universe, book.blotter, book.marks)
        self._day_profit = book.worth.day_profit
        self._held: dict[str, str] = {}  # symbol -> control that denied its last exit
        self.denials = Denials()

    def place(self, order: Place, out: list[DeskOutput]) -> None:
        """Put an order before the gate; `out` takes its INTENT and the order, or its denial."""
        request = order.request
        verdict = self._gate.check(request, self._view(request, order.reference))
        if verdict.is_passed:
            self.passed(order, verdict, out)
        else:
            self.denied(order, verdict, out)

    def passed(self, order: Place, verdict: Verdict, out: list[DeskOutput]) -> None:
        """Let an order out that passed; an exit that the gate held back before is told again if it is another time."""
        self.requests.used += 1
        if self._held and order.request.purpose.is_exit:
            self._held.pop(order.request.symbol, None)
        self.reserve(order, verdict, out)

    def reserve(self, order: Place, verdict: Verdict, out: list[DeskOutput]) -> None:
        """Reserve an order, and let it out behind its INTENT."""
        request, c = order.request, self._book.conditions
        fact = OrderEvent(
            request.order_id,
            INTENT,
            c.now,
            c.mono,
            "",
            "",
            request,
            None,
            None,
            verdict.checks,
            order.inputs,
            reference=order.reference,
        )
        self._book.blotter.begin(fact)
        out += (fact, Submit(request=request))

    def denied(self, order: Place, verdict: Verdict, out: list[DeskOutput]) -> None:
        """Count a denial and write it down; an exit that the gate holds back is tried on every tick and told once."""
        request, c = order.request, self._book.conditions
        self.denials.add(verdict.control, request.strategy, verdict.reason)
        if request.purpose.is_exit:
            if self._held.get(request.symbol) == verdict.control:
                return
            self._held[request.symbol] = verdict.control
        self.requests.used += 1
        fact = OrderEvent(
            request.order_id,
            DENIED,
            c.now,
            c.mono,
            verdict.reason,
            "",
            request,
            None,
            None,
            verdict.checks,
            order.inputs,
            reference=order.reference,
            control=verdict.control,
        )
        self._book.record(fact)
        out.append(fact)

    def judge(self, rest: OrderRequest, reference: Decimal | None, *, instead_of: Order) -> Verdict:
        """Ask the gate of an order that takes the place of one at work, as if that one were not there."""
        return self._gate.check(rest, self._view(rest, reference, without=instead_of))

    def recall(self, order: Order, fact: OrderEvent) -> None:
        """Let what passed the gate today, by an earlier process, count for the limits of the day."""
        is_change = fact.type is OrderEventType.REPLACE_SENT
        if (is_change or fact.type is INTENT) and not order.is_external:
            self._gate.recall(order.request, fact.mono, is_change=is_change)

    def begin_day(self) -> None:
        """Let the gate's counters of a day begin at zero."""
        self._gate.begin_day()

    def _view(self, request: OrderRequest, reference: Decimal | None, without: Order | None = None) -> View:
        symbol, exchange, product, strategy = request.symbol, request.exchange, request.product, request.strategy
        book = self._book
        exposure, c, blotter, id_ = book.exposure, book.conditions, book.blotter, book.universe.id_of(symbol)
        position = blotter.positions.open.get(symbol)
        longest = shortest = quantity = ZERO if position is None else position.quantity
        closing, in_doubt = ZERO, False
        if exposure.has_orders(symbol):
            longest, shortest = exposure.worst_case(symbol)
            closing, in_doubt = exposure.closing(symbol), exposure.in_doubt(symbol)
        if without is not None:
            reserved = without.reserved_quantity(c.mono)
            longest -= reserved if without.request.side is Side.BUY else ZERO
            shortest += reserved if without.request.side is Side.SELL else ZERO
            closing -= reserved if without.request.purpose.is_exit else ZERO
        return View(  # by place: keywords would cost as much as all that is looked up here
            book.universe.instruments[id_],
            quantity,
            blotter.closable(symbol),
            longest,
            shortest,
            closing,
            exposure.working - (without is not None),
            in_doubt,
            reference,
            book.marks.age_s(id_, c.mono),
            bool(c.links.down),
            c.halt_of(symbol, strategy) if c.has_halts else "",
            c.unaccounted.get(symbol, ""),
            book.external.beyond.get((exchange, symbol, product), ZERO) if book.external else ZERO,
            c.entries_closed(symbol),
            partial(self._gross.without, symbol),
            self._day_profit,
            c.mono,
            c.blind,
            c.quote_trouble(symbol) or book.marks.trouble(id_),
            c.links.session_lost,
            c.links.orders_refused,
            c.disk_short,
            c.disk_full,
        )
