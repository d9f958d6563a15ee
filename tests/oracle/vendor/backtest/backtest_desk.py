"""The desk of a backtest: it calls the rules that it needs directly, and places and closes in its own way.

Its caller guarantees that no other message waits, and it keeps no input log. With `zero_latency` an order is at the
exchange, under our id, in the moment it is decided: nothing reports SENDING and ACCEPTED, and `_filled` replaces the
rules when one fill completes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from tests.oracle.vendor.backtest.fast_gate import FastGate
from tests.oracle.vendor.backtest.fast_placement import FastPlacement
from tests.oracle.vendor.backtest.order_fast_path import is_single_full_fill
from tradebot.domain.messages import ClockTick, DeskMessage, FillReport, Signal, Submit
from tradebot.domain.order import Fill, Order
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import ClosePosition, DeskOutput, PlaceOrder
from tests.oracle.vendor.trading.desk.desk import build_desk
from tests.oracle.vendor.trading.desk.gate.gate import Gate

NO_OUTPUTS: tuple[DeskOutput, ...] = ()


class BacktestDesk:
    """A desk that takes some messages as calls; each returns what `Desk.apply_message` returns for the message."""

    def __init__(
        self,
        book: Book,
        *,
        gate: Gate,
        clearance: FastGate,
        id_prefix: str,
        absent_after_s: float,
        absence_is_proof: bool = False,
        zero_latency: bool,
    ) -> None:
        self.desk = desk = build_desk(
            book,
            gate=gate,
            id_prefix=id_prefix,
            absent_after_s=absent_after_s,
            absence_is_proof=absence_is_proof,
            placement_of=partial(FastPlacement, clearance=clearance, zero_latency=zero_latency),
        )
        rules, self._placement, self._requests = desk.rules, desk.placement, desk.placement.requests
        self.account, self._at_once = desk.account, zero_latency
        self.book, self.conditions, self.blotter = book, book.conditions, book.blotter
        self.marks, self.exits, self.positions = book.marks, book.pending_exits, book.positions
        self.entries, self.guards = rules.entries, rules.stop_levels.position_stops
        self.rules, self._sent = rules, rules.exits
        self.guards.reports_trailing = False

    def apply_message(self, message: DeskMessage) -> Sequence[DeskOutput]:
        """Apply any message."""
        return self.desk.apply_message(message)

    def set_time(self, at: int) -> None:
        """Set market time and monotonic time to `at` (ns), without a tick."""
        c = self.conditions
        c.now = c.mono = at
        if self.blotter.exposure.reserved:
            self.blotter.expire_reservations(at)

    def apply_tick(self, at: int) -> Sequence[DeskOutput]:
        """Apply a ClockTick at `at` (ns). While no order or exit waits, only the day's loss is checked."""
        c = self.conditions
        is_quiet = not (self.blotter.exposure.working or self.exits.requested or self.entries.waiting)
        if not is_quiet or not c.halts.is_empty or at >= c.times.square_off_at or self.rules.venue_reports.lacks_fills:
            return self.desk.apply_message(ClockTick(at=at, mono=at))
        c.now = c.mono = at
        self.blotter.expire_reservations(at)
        # If the loss rule acts, other rules carry out its decisions in the same tick.
        return self.desk.apply_message(ClockTick(at=at, mono=at)) if self.rules.daily_loss.check_loss() else NO_OUTPUTS

    def act_on_signals(self, signals: Iterable[Signal]) -> Sequence[DeskOutput]:
        """Act on the signals of a close, in their order."""
        out: list[DeskOutput] = []
        for signal in signals:
            decision = self.entries.act_on_signal(signal)
            if type(decision) is PlaceOrder:
                self._placement.place_order(decision, out)
            elif isinstance(decision, ClosePosition):
                self._close(decision, out)
        return out

    def check_stop_levels(self, id_: int, units: int) -> Sequence[DeskOutput]:
        """Check an instrument's protective levels against a last price in price units, for callers without quotes."""
        reached = self.rules.stop_levels.judge_price(id_, units, quoted_at=self.conditions.mono)
        if reached is None:
            return NO_OUTPUTS
        out: list[DeskOutput] = []
        self._close(reached, out)
        return out

    def postpone_acknowledgement(self, order_id: str, mono: int) -> None:
        """Move the acknowledgement of an order to `mono` (monotonic ns), because nothing could fill it before.

        Otherwise the wait would make the order count as hanging.
        """
        order = self.blotter.orders[order_id]
        if order.times.acked_mono:
            times = msgspec.structs.replace(order.times, acked_mono=mono)
            self.blotter.orders[order_id] = msgspec.structs.replace(order, times=times)

    def resend_exit(self, symbol: str) -> Sequence[DeskOutput]:
        """Send the exit of a symbol again at its open, as the first tick there would."""
        if symbol not in self.exits.requested:
            return NO_OUTPUTS
        return self.desk.carry_out(self._sent.send_exit(symbol, self.conditions.mono))

    def apply_fill(self, fill: Fill, mono: int) -> Sequence[DeskOutput]:
        """Apply a FillReport."""
        if self._at_once:
            order = self.blotter.orders.get(fill.venue_order_id)
            if order is not None and is_single_full_fill(order, fill):
                self.blotter.close_filled_order(order, fill)
                self._filled(order)
                return self.desk.carry_out(self.entries.send_waiting()) if self.entries.waiting else NO_OUTPUTS
        return self.desk.apply_message(FillReport(fill=fill, mono=mono))

    def _close(self, close: ClosePosition, out: list[DeskOutput]) -> None:
        symbol, exits, exposure = close.symbol, self.exits, self.blotter.exposure
        # The rare cases go through the desk's own rules.
        is_rare = self.conditions.links.orders_refused or bool(self._sent.refusals) or symbol in exits.requested
        if is_rare or ((exposure.working or exposure.reserved) and exposure.has_orders(symbol)):
            out += self.desk.carry_out((close,))
            return
        order = self._requests.build_exit(
            symbol, purpose=close.purpose, reason=close.reason, quoted_at=close.quoted_at, signal=close.signal
        )
        before = len(out)
        self._placement.place_order(order, out)
        if len(out) > before and type(out[-1]) is Submit:  # sent; no other order of the symbol is working, see above
            exits.add_working(symbol, close.purpose, close.reason)
        else:
            exits.request_exit(symbol, close.purpose, close.reason)

    def _filled(self, order: Order) -> None:
        # Does directly what the rules would do one by one when a fill completes an order.
        request = order.request
        symbol, is_exit = request.symbol, request.purpose.is_exit
        if self._sent.refusals:
            self._sent.forget_refusals(symbol)
        if self.guards.by_instrument or not is_exit:
            self.rules.stop_levels.on_fill_booked(request)
        if (refusals := self.rules.reject_breaker.rejections).streaks:
            refusals.end_streaks(request)
        if symbol not in self.positions.open:
            self.exits.forget_symbol(symbol)
        elif is_exit:
            self.book.request_exit(symbol, request.purpose, request.reason)
        else:
            self.book.update_holder(request)
