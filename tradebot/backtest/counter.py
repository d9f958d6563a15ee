"""The counter between desk and exchange in a backtest: orders go into bar books, what becomes of them comes back.

It does what `execution` and a venue's broker do live: SENDING before an order leaves, ACCEPTED when it has reached the
exchange, then its fills; without queues, because nothing has to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.backtest.funds import Funds
from tradebot.backtest.hours import NEVER
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import STATES, Ledger
from tradebot.backtest.panel import Panel
from tradebot.backtest.validity import Validities
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Cancel, Modify, OrderSeen, Outcome, Submit
from tradebot.domain.order import (
    SETTLE,
    Execution,
    OrderEvent,
    OrderFact,
    OrderKind,
    OrderRequest,
    OrderState,
    Purpose,
    VenueOrder,
    VenueStatus,
)
from tradebot.exchange.bar_matching import BarBook, Resting
from tradebot.trading.desk.desk import DeskOutput
from tradebot.trading.desk.direct_desk import DirectDesk

DENIED, SENDING, ACCEPTED = OrderEvent.DENIED, OrderEvent.SENDING, OrderEvent.ACCEPTED
ENTRY, LIMIT, FILLED = Purpose.ENTRY, OrderKind.LIMIT, STATES[OrderState.FILLED]


class _Placed(Resting):
    # An order of instrument `id` in row `row` of the ledger, known at the exchange by our id.
    request: OrderRequest
    id: int
    row: int
    is_acked: bool
    lapses_k: int  # the first position at which it is no more
    fills: int = 0
    has_waited: bool = False  # for a bar in which something trades


class Counter:
    """Takes what the desk says. `moved` collects the ids of instruments with new orders, until cleared.

    `k` and `in_bar` say where on the timeline it is, set by the walk; times come from the desk's conditions. `lapsed`
    counts the orders that their session ended over, `resends` are the ids whose exit was among them; `cut` counts the
    entries that the cash did not pay whole, `waited` the orders that met a bar in which nothing traded.
    """

    def __init__(
        self, job: Job, desk: DirectDesk, panel: Panel, ledger: Ledger, funds: Funds, validities: Validities
    ) -> None:  # fmt: skip
        self._desk, self._panel, self._ledger, self._validities = desk, panel, ledger, validities
        self._funds, self._held = funds, ledger.held
        self._conditions, self._blotter = desk.conditions, desk.blotter
        self._instruments: Sequence[Instrument] = job.instruments
        self._ids = {instrument.symbol: id_ for id_, instrument in enumerate(job.instruments)}
        self._latency_bars = job.matching.latency_bars
        self._latency_ns, self._is_late = job.matching.latency_ns, not job.matching.is_prompt
        self._quantity_decimals = [instrument.quantity_decimals for instrument in job.instruments]
        self.books = [
            BarBook[_Placed](instrument, job.matching, volumes)
            for instrument, volumes in zip(job.instruments, panel.volumes, strict=True)
        ]
        self.placed: dict[str, _Placed] = {}  # order_id -> an order that may still trade
        self._charges, self._money = Decimal(0), Decimal(10**ledger.money_decimals)
        self._points = [instrument.price(1) for instrument in job.instruments]  # one unit of each one's prices
        self.moved: set[int] = set()
        self.resends: set[int] = set()
        self.lapsed = self.cut = self.waited = 0
        self.k, self.in_bar = 0, False
        self._validity = validities.of(0)  # of the day
        self._interval = job.interval

    def take(self, outputs: Sequence[DeskOutput]) -> None:
        """Carry out what the desk decided, in order."""
        for output in outputs:
            if type(output) is Submit:
                self._submit(output.request)
            elif type(output) is Cancel:
                self._cancel(output)
            elif type(output) is Modify:
                self._modify(output)
            elif type(output) is OrderFact and output.event is DENIED:
                self._denied(output)

    def trade(self, id_: int, row: int, price: int) -> None:
        """Let the orders of an instrument meet a price of bar `row`, which is the one under way."""
        book = self.books[id_]
        if not book.orders:
            return
        if self._is_late:
            self._arrive(id_, row)
        if book.has_pauses and book.pauses(row):
            self._wait(book, row)
            return
        for order, quantity, paid in book.trade(row, price):
            self._fill(order, quantity, paid)

    def pass_through(self, id_: int, row: int, *, start: int, end: int) -> int | None:
        """Let resting limits of an instrument meet a move of the price inside bar `row`; where the first one filled."""
        book = self.books[id_]
        if book.has_pauses and book.pauses(row):
            return None
        fills = book.pass_through(row, start=start, end=end)
        for order, quantity, paid in fills:
            self._fill(order, quantity, paid)
        return fills[0][2] if fills else None

    def _wait(self, book: BarBook[_Placed], row: int) -> None:
        # An exit is not to hang for it: live it is taken back and sent again all the time.
        end = self._panel.begins[self.k] + self._interval
        for order in book.orders.values():
            if order.from_row <= row:
                self.waited += not order.has_waited
                order.has_waited = True
                if order.request.purpose.is_exit:
                    self._desk.waited(order.order_id, end)

    def begin_day(self, k: int) -> None:
        """End the orders that do not live to see the bar `k`; an exit among them is due again at its next open."""
        self._validity = self._validities.of(k)
        if not self.placed:
            return
        for placed in [placed for placed in self.placed.values() if placed.lapses_k <= k]:
            self.books[placed.id].cancel(placed.order_id)
            self.lapsed += 1
            if placed.request.purpose.is_exit:
                self.resends.add(placed.id)
                self._desk.reversals.drop(placed.request.symbol)
            # Between two sessions there is time for late fills, also where their bars leave none.
            self._ended(placed, VenueStatus.EXPIRED, OrderState.EXPIRED, settled_ns=SETTLE)

    def resend(self, id_: int) -> None:
        """Send the exit of an instrument again whose order lapsed, at the open of its bar."""
        self.resends.discard(id_)
        self.take(self._desk.exit_again(self._instruments[id_].symbol))

    def states(self) -> None:
        """Write the states of the orders that still work into the ledger."""
        for order_id, placed in self.placed.items():
            self._ledger.ended(placed.row, self._blotter.orders[order_id].state)

    def _denied(self, fact: OrderFact) -> None:
        request = fact.request
        assert request is not None, "a denial without what was denied"
        id_ = self._ids[request.symbol]
        quantity = int(request.quantity.scaleb(self._quantity_decimals[id_]))
        self._ledger.order(request, id_, quantity, fact.at, denied=fact.reason)
        self.moved.add(id_)

    def _submit(self, request: OrderRequest) -> None:
        order_id, id_, c = request.order_id, self._ids[request.symbol], self._conditions
        decimals = self._quantity_decimals[id_]
        quantity = int(request.quantity.scaleb(decimals) if decimals else request.quantity)
        if self._is_late:
            self._desk.apply(Outcome(fact=OrderFact(order_id=order_id, event=SENDING, at=c.now, mono=c.mono)))
        if self._is_late or not self._panel.is_whole:
            from_row = self._from_row(id_)
        else:
            from_row = self.k if self.in_bar else self.k + 1
        limit = self._instruments[id_].units(request.price) if request.kind is LIMIT and request.price else None
        row = self._ledger.order(request, id_, quantity, c.now)
        inside = self._validity.inside
        is_inside = not self._is_late and (self.in_bar or self.k + 1 < inside)
        order = self.placed[order_id] = _Placed(
            order_id, request.side.sign, quantity, limit, request.protection_pct, from_row, request, id_, row,
            not self._is_late, inside if is_inside else self._lapses_k(id_, from_row),
        )  # fmt: skip
        self.moved.add(id_)
        self.books[id_].enter(order)

    def _lapses_k(self, id_: int, from_row: int) -> int:
        # An order that is late counts as decided at the close before the first bar that it may meet.
        k, in_bar, validity = self.k, self.in_bar, self._validity
        if self._is_late and from_row < self._panel.sizes[id_]:
            k, in_bar = self._panel.k(id_, from_row) - 1, False
            validity = self._validities.of(k)
        if in_bar or k + 1 < validity.inside:
            return validity.inside
        closes_at = self._conditions.closes_at(self._instruments[id_].symbol)
        is_last = closes_at == NEVER or self._panel.begins[k] + self._interval >= closes_at
        return validity.last_close if is_last else validity.inside

    def _from_row(self, id_: int) -> int:
        after = self.k + 1 if self._panel.is_whole else self._panel.first_row(id_, self.k + 1)
        if not self._is_late:
            return after - 1 if self.in_bar else after
        row = after + self._latency_bars - (1 if self.in_bar and self._latency_bars else 0)
        if self._latency_ns:
            reach = self._conditions.now + self._latency_ns
            row = max(row, self._panel.row_after(id_, reach) + self._latency_bars)
        return row

    def _arrive(self, id_: int, row: int) -> None:
        for order_id in list(self.books[id_].orders):
            placed = self.placed[order_id]
            if not placed.is_acked and placed.from_row <= row:
                self._accept(placed)

    def _accept(self, placed: _Placed) -> None:
        placed.is_acked = True
        c, order_id = self._conditions, placed.order_id
        fact = OrderFact(order_id=order_id, event=ACCEPTED, at=c.now, mono=c.mono, venue_order_id=order_id)
        outputs = self._desk.apply(Outcome(fact=fact))
        if len(outputs) > 1:  # more than the fact itself: a cancel that waited for the id
            self.take(outputs)

    def _fill(self, order: _Placed, quantity: int, price: int) -> None:
        order_id, request, id_, now = order.order_id, order.request, order.id, self._conditions.now
        funds = self._funds
        if (
            request.purpose is ENTRY
            and (paid := funds.affordable(id_, quantity, price, self._desk, request)) < quantity
        ):
            self._cut(order, quantity, paid, price)
            return
        order.fills += 1
        is_one = order.fills == 1 and not order.remaining
        execution = Execution(
            f"{order_id}/{order.fills}", order_id, request.symbol, request.exchange, request.side,
            request.quantity if is_one else self._instruments[id_].quantity(quantity),
            Decimal(price) * self._points[id_], now, request.product,
        )  # fmt: skip
        outputs = self._desk.book(execution, self._conditions.mono)
        charges, self._charges = self._blotter.charges - self._charges, self._blotter.charges
        self._ledger.fill(order.row, id_, self.k, now, order.sign * quantity, price, int(charges * self._money))
        if funds.is_margined or funds.lent or self._held[id_] < 0:
            funds.moved(id_, self._desk)
        if not order.remaining:
            self._ledger.states[order.row] = FILLED
            del self.placed[order_id]
        if outputs:
            self.take(outputs)

    def _cut(self, order: _Placed, quantity: int, paid: int, price: int) -> None:
        # The exchange takes what the account pays, and the rest ends there.
        order.remaining += quantity - paid
        self.books[order.id].cancel(order.order_id)
        self.cut += 1
        if paid:
            self._fill(order, paid, price)
        if order.order_id in self.placed:
            self._ended(order, VenueStatus.CANCELED, OrderState.CANCELED)

    def _modify(self, modify: Modify) -> None:
        order_id, c = modify.request.order_id, self._conditions
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
        self._ended(placed, VenueStatus.CANCELED, OrderState.CANCELED)

    def _ended(self, placed: _Placed, status: VenueStatus, state: OrderState, *, settled_ns: int = 0) -> None:
        request, c, order_id = placed.request, self._conditions, placed.order_id
        shown = VenueOrder(
            venue_order_id=order_id,
            tag=order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            kind=request.kind,
            status=status,
            quantity=request.quantity,
            filled=request.quantity - self._instruments[placed.id].quantity(placed.remaining),
            price=request.price,
            product=request.product,
            changed_at=c.now,
        )
        self._ledger.ended(placed.row, state)
        del self.placed[order_id]
        self.moved.add(placed.id)
        self.take(self._desk.apply(OrderSeen(order=shown, mono=c.mono - settled_ns)))
