"""Entries: a signal becomes an order, closes its strategy's position, or waits until the exit before it has filled."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import Action, Signal, Signals
from tradebot.domain.order import ZERO, OrderPurpose
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import ClosePosition, Decision, PlaceOrder
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests

EXIT, EXIT_LONG = OrderPurpose.EXIT, Action.EXIT_LONG


class Entries:
    """Carries out signals. `counts` says how many signals came, and how many of them led to nothing.

    An entry that reverses a position waits until the exit of that position has filled. One entry waits per symbol, at
    most as long as a signal may age. Once its symbol is flat it becomes an order, sized and checked by the gate at the
    market of that moment. A restart forgets the waiting entries.
    """

    def __init__(self, book: Book, requests: OrderRequests) -> None:
        self._book, self._requests = book, requests
        self._ids, self._open, self._wanted = (
            book.universe.ids_by_symbol,
            book.positions.open,
            book.pending_exits.requested,
        )
        self._max_age_ns = book.settings.signal_max_age_s * SECOND
        self._max_wait_ns = int(self._max_age_ns)
        self.waiting: dict[str, tuple[Signal, int]] = {}  # symbol -> (entry, monotonic ns from which it ages)
        self.counts = {"signals": 0, "ignored": 0, "late_signals": 0, "late_reversals": 0}

    def on_signals(self, batch: Signals) -> Iterator[Decision]:
        """Act on the signals of one bar close, in their order."""
        for signal in batch.signals:
            if (decision := self.act_on_signal(signal)) is not None:
                yield decision

    def act_on_signal(self, signal: Signal) -> PlaceOrder | ClosePosition | None:
        """Return the decision that one signal leads to at once, None where it waits or is ignored."""
        self.counts["signals"] += 1
        symbol, exposure = signal.symbol, self._book.exposure
        if symbol not in self._ids:
            self.counts["ignored"] += 1
            return None
        if not signal.action.is_entry:
            return self._close_position(signal)
        is_late = signal.made_at - signal.quoted_at > self._max_age_ns
        if symbol in self._open or symbol in self._wanted or (exposure.working and exposure.has_live_order(symbol)):
            if is_late or not self._keep_waiting(signal):
                self.counts["ignored"] += 1
            return None
        if is_late:
            self.counts["late_signals"] += 1
            return None
        return self._requests.build_entry(signal)

    def send_waiting(self) -> Iterator[Decision]:
        """Drop the entries that waited too long, and send those whose symbols are flat now.

        The desk calls this after every message.
        """
        exposure = self._book.exposure
        for symbol, (signal, since) in list(self.waiting.items()):
            if self._book.conditions.mono - since > self._max_wait_ns:
                self.drop_waiting(symbol)
            elif not (symbol in self._open or symbol in self._wanted or exposure.has_live_order(symbol)):
                del self.waiting[symbol]
                yield self._requests.build_entry(signal)

    def skip_time_to(self, mono: int) -> None:
        """Move the time to `mono` (monotonic ns) without ageing the waiting entries: nothing could trade meanwhile."""
        ns = mono - self._book.conditions.mono
        self.waiting = {symbol: (signal, since + ns) for symbol, (signal, since) in self.waiting.items()}

    def drop_waiting(self, symbol: str) -> None:
        """Drop the waiting entry of a symbol whose exit was not filled in time."""
        if self.waiting.pop(symbol, None) is not None:
            self.counts["late_reversals"] += 1

    def _close_position(self, signal: Signal) -> ClosePosition | None:
        symbol, position = signal.symbol, self._open.get(signal.symbol)
        quantity = ZERO if position is None else position.quantity
        wrong_way = quantity <= 0 if signal.action is EXIT_LONG else quantity >= 0
        # A strategy does not close another strategy's position. A position of unknown origin any strategy may close.
        is_anothers = self._book.pending_exits.holders.get(symbol, signal.strategy) != signal.strategy
        if wrong_way or is_anothers or symbol in self._wanted:
            self.counts["ignored"] += 1
            return None
        return ClosePosition(symbol, EXIT, f"{signal.strategy}: {signal.action.text}", signal.quoted_at, signal)

    def _keep_waiting(self, signal: Signal) -> bool:
        # Only an entry against a position that is being closed waits. No entry follows if the position is closed with
        # the purpose FLATTEN: by the clock, the daily loss or an operator.
        position, wanted = self._open.get(signal.symbol), self._wanted.get(signal.symbol)
        if not self._book.settings.reverses or position is None or wanted is None or wanted[0] is OrderPurpose.FLATTEN:
            return False
        if position.quantity * signal.action.side.sign > 0:
            return False
        self.waiting[signal.symbol] = signal, signal.quoted_at
        return True
