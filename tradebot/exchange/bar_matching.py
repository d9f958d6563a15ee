"""Matches the orders in one instrument where only bars are known; integers, no clock.

A bar states four prices and not their order, so the path inside it is fixed. Each rule says in whose favour it errs:
* an order decided at a bar's close meets the market at the next bar's open: neither way;
* inside a bar the price goes from the open to the extreme that hurts the position, then to the other, then to the
  close: against the trader, because a stop counts before a target of the same bar;
* between two of these prices it passes every price once: for the trader, because a real market jumps over a stop;
* a bar that opens beyond a level trades at its open: neither way;
* a resting limit fills only where the price went through it by a tick, at the limit, without a queue: neither way;
* a bar without volume, in data that have volumes, trades nothing: neither way;
* the bar's whole volume may be taken at its first price: for the trader, unless `participation` bounds it;
* slippage never passes an order's own limit: for the trader; a protected market order is bounded the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec
import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message
from tradebot.domain.order import Side
from tradebot.exchange.matching import protected_limit
from tradebot.exchange.slippage import InstrumentSlippage, Slippage


class BarFillModel(Message, frozen=True):
    """How orders fill inside bars.

    `latency_bars` delays an order by whole bars. With `latency_s` an order that reaches the exchange after a bar began
    waits for the next open. `participation` is the largest share of a bar's volume that our orders take, None for no
    bound.
    """

    slippage: Slippage = Slippage()
    latency_bars: int = 0
    latency_s: float = 0.0
    participation: Decimal | None = None

    @property
    def latency_ns(self) -> int:
        """Return `latency_s` in ns."""
        return int(self.latency_s * SECOND)

    @property
    def is_immediate(self) -> bool:
        """Return whether an order is at the exchange in the moment it is decided."""
        return not (self.latency_bars or self.latency_ns)


class RestingOrder(msgspec.Struct, gc=False):
    """One of our working orders, with `remaining` units. Without a `limit` it takes what the market offers.

    It may trade from bar `from_row` on. Only the `BarOrderBook` changes it.
    """

    order_id: str
    sign: int
    remaining: int
    limit: int | None
    protection_pct: Decimal | None
    from_row: int


R = TypeVar("R", bound=RestingOrder)


class BarOrderBook(Generic[R]):
    """Our working orders in one instrument, and what they took of the current bar's volume.

    `volumes` holds the volume of each bar, by row. A fill is (order, quantity units, price units). A completely filled
    order leaves the book.
    """

    def __init__(self, instrument: Instrument, matching: BarFillModel, volumes: Sequence[int]) -> None:
        self._instrument, self._volumes = instrument, volumes
        self._slippage = InstrumentSlippage(matching.slippage, instrument)
        self._share = None if matching.participation is None else matching.participation.as_integer_ratio()
        self._lot = max(int(instrument.lot_size.scaleb(instrument.quantity_decimals)), 1)
        self._row, self._taken = -1, 0
        traded = np.asarray(volumes) != 0
        self.has_untraded_bars = bool(traded.any()) and not traded.all()
        self.orders: dict[str, R] = {}  # oldest first

    def add_order(self, order: R) -> None:
        """Add an order."""
        self.orders[order.order_id] = order

    def remove_order(self, order_id: str) -> bool:
        """Remove an order and return whether it was there."""
        return self.orders.pop(order_id, None) is not None

    def is_untraded(self, row: int) -> bool:
        """Return whether nothing traded in bar `row`. Where no bar has a volume, every bar counts as traded."""
        return self.has_untraded_bars and not self._volumes[row]

    def match_at_price(self, row: int, price: int) -> list[tuple[R, int, int]]:
        """Match the orders that may trade in bar `row` while the market is at `price`, oldest first."""
        fills: list[tuple[R, int, int]] = []
        for order in list(self.orders.values()):
            if order.from_row > row:
                continue
            limit = order.limit
            if limit is not None and (price - limit) * order.sign > 0:
                continue
            quantity = order.remaining if self._share is None else self._offered(order.remaining, row)
            if not quantity:
                continue
            paid = (
                price
                if self._slippage.is_none
                else self._slippage.slipped_price(price, sign=order.sign, quantity=quantity, volume=self._volumes[row])
            )
            # Slippage stops at the order's limit, or at the bound of a protected market order.
            if paid != price:
                if limit is None and order.protection_pct is not None:
                    side = Side.BUY if order.sign > 0 else Side.SELL
                    limit = protected_limit(self._instrument, side=side, reference=price, pct=order.protection_pct)
                if limit is not None and (paid - limit) * order.sign > 0:
                    paid = limit
            order.remaining -= quantity
            if not order.remaining:
                del self.orders[order.order_id]
            fills.append((order, quantity, paid))
        return fills

    def match_crossed_limit(self, row: int, *, start: int, end: int) -> list[tuple[R, int, int]]:
        """Match the first limit that a price move from `start` to `end` inside bar `row` goes through.

        All orders with that limit fill. Call again from that price until no fill is returned.
        """
        # A sell limit fills where the price rises through it, a buy limit where it falls. A limit at `end` is only
        # touched; the next move may pass it.
        rising = end > start
        passed = [
            order
            for order in self.orders.values()
            if order.limit is not None
            and order.from_row <= row
            and (order.sign < 0) is rising
            and (start <= order.limit < end if rising else end < order.limit <= start)
        ]
        if not passed:
            return []
        limits = [order.limit for order in passed if order.limit is not None]
        first = min(limits) if rising else max(limits)
        fills: list[tuple[R, int, int]] = []
        for order in passed:
            if order.limit == first:
                quantity = order.remaining if self._share is None else self._offered(order.remaining, row)
                if quantity:
                    order.remaining -= quantity
                    if not order.remaining:
                        del self.orders[order.order_id]
                    fills.append((order, quantity, first))
        return fills

    def _offered(self, wanted: int, row: int) -> int:
        assert self._share is not None
        if row != self._row:
            self._row, self._taken = row, 0
        numerator, denominator = self._share
        offered = self._volumes[row] * numerator // denominator - self._taken
        quantity = wanted if wanted <= offered else max(offered, 0) // self._lot * self._lot
        self._taken += quantity
        return quantity
