"""The simulated broker of a backtest: takes the desk's orders, matches them against bars, and reports back.

It does what the order sender and a venue's broker do live: SENDING before an order leaves, ACCEPTED when it reaches the
exchange, then its fills. It has no queues, because nothing has to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.buying_power import BuyingPower
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import STATES, BacktestLedger
from tradebot.backtest.order_lifetimes import OrderLifetimes
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Cancel, Modify, OrderReport, RequestResult, Submit
from tradebot.domain.order import (
    LATE_FILL_HOLD_NS,
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.exchange.bar_matching import BarOrderBook, RestingOrder
from tradebot.trading.desk.decisions import DeskOutput

DENIED, SENDING, ACCEPTED = OrderEventType.DENIED, OrderEventType.SENDING, OrderEventType.ACCEPTED
ENTRY, LIMIT, FILLED = OrderPurpose.ENTRY, OrderKind.LIMIT, STATES[OrderState.FILLED]


class _OpenOrder(RestingOrder):
    # An open order of instrument `id`, in row `row` of the ledger. The exchange knows it by our id.
    request: OrderRequest
    id: int
    row: int
    is_acknowledged: bool
    expires_k: int  # the first timeline index at which it has expired
    fills: int = 0
    has_waited: bool = False  # it met a bar in which nothing traded


class SimulatedBroker:
    """Carries out the desk's decisions on the bars.

    `changed_ids` collects the ids of instruments whose orders changed, until it is cleared. The backtest loop sets
    `current_k`, the timeline index, and `in_bar`. Times come from the desk's conditions. `counts` has the orders ended
    by their session (`lapsed`), the entries that the cash did not pay whole (`cut`) and the orders that met a bar in
    which nothing traded (`waited`). `expired_exit_ids` are the ids of instruments whose exit ended with its session.
    """

    def __init__(
        self,
        job: Job,
        desk: BacktestDesk,
        table: BarTable,
        ledger: BacktestLedger,
        funds: BuyingPower,
        lifetimes: OrderLifetimes,
    ) -> None:
        self._desk, self._table, self._ledger, self._funds, self._lifetimes = desk, table, ledger, funds, lifetimes
        self._conditions = desk.conditions
        self._instruments: Sequence[Instrument] = job.instruments
        # id -> the price of one price unit
        self._unit_prices = [instrument.price_from_units(1) for instrument in job.instruments]
        self.bar_books = [
            BarOrderBook[_OpenOrder](instrument, job.matching, volumes)
            for instrument, volumes in zip(job.instruments, table.volume_views, strict=True)
        ]
        self.open_orders: dict[str, _OpenOrder] = {}  # order_id -> an order that may still trade
        self.changed_ids: set[int] = set()
        self.expired_exit_ids: set[int] = set()
        self.counts = {"lapsed": 0, "cut": 0, "waited": 0}
        self.current_k, self.in_bar = 0, False

    def carry_out_decisions(self, outputs: Sequence[DeskOutput]) -> None:
        """Carry out the desk's decisions, in order."""
        for output in outputs:
            if type(output) is Submit:
                self._submit(output.request)
            elif type(output) is Cancel:
                self._cancel(output)
            elif type(output) is Modify:
                self._modify(output)
            elif type(output) is OrderEvent and output.type is DENIED:
                self._denied(output)

    def match_price(self, id_: int, row: int, price: int) -> None:
        """Match the orders of an instrument against a price, in price units, of bar `row`, the bar in progress."""
        book = self.bar_books[id_]
        if not book.orders:
            return
        if self._lifetimes.has_latency:
            self._arrive(id_, row)
        if book.has_untraded_bars and book.is_untraded(row):
            self._wait(book, row)
            return
        for order, quantity, paid in book.match_at_price(row, price):
            self._fill(order, quantity, paid)

    def match_price_move(self, id_: int, row: int, *, start: int, end: int) -> int | None:
        """Match the resting limit orders of an instrument against a move of the price inside bar `row`.

        Prices are in units. Returns the price of the first fill, None without one.
        """
        book = self.bar_books[id_]
        if book.has_untraded_bars and book.is_untraded(row):
            return None
        fills = book.match_crossed_limit(row, start=start, end=end)
        for order, quantity, paid in fills:
            self._fill(order, quantity, paid)
        return fills[0][2] if fills else None

    def _wait(self, book: BarOrderBook[_OpenOrder], row: int) -> None:
        # An exit that waits for a bar with trades must not count as hanging. The desk would cancel it and send it again
        # at every such bar.
        end = self._table.start_view[self.current_k] + self._table.interval_ns
        for order in book.orders.values():
            if order.from_row <= row:
                self.counts["waited"] += not order.has_waited
                order.has_waited = True
                if order.request.purpose.is_exit:
                    self._desk.postpone_acknowledgement(order.order_id, end)

    def expire_orders(self, k: int) -> None:
        """Expire the orders that end before bar `k`; an expired exit is sent again at its instrument's next open."""
        self._lifetimes.set_day(k)
        if not self.open_orders:
            return
        for placed in [placed for placed in self.open_orders.values() if placed.expires_k <= k]:
            self.bar_books[placed.id].remove_order(placed.order_id)
            self.counts["lapsed"] += 1
            if placed.request.purpose.is_exit:
                self.expired_exit_ids.add(placed.id)
                self._desk.entries.drop_waiting(placed.request.symbol)
            # Between two sessions late fills have time to arrive. The report is backdated by that time, because bars
            # may leave no gap between sessions.
            self._ended(placed, VenueOrderStatus.EXPIRED, OrderState.EXPIRED, settled_ns=LATE_FILL_HOLD_NS)

    def resend_exit(self, id_: int) -> None:
        """Send the expired exit of an instrument again, at the open of its bar."""
        self.expired_exit_ids.discard(id_)
        self.carry_out_decisions(self._desk.resend_exit(self._instruments[id_].symbol))

    def record_open_states(self) -> None:
        """Write the states of the orders that are still open into the ledger."""
        for order_id, placed in self.open_orders.items():
            self._ledger.set_order_state(placed.row, self._desk.blotter.orders[order_id].state)

    def _denied(self, event: OrderEvent) -> None:
        request = event.request
        assert request is not None, "a denial without what was denied"
        id_ = self._table.ids[request.symbol]
        quantity = int(request.quantity.scaleb(self._instruments[id_].quantity_decimals))
        self._ledger.add_order(request, id_, quantity, event.at, denied=event.reason)
        self.changed_ids.add(id_)

    def _submit(self, request: OrderRequest) -> None:
        order_id, id_, c, lifetimes = (
            request.order_id,
            self._table.ids[request.symbol],
            self._conditions,
            self._lifetimes,
        )
        instrument = self._instruments[id_]
        decimals = instrument.quantity_decimals
        quantity = int(request.quantity.scaleb(decimals) if decimals else request.quantity)
        if lifetimes.has_latency:
            self._desk.apply_message(
                RequestResult(event=OrderEvent(order_id=order_id, type=SENDING, at=c.now, mono=c.mono))
            )
        from_row, expires_k = lifetimes.lifetime_of(id_, self.current_k, in_bar=self.in_bar)
        limit = instrument.price_to_units(request.price) if request.kind is LIMIT and request.price else None
        row = self._ledger.add_order(request, id_, quantity, c.now)
        order = self.open_orders[order_id] = _OpenOrder(
            order_id,
            request.side.sign,
            quantity,
            limit,
            request.protection_pct,
            from_row,
            request,
            id_,
            row,
            not lifetimes.has_latency,
            expires_k,
        )
        self.changed_ids.add(id_)
        self.bar_books[id_].add_order(order)

    def _arrive(self, id_: int, row: int) -> None:
        for order_id in list(self.bar_books[id_].orders):
            placed = self.open_orders[order_id]
            if not placed.is_acknowledged and placed.from_row <= row:
                self._accept(placed)

    def _accept(self, placed: _OpenOrder) -> None:
        placed.is_acknowledged = True
        c, order_id = self._conditions, placed.order_id
        event = OrderEvent(order_id=order_id, type=ACCEPTED, at=c.now, mono=c.mono, venue_order_id=order_id)
        outputs = self._desk.apply_message(RequestResult(event=event))
        if len(outputs) > 1:  # not only the recorded event, but also a cancel that waited for the venue's id
            self.carry_out_decisions(outputs)

    def _fill(self, order: _OpenOrder, quantity: int, price: int) -> None:
        desk, funds, ledger = self._desk, self._funds, self._ledger
        order_id, request, id_, now = order.order_id, order.request, order.id, self._conditions.now
        if (
            request.purpose is ENTRY
            and (paid := funds.affordable_quantity(id_, quantity, price, desk.book, request)) < quantity
        ):
            self._cut(order, quantity, paid, price)
            return
        order.fills += 1
        is_one = order.fills == 1 and not order.remaining  # then the request's quantity needs no conversion
        fill = Fill(
            f"{order_id}/{order.fills}",
            order_id,
            request.symbol,
            request.exchange,
            request.side,
            request.quantity if is_one else self._instruments[id_].quantity_from_units(quantity),
            Decimal(price) * self._unit_prices[id_],
            now,
            request.product,
        )
        outputs = desk.apply_fill(fill, self._conditions.mono)
        ledger.add_fill(
            order.row, id_, self.current_k, now, order.sign * quantity, price, desk.blotter.positions.charges
        )
        # In all other cases an update would change nothing; see `update_margin`.
        if funds.is_margined or funds.leveraged_count or ledger.held_units[id_] < 0:
            funds.update_margin(id_, desk.book)
        if not order.remaining:
            ledger.order_states[order.row] = FILLED
            del self.open_orders[order_id]
        if outputs:
            self.carry_out_decisions(outputs)

    def _cut(self, order: _OpenOrder, quantity: int, paid: int, price: int) -> None:
        # The exchange fills what the account can pay and cancels the rest: `paid` of `quantity`.
        order.remaining += quantity - paid
        self.bar_books[order.id].remove_order(order.order_id)
        self.counts["cut"] += 1
        if paid:
            self._fill(order, paid, price)
        if order.order_id in self.open_orders:
            self._ended(order, VenueOrderStatus.CANCELED, OrderState.CANCELED)

    def _modify(self, modify: Modify) -> None:
        order_id, c = modify.request.order_id, self._conditions
        placed = self.open_orders.get(order_id)
        if placed is None or modify.request.price is None:
            return
        self.bar_books[placed.id].orders[order_id].limit = self._instruments[placed.id].price_to_units(
            modify.request.price
        )
        event = OrderEvent(
            order_id=order_id,
            type=OrderEventType.REPLACED,
            at=c.now,
            mono=c.mono,
            venue_order_id=modify.venue_order_id,
        )
        self.carry_out_decisions(self._desk.apply_message(RequestResult(event=event)))

    def _cancel(self, cancel: Cancel) -> None:
        placed = self.open_orders.get(cancel.order_id)
        if placed is None or not cancel.venue_order_id or not self.bar_books[placed.id].remove_order(cancel.order_id):
            return  # it has filled; or the exchange has given no id yet, and the desk cancels again once it has
        self._ended(placed, VenueOrderStatus.CANCELED, OrderState.CANCELED)

    def _ended(self, placed: _OpenOrder, status: VenueOrderStatus, state: OrderState, *, settled_ns: int = 0) -> None:
        request, c, order_id = placed.request, self._conditions, placed.order_id
        venue_order = VenueOrder(
            venue_order_id=order_id,
            tag=order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            kind=request.kind,
            status=status,
            quantity=request.quantity,
            filled=request.quantity - self._instruments[placed.id].quantity_from_units(placed.remaining),
            price=request.price,
            product=request.product,
            changed_at=c.now,
        )
        self._ledger.set_order_state(placed.row, state)
        del self.open_orders[order_id]
        self.changed_ids.add(placed.id)
        self.carry_out_decisions(self._desk.apply_message(OrderReport(order=venue_order, mono=c.mono - settled_ns)))
