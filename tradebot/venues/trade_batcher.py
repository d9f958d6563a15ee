"""Batches single trades into columns of quotes, for venues that send one trade per message; upstream of the bars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes


class WireNumberError(ValueError):
    """A text on the wire is not a number, or has more decimals than its instrument allows."""


def parse_units(text: str, decimals: int) -> int:
    """Return a decimal number as an exact integer with `decimals` places: `1573.15` with 2 is 157315.

    Raises WireNumberError unless the text is digits with at most one point and at most `decimals` places.
    """
    whole, _, part = text.partition(".")
    digits = whole + part[:decimals].ljust(decimals, "0")
    if not (whole or part) or not (digits.isascii() and digits.isdecimal()) or part[decimals:].strip("0"):
        raise WireNumberError(f"{text[:40]!r} is not a number of at most {decimals} places")
    return int(digits)


class TradeBatcher:
    """Collects trades and delivers them as one `Quotes` in arrival order.

    A trade carries its own quantity. The day's volume of each instrument is summed here, from 0.
    """

    def __init__(self, universe: Universe, *, source: str, on_quotes: Callable[[Quotes], None]) -> None:
        self._source, self._on_quotes = source, on_quotes
        self._volume = [0] * len(universe)
        self._rows: list[tuple[int, int, int, int]] = []  # (id, sent_at, last, volume of the day)

    def __len__(self) -> int:
        return len(self._rows)

    def add_trade(self, id_: int, *, sent_at: int, price: int, quantity: int) -> None:
        """Add one trade: `sent_at` in market ns, `price` and `quantity` in units of the instrument."""
        volume = self._volume[id_] = self._volume[id_] + quantity
        self._rows.append((id_, sent_at, price, volume))

    def flush_quotes(self, seen_at: int) -> None:
        """Deliver the collected trades, if there are any; `seen_at` is our monotonic ns."""
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
