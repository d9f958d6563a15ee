"""The exits that are wanted: what must become flat and why, and whose strategy opened what is held."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tradebot.domain.order import OrderPurpose

MAX_EXITS_AT_ONCE = (
    32  # exits of one message where thousands are wanted: a few milliseconds, and more than a venue takes a tick
)


class PendingExits:
    """Wishes to be flat. One stands until the position is gone, whatever becomes of its orders."""

    def __init__(self) -> None:
        self.requested: dict[str, tuple[OrderPurpose, str]] = {}  # symbol -> why it must become flat
        self.holders: dict[str, str] = {}  # symbol -> the strategy whose entry opened what is held
        # Wanted symbols but for those whose one live order is an exit, about which nothing was said since: a tick then
        # has nothing to do for them. In the order of the last try.
        self._to_try: dict[str, None] = {}

    def request_exit(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Want a symbol flat; the first reason stands."""
        if symbol not in self.requested:
            self.requested[symbol] = purpose, reason
            self._to_try[symbol] = None

    def add_working(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Want a symbol flat whose exit works already."""
        self.requested[symbol] = purpose, reason

    def mark_changed(self, symbol: str) -> None:
        """Look at a symbol again at the next tick: a fact of one of its orders came."""
        if symbol in self.requested:
            self._to_try.setdefault(symbol)

    def mark_working(self, symbol: str) -> None:
        """Leave a symbol alone until something is heard of it: its exit works."""
        self._to_try.pop(symbol, None)

    def forget_symbol(self, symbol: str) -> None:
        """Forget wish and strategy of a symbol that is flat."""
        self.holders.pop(symbol, None)
        self.requested.pop(symbol, None)
        self._to_try.pop(symbol, None)

    def next_batch(self, symbols: Iterable[str]) -> list[str]:
        """Return which of `symbols` to try now; of very many some, and the others the next times."""
        if len(self._to_try) <= MAX_EXITS_AT_ONCE:
            return [symbol for symbol in symbols if symbol in self._to_try] if self._to_try else []
        some = list(islice(self._to_try, MAX_EXITS_AT_ONCE))
        for symbol in some:  # those that the gate holds back must not stand before the others for ever
            del self._to_try[symbol]
            self._to_try[symbol] = None
        return some
