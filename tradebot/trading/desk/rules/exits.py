"""Exits: what is wanted flat gets an order, another when it ends short, and a pause when the venue refuses it."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import ClockTick, Signal
from tradebot.domain.order import OrderEventType, OrderState
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
from tradebot.trading.desk.placing.requests import OrderRequests

REFUSED_STATES = (OrderState.REJECTED, OrderState.ABSENT)
MAX_PAUSE_NS = 32 * SECOND  # between two exits that the venue refuses


class Exits:
    """Sends the exits that are wanted. Entries of the symbol that work are taken back first."""

    def __init__(self, book: Book, requests: OrderRequests) -> None:
        self._book, self._requests = book, requests
        self.refusals: dict[str, tuple[int, int]] = {}  # symbol -> (refusals in a row, mono before which none is sent)

    def on_close_position(self, decision: ClosePosition) -> Decisions:
        """Send the exit of one symbol."""
        return self.send_exit(decision.symbol, decision.quoted_at, decision.signal)

    def on_close_positions(self, decision: ClosePositions) -> Iterator[Decision]:
        """Send the exits of the symbols that are named."""
        for symbol in self._book.pending_exits.next_batch(decision.symbols):
            yield from self.send_exit(symbol, self._book.conditions.mono)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Send what is wanted and has no order working; of many some, and the others at the next ticks."""
        if self._book.sends_no_orders or not self._book.pending_exits.requested:
            return NOTHING
        return self._send_exits(tick.mono)

    def on_change(self, change: OrderChange) -> Decisions:
        """Remember how often the venue refused the exits of a symbol in a row."""
        order = change.after
        symbol = order.request.symbol
        if change.event.type is OrderEventType.EXECUTED:
            self.forget_refusals(symbol)
        if order.state in REFUSED_STATES and change.ends_exit and symbol in self._book.positions.open:
            times = self.refusals.get(symbol, (0, 0))[0]
            pause = min(SECOND << times, MAX_PAUSE_NS)
            self.refusals[symbol] = min(times + 1, 10), self._book.conditions.mono + pause
        return NOTHING

    def forget_refusals(self, symbol: str) -> None:
        """Forget what was refused of a symbol: an order of it was filled."""
        if self.refusals:
            self.refusals.pop(symbol, None)

    def send_exit(self, symbol: str, quoted_at: int, signal: Signal | None = None) -> Iterator[Decision]:
        """Send an exit of what may be closed, unless one may still fill."""
        book, blotter, c = self._book, self._book.blotter, self._book.conditions
        if symbol not in blotter.positions.open:
            yield ForgetPosition(symbol)
            return
        # Nothing can leave with a dead login; what is wanted is tried when the session is back.
        if c.links.orders_refused or (self.refusals and c.mono < self.refusals.get(symbol, (0, 0))[1]):
            return
        purpose, reason = book.pending_exits.requested[symbol]
        for order in blotter.live_orders(symbol):
            if not order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "the position is being closed")
        if not book.exposure.closing_quantity(symbol):
            yield self._requests.build_exit(symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal)
        if book.exposure.has_only_closing_exit(symbol):
            book.pending_exits.mark_working(symbol)

    def _send_exits(self, mono: int) -> Iterator[Decision]:
        for symbol in self._book.pending_exits.next_batch(self._book.pending_exits.requested):
            yield from self.send_exit(symbol, mono)
