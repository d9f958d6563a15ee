"""Demat debits: the delivery sales that incur the depository fee, which is due once per share and day.

The fee falls on the first fill of a share and day by which more is sold than bought on that day. Shares that are bought
and sold on one day never reach the depository. Shares that are sold first and bought back later that day have been
charged by then; this errs against the trader.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol, runtime_checkable

from tradebot.clock import DAY, SECOND
from tradebot.domain.order import ZERO, Side

DELIVERY = "CNC"
IST_OFFSET_NS = 19_800 * SECOND
KEPT_DAYS = 7  # a fill may be reported days late, but not later than this

FillKey = tuple[str, str]  # (exchange, execution id)


class _ShareOfDay:
    __slots__ = ("charged", "is_charged", "net", "seen")

    def __init__(self) -> None:
        self.net = ZERO  # quantity sold minus quantity bought
        self.is_charged = False
        self.charged: FillKey | None = None  # the key of the fill that was charged
        self.seen: set[FillKey] = set()


class DematDebits:
    """The delivery fills of the last days. They must be booked in order; the same fills give the same results."""

    def __init__(self) -> None:
        self._days: dict[int, dict[str, _ShareOfDay]] = {}  # number of the Indian day -> symbol -> its trades

    def book_delivery(
        self, *, symbol: str, side: Side, quantity: Decimal, traded_at: int, key: FillKey | None = None
    ) -> bool:
        """Book a delivery fill of market time `traded_at` (ns) and return True if the depository fee is due for it.

        A second call with the same `key` returns the same result. Without a key every call is a new fill.
        """
        day = (traded_at + IST_OFFSET_NS) // DAY
        shares = self._days.get(day)
        if shares is None:
            shares = self._days[day] = {}
            for old in [old for old in self._days if old < day - KEPT_DAYS]:
                del self._days[old]
        share = shares.get(symbol)
        if share is None:
            share = shares[symbol] = _ShareOfDay()
        if key is not None and key in share.seen:
            return share.charged == key
        if key is not None:
            share.seen.add(key)
        share.net -= quantity * side.sign
        if side is not Side.SELL or share.net <= 0 or share.is_charged:
            return False
        share.is_charged, share.charged = True, key
        return True


@runtime_checkable
class UsesDematDebits(Protocol):
    """A fee model that counts demat debits and can take over those of another one."""

    debits: DematDebits
