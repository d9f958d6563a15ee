"""The counter between desk and exchange in a backtest: orders go into bar books, what becomes of them comes back.

It does what `execution` and a venue's broker do live: SENDING before an order leaves, ACCEPTED when it has reached the
exchange, then its fills; without queues, because nothing has to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.backtest.job import Job
from tradebot.backtest.ledger import STATES, Ledger
from tradebot.backtest.panel import Panel
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Cancel, Modify, OrderSeen, Outcome, Submit
from tradebot.domain.order import (
    Execution,
    OrderEvent,
    OrderFact,
    OrderKind,
    OrderRequest,
    OrderState,
    Side,
    VenueOrder,
    VenueStatus,
)
from tradebot.exchange.bar_matching import BarBook, BarFill
from tradebot.stages.desk import Desk, DeskOutput

DENIED, SENDING, ACCEPTED = OrderEvent.DENIED, OrderEvent.SENDING, OrderEvent.ACCEPTED
BUY, FILLED = Side.BUY, STATES[OrderState.FILLED]


class _Placed:
    __slots__ = ("filled", "fills", "from_row", "id", "is_acked", "quantity", "request", "row", "venue_order_id")

    def __init__(self, request: OrderRequest, id_: int, row: int, quantity: int) -> None:
        self.request, self.id, self.row, self.quantity = request, id_, row, quantity
        self.venue_order_id = f"X{request.order_id}"
        self.from_row, self.is_acked, self.fills, self.filled = 0, False, 0, 0


class Counter:
    """Takes what the desk says. `moved` collects the ids of instruments with new orders, until cleared.

    `k` and `in_bar` say where on the timeline it is, set by the walk; times come from the desk's conditions.
    """

    def __init__(self, job: Job, desk: Desk, panel: Panel, ledger: Ledger) -> None:
        self._desk, self._panel, self._ledger = desk, panel, ledger
        self._instruments: Sequence[Instrument] = job.instruments
        self._ids = {instrument.symbol: id_ for id_, instrument in enumerate(job.instruments)}
        self._latency_bars = job.matching.latency_bars
        self._latency_ns = int(job.matching.latency_s * SECOND)
        self._is_late = bool(self._latency_bars or self._latency_ns)
        self._quantity_decimals = [instrument.quantity_decimals for instrument in job.instruments]
        self.books = [BarBook(instrument, job.matching) for instrument in job.instruments]
        self.placed: dict[str, _Placed] = {}  # order_id -> an order that may still trade
        self._charges, self._money = Decimal(0), Decimal(10**ledger.money_decimals)
        self._points = [instrument.price(1) for instrument in job.instruments]  # one unit of each one's prices
        self.moved: set[int] = set()
        self.k, self.in_bar = 0, False

    def take(self, outputs: list[DeskOutput]) -> None:
        """Carry out what the desk decided, in order."""
        for output in outputs:
            if type(output) is Submit:
                self._submit(output.request)
            elif type(output) is Cancel:
                self._cancel(output)
            elif type(output) is Modify:
                self._modify(output)
            elif type(output) is OrderFact and output.request is not None:
                self._begun(output, output.request)

    def trade(self, id_: int, row: int, price: int) -> None:
        """Let the orders of an instrument meet a price of bar `row`, which is the one under way."""
        book = self.books[id_]
        if not book.orders:
            return
        if self._is_late:
            self._arrive(id_, row)
        for fill in book.trade(row, price=price, volume=self._panel.volumes[id_][row]):
            self._fill(fill)

    def pass_through(self, id_: int, row: int, *, start: int, end: int) -> int | None:
        """Let resting limits of an instrument meet a move of the price inside bar `row`; where the first one filled."""
        fills = self.books[id_].pass_through(row, start=start, end=end, volume=self._panel.volumes[id_][row])
        for fill in fills:
            self._fill(fill)
        return fills[0].price if fills else None

    def states(self) -> None:
        """Write the states of the orders that still work into the ledger."""
        for order_id, placed in self.placed.items():
            self._ledger.ended(placed.row, self._desk.blotter.orders[order_id].state)

    def _begun(self, fact: OrderFact, request: OrderRequest) -> None:
        id_ = self._ids[request.symbol]
        is_denied = fact.event is DENIED
        quantity = _units(request.quantity, self._quantity_decimals[id_])
        row = self._ledger.order(request, id_, quantity, is_denied, fact.reason, fact.at)
        self.moved.add(id_)
        if not is_denied:
            self.placed[request.order_id] = _Placed(request, id_, row, quantity)

    def _submit(self, request: OrderRequest) -> None:
        order_id = request.order_id
        placed = self.placed[order_id]
        id_ = placed.id
        if self._is_late:
            c = self._desk.conditions
            self._desk.apply(Outcome(fact=OrderFact(order_id=order_id, event=SENDING, at=c.now, mono=c.mono)))
        if self._is_late or not self._panel.is_whole:
            placed.from_row = self._from_row(id_)
        else:
            placed.from_row = self.k if self.in_bar else self.k + 1
        is_limit = request.price is not None and request.kind is OrderKind.LIMIT
        limit = self._instruments[id_].units(request.price) if is_limit and request.price else None
        self.books[id_].enter(
            order_id, request.side.sign, placed.quantity, limit, request.protection_pct, placed.from_row
        )  # fmt: skip
        if not self._is_late:
            placed.is_acked = True
            if outputs := self._desk.accept(order_id, placed.venue_order_id):
                self.take(outputs)

    def _from_row(self, id_: int) -> int:
        after = self.k + 1 if self._panel.is_whole else self._panel.first_row(id_, self.k + 1)
        if not self._is_late:
            return after - 1 if self.in_bar else after
        row = after + self._latency_bars - (1 if self.in_bar and self._latency_bars else 0)
        if self._latency_ns:
            reach = self._desk.conditions.now + self._latency_ns
            row = max(row, self._panel.row_after(id_, reach) + self._latency_bars)
        return row

    def _arrive(self, id_: int, row: int) -> None:
        for order_id in list(self.books[id_].orders):
            placed = self.placed[order_id]
            if not placed.is_acked and placed.from_row <= row:
                self._accept(placed)

    def _accept(self, placed: _Placed) -> None:
        placed.is_acked = True
        c, order_id = self._desk.conditions, placed.request.order_id
        venue_order_id = placed.venue_order_id
        fact = OrderFact(order_id=order_id, event=ACCEPTED, at=c.now, mono=c.mono, venue_order_id=venue_order_id)
        outputs = self._desk.apply(Outcome(fact=fact))
        if len(outputs) > 1:  # more than the fact itself: a cancel that waited for the id
            self.take(outputs)

    def _fill(self, fill: BarFill) -> None:
        placed = self.placed[fill.order_id]
        request, id_, desk = placed.request, placed.id, self._desk
        now, mono = desk.conditions.now, desk.conditions.mono
        placed.fills += 1
        placed.filled += fill.quantity
        is_one = fill.is_whole and placed.fills == 1
        quantity = request.quantity if is_one else self._instruments[id_].quantity(fill.quantity)
        execution = Execution(
            f"{fill.order_id}/{placed.fills}", placed.venue_order_id, request.symbol, request.exchange, request.side,
            quantity, Decimal(fill.price) * self._points[id_], now, request.product,
        )  # fmt: skip
        outputs = desk.book(execution, mono)
        charges, self._charges = desk.blotter.charges - self._charges, desk.blotter.charges
        signed = fill.quantity if request.side is BUY else -fill.quantity
        self._ledger.fill(placed.row, id_, self.k, now, signed, fill.price, int(charges * self._money))
        if fill.is_whole:
            self._ledger.states[placed.row] = FILLED
            del self.placed[fill.order_id]
        if len(outputs) > 1:
            self.take(outputs)

    def _modify(self, modify: Modify) -> None:
        order_id, c = modify.request.order_id, self._desk.conditions
        placed = self.placed.get(order_id)
        if placed is None or modify.request.price is None:
            return
        self.books[placed.id].orders[order_id].limit = self._instruments[placed.id].units(modify.request.price)
        fact = OrderFact(
            order_id=order_id,
            event=OrderEvent.REPLACED,
            at=c.now,
            mono=c.mono,
            venue_order_id=modify.venue_order_id,
        )
        self.take(self._desk.apply(Outcome(fact=fact)))

    def _cancel(self, cancel: Cancel) -> None:
        placed = self.placed.get(cancel.order_id)
        if placed is None or not cancel.venue_order_id or not self.books[placed.id].cancel(cancel.order_id):
            return  # filled already, or the cancel goes out again with the id that the exchange gives
        request, c = placed.request, self._desk.conditions
        shown = VenueOrder(
            venue_order_id=cancel.venue_order_id,
            tag=cancel.order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            kind=request.kind,
            status=VenueStatus.CANCELED,
            quantity=request.quantity,
            filled=self._instruments[placed.id].quantity(placed.filled),
            price=request.price,
            product=request.product,
            changed_at=c.now,
        )
        self._ledger.ended(placed.row, OrderState.CANCELED)
        del self.placed[cancel.order_id]
        self.take(self._desk.apply(OrderSeen(order=shown, mono=c.mono)))


def _units(value: Decimal, decimals: int) -> int:
    return int(value.scaleb(decimals)) if decimals else int(value)
