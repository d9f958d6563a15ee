"""The requested exits: which symbols must become flat and why, and which strategy opened what is held."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tradebot.domain.order import OrderPurpose

MAX_EXITS_AT_ONCE = 32  # exits tried per message: takes a few milliseconds, and is more than a venue accepts per tick


class PendingExits:
    """Requests to become flat. A request stays active until the position is flat, even if its orders end."""

    def __init__(self) -> None:
        self.requested: dict[str, tuple[OrderPurpose, str]] = {}  # symbol -> why it must become flat
        self.holders: dict[str, str] = {}  # symbol -> the strategy whose entry opened what is held
        # The requested symbols to try, in the order of their last try. A symbol is left out while its only live order
        # is an exit and no event has come for it: a tick then has nothing to do there.
        self._to_try: dict[str, None] = {}

    def request_exit(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Request that a symbol becomes flat; the first reason stays."""
        if symbol not in self.requested:
            self.requested[symbol] = purpose, reason
            self._to_try[symbol] = None

    def add_working(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Request that a symbol becomes flat whose exit is working already."""
        self.requested[symbol] = purpose, reason

    def mark_changed(self, symbol: str) -> None:
        """Try a symbol again on the next tick, because one of its orders had an event."""
        if symbol in self.requested:
            self._to_try.setdefault(symbol)

    def mark_working(self, symbol: str) -> None:
        """Stop trying a symbol until one of its orders has an event, because its exit is working."""
        self._to_try.pop(symbol, None)

    def forget_symbol(self, symbol: str) -> None:
        """Forget the request and the strategy of a symbol that is flat."""
        self.holders.pop(symbol, None)
        self.requested.pop(symbol, None)
        self._to_try.pop(symbol, None)

    def next_batch(self, symbols: Iterable[str]) -> list[str]:
        """Return which of `symbols` to try now; if there are very many, some now and the others on the next calls."""
        if len(self._to_try) <= MAX_EXITS_AT_ONCE:
            return [symbol for symbol in symbols if symbol in self._to_try] if self._to_try else []
        some = list(islice(self._to_try, MAX_EXITS_AT_ONCE))
        for symbol in some:  # exits that the gate denies must not block the others for ever
            del self._to_try[symbol]
            self._to_try[symbol] = None
        return some
