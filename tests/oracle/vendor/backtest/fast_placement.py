"""How a backtest places orders: past the gate by one check in the common case, and at once at the exchange."""

from __future__ import annotations

from tests.oracle.vendor.backtest.fast_gate import FastGate
from tests.oracle.vendor.backtest.order_fast_path import accepted_order
from tradebot.domain.messages import Submit
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import DeskOutput, PlaceOrder
from tests.oracle.vendor.trading.desk.gate.gate import Gate, GateDecision
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests


class FastPlacement(Placement):
    """Clears most orders by one check; the others go through all controls one by one."""

    def __init__(
        self, book: Book, gate: Gate, requests: OrderRequests, *, clearance: FastGate, zero_latency: bool
    ) -> None:
        super().__init__(book, gate, requests)
        self._clearance, self._zero_latency, self._all_passed = clearance, zero_latency, gate.passed_decision
        self._blotter, self._exposure, self._external = book.blotter, book.exposure, book.external
        self._open = book.positions.open
        self._conditions, self._marks, self._instruments = book.conditions, book.marks, book.universe.instruments

    def place_order(self, order: PlaceOrder, out: list[DeskOutput]) -> None:
        """Send an order through the gate, by the fast path where possible."""
        if self._clears(order):
            self.send_passed(order, self._all_passed, out)
        else:
            super().place_order(order, out)

    def reserve_and_send(self, order: PlaceOrder, decision: GateDecision, out: list[DeskOutput]) -> None:
        """Reserve an order and release it; with zero latency it is at the exchange at once."""
        if not self._zero_latency:
            super().reserve_and_send(order, decision, out)
            return
        request, c = order.request, self._conditions
        self._blotter.add_working_order(accepted_order(request, at=c.now, mono=c.mono))
        out.append(Submit(request=request))

    def _clears(self, order: PlaceOrder) -> bool:
        # True only where all controls would pass. The rare cases are excluded here first.
        clearance, exposure, c, request = self._clearance, self._exposure, self._conditions, order.request
        id_, symbol, reference = order.id_, request.symbol, order.reference
        if reference is None or c.links.session_lost or c.disk_short:
            return False
        if (exposure.working or exposure.reserved) and exposure.has_orders(symbol):
            return False
        instrument, others, seen = self._instruments[id_], self._external, self._marks.seen_view[id_]
        is_shared = bool(
            others.quantities or others.exposure.working or others.exposure.reserved
        ) and others.bounds_symbol(symbol)
        position = self._open.get(symbol)
        held = ZERO if position is None else position.quantity
        if request.purpose.is_exit:
            if is_shared or self._blotter.overfilled:
                held = self._blotter.closable_quantity(symbol)
            return clearance.allows_exit(request, instrument, held, reference, c.mono - seen, c.mono)
        if is_shared or not self._is_quiet(id_, symbol):
            return False
        elsewhere = self._gross_exposure.value_without if exposure else None
        return clearance.allows_entry(
            request,
            instrument,
            held,
            reference,
            c.mono - seen,
            c.mono,
            exposure.working,
            elsewhere,
            self._day_profit,
        )

    def _is_quiet(self, id_: int, symbol: str) -> bool:
        # True if nothing holds entries back: no halt, no end of session, no stale link, no crossed quote.
        c, marks = self._conditions, self._marks
        if c.unaccounted or c.links.stale_sources or not c.halts.is_empty or c.mono > c.blind_from_mono or c.frozen:
            return False
        if c.is_stopping or c.clock_offset_reason or c.times.entries_closed(symbol, c.now):
            return False
        return not (marks.bid_view[id_] and marks.is_crossed(id_))
