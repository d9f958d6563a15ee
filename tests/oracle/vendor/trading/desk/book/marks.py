"""The newest quote of every instrument, as arrays: positions are valued with it, and prices are compared with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints, Quotes
from tradebot.domain.position_key import PositionKey


class NewestQuotes(Protocol):
    """The newest quotes of some instruments as int64 arrays; prices in units, `seen_at` in monotonic ns."""

    @property
    def ids(self) -> Ints:
        """Return the instrument ids."""
        ...

    @property
    def seen_at(self) -> Ints:
        """Return the times of receipt in monotonic ns."""
        ...

    @property
    def last(self) -> Ints:
        """Return the last prices in units."""
        ...

    @property
    def bid(self) -> Ints:
        """Return the best bids in units."""
        ...

    @property
    def ask(self) -> Ints:
        """Return the best asks in units."""
        ...


class Marks:
    """Last, bid, ask (price units) and time of receipt (monotonic ns) by instrument id; 0 before the first quote."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        n = len(universe)
        self.last: Ints = np.zeros(n, dtype=np.int64)
        self.bid: Ints = np.zeros(n, dtype=np.int64)
        self.ask: Ints = np.zeros(n, dtype=np.int64)
        self.seen_at: Ints = np.zeros(n, dtype=np.int64)
        self.newest_mono = 0  # monotonic ns of the newest quote
        # The same memory for reading single elements: a memoryview gives an int, an array gives a numpy object.
        self._last = self.last.data
        self._bid = self.bid_view = self.bid.data
        self._ask = self.ask.data
        self.seen_view = self.seen_at.data
        self._points = [Decimal(1).scaleb(-i.price_decimals) for i in universe]  # price of one unit, by instrument id

    def apply_quotes(self, quotes: Quotes) -> None:
        """Take a frame of quotes."""
        ids = quotes.ids
        self.last[ids], self.bid[ids], self.ask[ids] = quotes.last, quotes.bid, quotes.ask
        self.seen_at[ids] = quotes.seen_at
        self.newest_mono = max(self.newest_mono, quotes.seen_at)

    def restore_quotes(self, newest: NewestQuotes) -> None:
        """Take recorded quotes of some instruments, with their recorded times."""
        ids = newest.ids
        self.last[ids], self.bid[ids], self.ask[ids] = newest.last, newest.bid, newest.ask
        self.seen_at[ids] = newest.seen_at

    def set_last_price(self, id_: int, units: int, mono: int) -> None:
        """Set the last price of one instrument, in price units, received at `mono` (monotonic ns)."""
        self._last[id_] = units
        self.seen_view[id_] = mono

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol; None before its first quote and for a symbol outside the universe."""
        id_ = self._universe.ids_by_symbol.get(symbol)
        if id_ is None:
            return None
        units = self._last[id_]
        return Decimal(units) * self._points[id_] if units else None

    def last_price_of(self, key: PositionKey) -> Decimal | None:
        """Return the last price of the instrument of a position.

        None before its first quote, for a symbol outside the universe, and at another exchange than the universe's.
        """
        symbol, universe = key.symbol, self._universe
        if symbol not in universe or universe.instrument_of(symbol).exchange != key.exchange:
            return None
        return self.last_price(symbol)

    def reference_price(self, symbol: str) -> Decimal | None:
        """Return the mid price if the spread is at most 1% and the mid within 5% of the last price, else the last.

        None before the first quote and for a symbol outside the universe.
        """
        id_ = self._universe.ids_by_symbol.get(symbol)
        return None if id_ is None else self.reference_price_by_id(id_)

    def reference_price_by_id(self, id_: int) -> Decimal | None:
        """Return the `reference_price` of an instrument by its id."""
        bid = self._bid[id_]
        units = self._last[id_]
        # In integer units: the spread is at most 1% of the bid, and bid + ask within 10% of last of twice the last,
        # which is a mid price within 5% of it.
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
        """Return whether the best bid of an instrument is above its best ask: one of the two is wrong."""
        return self._bid[id_] > self._ask[id_] > 0

    def crossed_reason(self, id_: int) -> str:
        """Return a sentence that the bid of an instrument is above its ask, empty where it is not."""
        if not self.is_crossed(id_):
            return ""
        price = self._universe[id_].price_from_units
        return f"the book is crossed: bid {price(self._bid[id_])} is above ask {price(self._ask[id_])}"

    def quote_age_s(self, id_: int, mono: int) -> float | None:
        """Return the wall seconds between the newest quote of an instrument and `mono` (monotonic ns).

        None before the first quote.
        """
        seen = self.seen_view[id_]
        return (mono - seen) / SECOND if seen else None
