"""The desk of a backtest: it asks the rules that it needs by a call, and owns how it places and closes.

Its caller knows that nothing else waits and keeps no tape. `at_once` is for one without latency: an order is at the
exchange, under our id, in the moment it is decided; of its common course nothing is told but the order itself, and when
it was filled it is not asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from tests.oracle.vendor.backtest.clearance import Clearance
from tests.oracle.vendor.backtest.fast_placement import FastPlacement
from tests.oracle.vendor.backtest.order_course import fills_whole
from tradebot.domain.messages import DeskMessage, FillReport, Signal, Submit, ClockTick
from tradebot.domain.order import Fill, Order
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import ClosePosition, DeskOutput, Place
from tests.oracle.vendor.trading.desk.desk import desk_of
from tests.oracle.vendor.trading.desk.gate.gate import Gate

NOTHING: tuple[DeskOutput, ...] = ()


class FastDesk:
    """A desk that takes some messages as calls; what they return is what `Desk.apply` of the message does."""

    def __init__(
        self,
        book: Book,
        *,
        gate: Gate,
        clearance: Clearance,
        id_prefix: str,
        absent_after_s: float,
        absence_is_proof: bool = False,
        at_once: bool,
    ) -> None:
        self.desk = desk = desk_of(
            book,
            gate=gate,
            id_prefix=id_prefix,
            absent_after_s=absent_after_s,
            absence_is_proof=absence_is_proof,
            placement_of=partial(FastPlacement, clearance=clearance, at_once=at_once),
        )
        rules, self._placement, self._requests = desk.rules, desk.placement, desk.placement.requests
        self.account, self._at_once = desk.account, at_once
        self.book, self.conditions, self.blotter = book, book.conditions, book.blotter
        self.marks, self.exits, self.positions = book.marks, book.exits, book.positions
        self.entries, self.guards = rules.entries, rules.stop_levels.guards
        self.rules, self._sent = rules, rules.exits
        self.guards.tells = False

    def apply(self, message: DeskMessage) -> Sequence[DeskOutput]:
        """Take any message."""
        return self.desk.apply(message)

    def move_to(self, at: int) -> None:
        """Let it be market and monotonic time `at`, without a tick."""
        c = self.conditions
        c.now = c.mono = at
        if self.blotter.exposure.held:
            self.blotter.release(at)

    def tick(self, at: int) -> Sequence[DeskOutput]:
        """Take a Tick; on a quiet one there is the day's loss to be looked at and nothing else."""
        c = self.conditions
        is_quiet = not (self.blotter.exposure.working or self.exits.wanted or self.entries.waiting)
        if not is_quiet or not c.halts.is_empty or at >= c.times.square_off_at or self.rules.venue_reports.lacks_fills:
            return self.desk.apply(ClockTick(at=at, mono=at))
        c.now = c.mono = at
        self.blotter.release(at)
        # What a loss decides others carry out in the same tick.
        return self.desk.apply(ClockTick(at=at, mono=at)) if self.rules.daily_loss.watch() else NOTHING

    def decide(self, signals: Iterable[Signal]) -> Sequence[DeskOutput]:
        """Take Signals."""
        out: list[DeskOutput] = []
        for signal in signals:
            decision = self.entries.act(signal)
            if type(decision) is Place:
                self._placement.place(decision, out)
            elif isinstance(decision, ClosePosition):
                self._close(decision, out)
        return out

    def touch(self, id_: int, units: int) -> Sequence[DeskOutput]:
        """Hold one last price against the guard of its instrument; for who knows prices and has no quotes."""
        reached = self.rules.stop_levels.touch(id_, units, quoted_at=self.conditions.mono)
        if reached is None:
            return NOTHING
        out: list[DeskOutput] = []
        self._close(reached, out)
        return out

    def waited(self, order_id: str, mono: int) -> None:
        """Let an order that nothing could fill until `mono` count as acknowledged then: it does not hang by that."""
        order = self.blotter.orders[order_id]
        if order.times.acked_mono:
            times = msgspec.structs.replace(order.times, acked_mono=mono)
            self.blotter.orders[order_id] = msgspec.structs.replace(order, times=times)

    def exit_again(self, symbol: str) -> Sequence[DeskOutput]:
        """Send the exit of a symbol at its open, as the first tick would that sees it."""
        if symbol not in self.exits.wanted:
            return NOTHING
        return self.desk.carry_out(self._sent.send(symbol, self.conditions.mono))

    def fill(self, execution: Fill, mono: int) -> Sequence[DeskOutput]:
        """Take Executed."""
        if self._at_once:
            order = self.blotter.orders.get(execution.venue_order_id)
            if order is not None and fills_whole(order, execution):
                self.blotter.close(order, execution)
                self._filled(order)
                return self.desk.carry_out(self.entries.follow()) if self.entries.waiting else NOTHING
        return self.desk.apply(FillReport(fill=execution, mono=mono))

    def _close(self, close: ClosePosition, out: list[DeskOutput]) -> None:
        symbol, exits, exposure = close.symbol, self.exits, self.blotter.exposure
        is_rare = self.conditions.links.orders_refused or bool(self._sent.refused) or symbol in exits.wanted
        if is_rare or ((exposure.working or exposure.held) and exposure.has_orders(symbol)):
            out += self.desk.carry_out((close,))
            return
        order = self._requests.exit(
            symbol, purpose=close.purpose, reason=close.reason, quoted_at=close.quoted_at, signal=close.signal
        )
        before = len(out)
        self._placement.place(order, out)
        if len(out) > before and type(out[-1]) is Submit:  # and nothing else of the symbol is at work
            exits.work(symbol, close.purpose, close.reason)
        else:
            exits.want(symbol, close.purpose, close.reason)

    def _filled(self, order: Order) -> None:
        # What a fill that made an order whole means, as the rules would find out one by one.
        request = order.request
        symbol, is_exit = request.symbol, request.purpose.is_exit
        if self._sent.refused:
            self._sent.filled(symbol)
        if self.guards.standing or not is_exit:
            self.rules.stop_levels.filled(request)
        if (refusals := self.rules.reject_breaker.counts).rows:
            refusals.filled(request)
        if symbol not in self.positions.open:
            self.exits.forget(symbol)
        elif is_exit:
            self.book.want(symbol, request.purpose, request.reason)
        else:
            self.book.hold(request)
