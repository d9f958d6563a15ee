"""Entries: a signal becomes an order, closes what its strategy holds, or waits until the exit before it is through."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import Action, Signal, Signals
from tradebot.domain.order import ZERO, OrderPurpose
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import ClosePosition, Decision, Place
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests

EXIT, EXIT_LONG = OrderPurpose.EXIT, Action.EXIT_LONG


class Entries:
    """Does what signals ask for where there is something to do; `counts` says how many came, and of how many nothing
    came of.

    Entries of the other side wait, one a symbol, at most as long as a signal may age. One becomes an order when its
    symbol is flat, with what the market is then: its size and the gate's answer are of that moment. A process that
    starts again has forgotten them.
    """

    def __init__(self, book: Book, requests: OrderRequests) -> None:
        self._book, self._requests = book, requests
        self._ids, self._open, self._wanted = book.universe.ids_by_symbol, book.positions.open, book.exits.wanted
        self._max_age = book.settings.signal_max_age_s * SECOND
        self._longest_wait = int(self._max_age)
        self.waiting: dict[str, tuple[Signal, int]] = {}  # symbol -> the entry, and the mono from which it ages
        self.counts = {"signals": 0, "ignored": 0, "late_signals": 0, "late_reversals": 0}

    def on_signals(self, told: Signals) -> Iterator[Decision]:
        """Act on the signals of one close, in their order."""
        for signal in told.signals:
            if (decision := self.act(signal)) is not None:
                yield decision

    def act(self, signal: Signal) -> Place | ClosePosition | None:
        """Return what one signal leads to at once, if anything."""
        self.counts["signals"] += 1
        symbol, exposure = signal.symbol, self._book.exposure
        if symbol not in self._ids:
            self.counts["ignored"] += 1
            return None
        if not signal.action.is_entry:
            return self._close(signal)
        is_late = signal.made_at - signal.quoted_at > self._max_age
        if symbol in self._open or symbol in self._wanted or (exposure.working and exposure.has_live(symbol)):
            if is_late or not self._wait(signal):
                self.counts["ignored"] += 1
            return None
        if is_late:
            self.counts["late_signals"] += 1
            return None
        return self._requests.entry(signal)

    def follow(self) -> Iterator[Decision]:
        """Drop the entries that waited too long, and send those whose symbols are flat now; after every message."""
        exposure = self._book.exposure
        for symbol, (signal, since) in list(self.waiting.items()):
            if self._book.conditions.mono - since > self._longest_wait:
                self.drop(symbol)
            elif not (symbol in self._open or symbol in self._wanted or exposure.has_live(symbol)):
                del self.waiting[symbol]
                yield self._requests.entry(signal)

    def skip_to(self, mono: int) -> None:
        """Let it be `mono` after a time in which nothing could trade: no entry ages by it."""
        ns = mono - self._book.conditions.mono
        self.waiting = {symbol: (signal, since + ns) for symbol, (signal, since) in self.waiting.items()}

    def drop(self, symbol: str) -> None:
        """Drop the entry of a symbol whose exit was not filled in time."""
        if self.waiting.pop(symbol, None) is not None:
            self.counts["late_reversals"] += 1

    def _close(self, signal: Signal) -> ClosePosition | None:
        symbol, position = signal.symbol, self._open.get(signal.symbol)
        quantity = ZERO if position is None else position.quantity
        wrong_way = quantity <= 0 if signal.action is EXIT_LONG else quantity >= 0
        # What another strategy opened is not this one's to close; a position of unknown origin is anybody's.
        is_anothers = self._book.exits.holders.get(symbol, signal.strategy) != signal.strategy
        if wrong_way or is_anothers or symbol in self._wanted:
            self.counts["ignored"] += 1
            return None
        return ClosePosition(symbol, EXIT, f"{signal.strategy}: {signal.action.text}", signal.quoted_at, signal)

    def _wait(self, signal: Signal) -> bool:
        # Kept is an entry against a position that is being closed. What the clock or an operator closes is not to be
        # followed by anything.
        position, wanted = self._open.get(signal.symbol), self._wanted.get(signal.symbol)
        if not self._book.settings.reverses or position is None or wanted is None or wanted[0] is OrderPurpose.FLATTEN:
            return False
        if position.quantity * signal.action.side.sign > 0:
            return False
        self.waiting[signal.symbol] = signal, signal.quoted_at
        return True
