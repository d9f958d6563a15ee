"""How a backtest places: past the gate by one look where no control minds, and at once at the exchange."""

from __future__ import annotations

from tests.oracle.vendor.backtest.clearance import Clearance
from tests.oracle.vendor.backtest.order_course import placed
from tradebot.domain.messages import Submit
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import DeskOutput, Place
from tests.oracle.vendor.trading.desk.gate.gate import Gate, Verdict
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests


class FastPlacement(Placement):
    """Clears most orders without asking the controls one by one; what is not cleared is asked of them all."""

    def __init__(self, book: Book, gate: Gate, requests: OrderRequests, *, clearance: Clearance, at_once: bool) -> None:
        super().__init__(book, gate, requests)
        self._clearance, self._at_once, self._all_passed = clearance, at_once, gate.passed
        self._blotter, self._exposure, self._external = book.blotter, book.exposure, book.external
        self._open = book.positions.open
        self._conditions, self._marks, self._instruments = book.conditions, book.marks, book.universe.instruments

    def place(self, order: Place, out: list[DeskOutput]) -> None:
        """Put an order before the gate, by the short way where it can go it."""
        if self._clears(order):
            self.passed(order, self._all_passed, out)
        else:
            super().place(order, out)

    def reserve(self, order: Place, verdict: Verdict, out: list[DeskOutput]) -> None:
        """Reserve an order, and let it out; `at_once` it is at the exchange."""
        if not self._at_once:
            super().reserve(order, verdict, out)
            return
        request, c = order.request, self._conditions
        self._blotter.place(placed(request, at=c.now, mono=c.mono))
        out.append(Submit(request=request))

    def _clears(self, order: Place) -> bool:
        # True only where the controls would all pass; what makes their answers rare is looked at here.
        clearance, exposure, c, request = self._clearance, self._exposure, self._conditions, order.request
        id_, symbol, reference = order.id_, request.symbol, order.reference
        if reference is None or c.links.session_lost or c.disk_short:
            return False
        if (exposure.working or exposure.held) and exposure.has_orders(symbol):
            return False
        instrument, others, seen = self._instruments[id_], self._external, self._marks.times[id_]
        is_shared = bool(others.beyond or others.exposure.working or others.exposure.held) and others.bounds(symbol)
        position = self._open.get(symbol)
        held = ZERO if position is None else position.quantity
        if request.purpose.is_exit:
            if is_shared or self._blotter.in_excess:
                held = self._blotter.closable(symbol)
            return clearance.exit(request, instrument, held, reference, c.mono - seen, c.mono)
        if is_shared or not self._is_quiet(id_, symbol):
            return False
        elsewhere = self._gross.without if self._open or exposure.working or exposure.held else None
        return clearance.entry(
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
        # Nothing holds entries back: no halt, no session's end, no link or quote in doubt.
        c, marks = self._conditions, self._marks
        if c.unaccounted or c.links.down or not c.halts.is_empty or c.mono > c.blind_from or c.frozen:
            return False
        if c.stopping or c.clock_apart or c.times.entries_closed(symbol, c.now):
            return False
        return not (marks.bids[id_] and marks.is_crossed(id_))
