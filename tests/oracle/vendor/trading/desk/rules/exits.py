"""Exits: what is wanted flat gets an order, another when it ends short, and a pause when the venue refuses it."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import Signal, ClockTick
from tradebot.domain.order import OrderEventType, OrderState
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import (
    NOTHING,
    CancelOrder,
    ClosePosition,
    ClosePositions,
    Decision,
    Decisions,
    Forget,
)
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests

REFUSED = (OrderState.REJECTED, OrderState.ABSENT)
LONGEST_PAUSE = 32 * SECOND  # between two exits that the venue refuses


class Exits:
    """Sends the exits that are wanted. Entries of the symbol that work are taken back first."""

    def __init__(self, book: Book, requests: OrderRequests) -> None:
        self._book, self._requests = book, requests
        self.refused: dict[str, tuple[int, int]] = {}  # symbol -> (refusals in a row, mono before which none is sent)

    def on_close(self, decision: ClosePosition) -> Decisions:
        """Send the exit of one symbol."""
        return self.send(decision.symbol, decision.quoted_at, decision.signal)

    def on_close_all(self, decision: ClosePositions) -> Iterator[Decision]:
        """Send the exits of the symbols that are named."""
        for symbol in self._book.exits.turn(decision.symbols):
            yield from self.send(symbol, self._book.conditions.mono)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Send what is wanted and has no order working; of many some, and the others at the next ticks."""
        if self._book.is_leaving or not self._book.exits.wanted:
            return NOTHING
        return self._step(tick.mono)

    def on_change(self, change: OrderChange) -> Decisions:
        """Remember how often the venue refused the exits of a symbol in a row."""
        order = change.after
        symbol = order.request.symbol
        if change.fact.type is OrderEventType.EXECUTED:
            self.filled(symbol)
        if order.state in REFUSED and change.ends_exit and symbol in self._book.positions.open:
            times = self.refused.get(symbol, (0, 0))[0]
            pause = min(SECOND << times, LONGEST_PAUSE)
            self.refused[symbol] = min(times + 1, 10), self._book.conditions.mono + pause
        return NOTHING

    def filled(self, symbol: str) -> None:
        """Forget what was refused of a symbol: an order of it was filled."""
        if self.refused:
            self.refused.pop(symbol, None)

    def send(self, symbol: str, quoted_at: int, signal: Signal | None = None) -> Iterator[Decision]:
        """Send an exit of what may be closed, unless one may still fill."""
        book, blotter, c = self._book, self._book.blotter, self._book.conditions
        if symbol not in blotter.positions.open:
            yield Forget(symbol)
            return
        # Nothing can leave with a dead login; what is wanted is tried when the session is back.
        if c.links.orders_refused or (self.refused and c.mono < self.refused.get(symbol, (0, 0))[1]):
            return
        purpose, reason = book.exits.wanted[symbol]
        for order in blotter.live(symbol):
            if not order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "the position is being closed")
        if not book.exposure.closing(symbol):
            yield self._requests.exit(symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal)
        if book.exposure.is_closing_alone(symbol):
            book.exits.settle(symbol)

    def _step(self, mono: int) -> Iterator[Decision]:
        for symbol in self._book.exits.turn(self._book.exits.wanted):
            yield from self.send(symbol, mono)
