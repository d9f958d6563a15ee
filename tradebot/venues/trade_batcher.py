"""Single trades of a text stream gathered into columns: for venues that send one trade a message; before the bars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market_data import Quotes


class WireNumberError(ValueError):
    """A number on the wire that is not one, or is finer than its instrument allows."""


def parse_units(text: str, decimals: int) -> int:
    """Return a decimal number as an integer of `decimals` places, exactly: `1573.15` of 2 is 157315.

    Raises WireNumber for anything but digits with at most one point, and for more places than `decimals`.
    """
    whole, _, part = text.partition(".")
    digits = whole + part[:decimals].ljust(decimals, "0")
    if not (whole or part) or not (digits.isascii() and digits.isdecimal()) or part[decimals:].strip("0"):
        raise WireNumberError(f"{text[:40]!r} is not a number of at most {decimals} places")
    return int(digits)


class TradeBatcher:
    """Collects trades and hands them on as one `Quotes` with `flush_quotes`, in the order they came.

    A trade says how much was traded; the day's volume of each instrument is counted here, from 0.
    """

    def __init__(self, universe: Universe, *, source: str, on_quotes: Callable[[Quotes], None]) -> None:
        self._source, self._on_quotes = source, on_quotes
        self._volume = [0] * len(universe)
        self._rows: list[tuple[int, int, int, int]] = []  # (id, sent_at, last, volume of the day)

    def __len__(self) -> int:
        return len(self._rows)

    def add_trade(self, id_: int, *, sent_at: int, price: int, quantity: int) -> None:
        """Take one trade: market ns, price and quantity in units."""
        volume = self._volume[id_] = self._volume[id_] + quantity
        self._rows.append((id_, sent_at, price, volume))

    def flush_quotes(self, seen_at: int) -> None:
        """Hand on what was collected, if anything; `seen_at` is our monotonic time."""
        if not self._rows:
            return
        ids, sent_at, last, volume = np.array(self._rows, dtype=np.int64).T.copy()
        self._rows = []
        absent = np.zeros(len(ids), dtype=np.int64)
        self._on_quotes(
            Quotes(
                source=self._source,
                seen_at=seen_at,
                ids=ids,
                sent_at=sent_at,
                last=last,
                volume=volume,
                bid=absent,
                ask=absent,
                bid_size=absent,
                ask_size=absent,
            )
        )
