"""The newest quote of every instrument as columns: what positions are valued with and prices are held against."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints, Quotes
from tradebot.domain.position_key import PositionKey


class NewestQuotes(Protocol):
    """The newest quotes of some instruments as columns, prices in units; `seen_at` is monotonic ns."""

    @property
    def ids(self) -> Ints: ...
    @property
    def seen_at(self) -> Ints: ...
    @property
    def last(self) -> Ints: ...
    @property
    def bid(self) -> Ints: ...
    @property
    def ask(self) -> Ints: ...


class Marks:
    """Last, bid, ask and our time of receipt per instrument; rows of zeros before the first quote."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        n = len(universe)
        self.last: Ints = np.zeros(n, dtype=np.int64)
        self.bid: Ints = np.zeros(n, dtype=np.int64)
        self.ask: Ints = np.zeros(n, dtype=np.int64)
        self.seen_at: Ints = np.zeros(n, dtype=np.int64)
        self.newest = 0
        # The same memory, read one by one: a view gives an int where an array gives an object of its own.
        self._last = self.last.data
        self._bid = self.bids = self.bid.data
        self._ask = self.ask.data
        self.times = self.seen_at.data
        self._points = [Decimal(1).scaleb(-i.price_decimals) for i in universe]  # one unit of each one's prices

    def apply(self, quotes: Quotes) -> None:
        ids = quotes.ids
        self.last[ids], self.bid[ids], self.ask[ids] = quotes.last, quotes.bid, quotes.ask
        self.seen_at[ids] = quotes.seen_at
        self.newest = max(self.newest, quotes.seen_at)

    def restore(self, newest: NewestQuotes) -> None:
        """Take the newest quotes of some instruments as they were noted, whenever they were seen."""
        ids = newest.ids
        self.last[ids], self.bid[ids], self.ask[ids] = newest.last, newest.bid, newest.ask
        self.seen_at[ids] = newest.seen_at

    def set(self, id_: int, units: int, mono: int) -> None:
        """Take one last price of one instrument, seen at monotonic `mono`."""
        self._last[id_] = units
        self.times[id_] = mono

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price, None before the first quote and for no instrument of ours: a run may leave one out."""
        id_ = self._universe.ids_by_symbol.get(symbol)
        if id_ is None:
            return None
        units = self._last[id_]
        return Decimal(units) * self._points[id_] if units else None

    def price_at(self, key: PositionKey) -> Decimal | None:
        """Return the last price of what a position holds, None before the first quote and for no instrument of ours."""
        symbol, universe = key.symbol, self._universe
        if symbol not in universe or universe.instrument_of(symbol).exchange != key.exchange:
            return None
        return self.price(symbol)

    def reference(self, symbol: str) -> Decimal | None:
        """Return the middle of a spread of at most 1% that lies within 5% of the last price, else the last price.

        None before the first quote and for no instrument of ours: a run may leave one out.
        """
        id_ = self._universe.ids_by_symbol.get(symbol)
        return None if id_ is None else self.reference_of(id_)

    def reference_of(self, id_: int) -> Decimal | None:
        """Return the `reference` of an instrument by its number."""
        bid = self._bid[id_]
        units = self._last[id_]
        if bid > 0:
            ask = self._ask[id_]
            if (
                bid <= ask
                and (ask - bid) * 100 <= bid
                and (not units or -units <= (bid + ask - 2 * units) * 10 <= units)
            ):
                return Decimal(bid + ask) * self._points[id_] / 2
        return Decimal(units) * self._points[id_] if units else None

    def is_crossed(self, id_: int) -> bool:
        """True while the best bid of an instrument is above its best ask: one of the two is wrong."""
        return self._bid[id_] > self._ask[id_] > 0

    def trouble(self, id_: int) -> str:
        """Return why nothing may be opened on the newest quote of an instrument, empty when something may."""
        if not self.is_crossed(id_):
            return ""
        price = self._universe[id_].price_from_units
        return f"the book is crossed: bid {price(self._bid[id_])} is above ask {price(self._ask[id_])}"

    def age_s(self, id_: int, mono: int) -> float | None:
        """Return the wall seconds since the newest quote of an instrument, None before the first."""
        seen = self.times[id_]
        return (mono - seen) / SECOND if seen else None
