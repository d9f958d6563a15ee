"""Exits: sends an order for each requested exit, another one if it ends unfilled, and pauses when the venue refuses."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import ClockTick, Signal
from tradebot.domain.order import Order, OrderEventType, OrderPurpose, OrderState
from tradebot.trading.desk.book.book import Book, OrderChange
from tradebot.trading.desk.decisions import (
    NOTHING,
    CancelOrder,
    ClosePosition,
    ClosePositions,
    Decision,
    Decisions,
    ForgetPosition,
)
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.placing.requests import OrderRequests

REFUSED_STATES = (OrderState.REJECTED, OrderState.ABSENT)
LEVEL_PURPOSES = (OrderPurpose.STOP, OrderPurpose.TRAIL)
MAX_PAUSE_NS = 32 * SECOND  # between two exits of a symbol that the venue refused


class Exits:
    """Sends the requested exits. Working entries of the symbol are cancelled first."""

    def __init__(self, book: Book, requests: OrderRequests, placement: Placement) -> None:
        self._book, self._requests, self._placement = book, requests, placement
        self.refusals: dict[str, tuple[int, int]] = {}  # symbol -> (refusals in a row, monotonic ns of the next try)
        # symbol -> monotonic ns at which the desk saw a stop reached that rests at the venue
        self._reached_mono: dict[str, int] = {}
        self._patience_ns = int(book.settings.chase_after_s * SECOND)

    def on_close_position(self, decision: ClosePosition) -> Decisions:
        """Send the exit of one symbol."""
        return self.send_exit(decision.symbol, decision.quoted_at, decision.signal)

    def on_close_positions(self, decision: ClosePositions) -> Iterator[Decision]:
        """Send the exits of the named symbols."""
        for symbol in self._book.pending_exits.next_batch(decision.symbols):
            yield from self.send_exit(symbol, self._book.conditions.mono)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Send the requested exits that have no working order; of very many some now, the others on the next ticks."""
        if self._book.sends_no_orders or not self._book.pending_exits.requested:
            return NOTHING
        return self._send_exits(tick.mono)

    def on_change(self, change: OrderChange) -> Decisions:
        """Count how often in a row the venue refused the exits of a symbol; pause before the next try.

        The pause doubles from one second up to `MAX_PAUSE_NS`. A fill ends the row.
        """
        order = change.after
        symbol = order.request.symbol
        if change.event.type is OrderEventType.EXECUTED:
            self.forget_refusals(symbol)
            self._reached_mono.pop(symbol, None)
        if order.state in REFUSED_STATES and change.ends_exit and symbol in self._book.positions.open:
            times = self.refusals.get(symbol, (0, 0))[0]
            pause = min(SECOND << times, MAX_PAUSE_NS)
            # Counted to 10 only, far beyond the longest pause, so that the shift above stays small.
            self.refusals[symbol] = min(times + 1, 10), self._book.conditions.mono + pause
        return NOTHING

    def forget_refusals(self, symbol: str) -> None:
        """Forget the refusals of a symbol, because an order for it was filled."""
        if self.refusals:
            self.refusals.pop(symbol, None)

    def send_exit(self, symbol: str, quoted_at: int, signal: Signal | None = None) -> Iterator[Decision]:
        """Send the requested exit of a symbol for its closable quantity, unless a working exit may still close some.

        Cancels the entries and the resting stops of the symbol first, and waits until the stops have ended. Does
        nothing while the login is dead or the venue's refusals make it pause. While the gate lets no exit leave, as
        after a kill, the stops keep resting. `quoted_at` is monotonic ns.
        """
        book, blotter, c = self._book, self._book.blotter, self._book.conditions
        if symbol not in blotter.positions.open:
            yield ForgetPosition(symbol)
            return
        # With a dead login no order can leave. The exit stays requested, and later ticks try it again.
        if c.links.orders_refused or (self.refusals and c.mono < self.refusals.get(symbol, (0, 0))[1]):
            return
        purpose, reason = book.pending_exits.requested[symbol]
        stops = []
        for order in blotter.live_orders(symbol):
            if not order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "the position is being closed")
            elif order.waits_for_trigger and not self._leaves_to_venue(symbol, order, purpose):
                stops.append(order)
        if stops and book.exposure.closing_quantity(symbol) == sum(o.reserved_quantity(c.mono) for o in stops):
            place = self._requests.build_exit(
                symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal
            )
            if not self._placement.would_pass(place, without=stops):
                yield place  # its denial is recorded
                return
        for order in stops:
            yield CancelOrder(order.order_id, "the position is being closed")
        if not book.exposure.closing_quantity(symbol):
            yield self._requests.build_exit(symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal)
        if book.exposure.has_only_closing_exit(symbol):
            book.pending_exits.mark_working(symbol)

    def _leaves_to_venue(self, symbol: str, order: Order, purpose: OrderPurpose) -> bool:
        # The price reached the stop: the one at the venue should trigger now. The desk closes where it does not.
        if purpose not in LEVEL_PURPOSES or not order.rests:
            return False
        mono = self._book.conditions.mono
        return mono - self._reached_mono.setdefault(symbol, mono) < self._patience_ns

    def _send_exits(self, mono: int) -> Iterator[Decision]:
        for symbol in self._book.pending_exits.next_batch(self._book.pending_exits.requested):
            yield from self.send_exit(symbol, mono)
