"""Which delivery sales the depository charges for: the first of a share and day that sells more than the day bought.

A purchase that is sold on its day never reaches the depository. What is sold first and bought back later that day has
been charged by then, which errs against the trader.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol, runtime_checkable

from tradebot.clock import DAY, SECOND
from tradebot.domain.order import ZERO, Side

DELIVERY = "CNC"
IST_OFFSET_NS = 19_800 * SECOND
KEPT_DAYS = 7  # a fill may be told days late, and no later

FillKey = tuple[str, str]  # (exchange, execution id)


class _ShareOfDay:
    __slots__ = ("charged", "is_charged", "net", "seen")

    def __init__(self) -> None:
        self.net = ZERO  # sold less bought
        self.is_charged = False
        self.charged: FillKey | None = None  # the fill that was, by its key
        self.seen: set[FillKey] = set()


class DematDebits:
    """The delivery fills of the last days, told in their order; the same fills give the same answers."""

    def __init__(self) -> None:
        self._days: dict[int, dict[str, _ShareOfDay]] = {}  # Indian day -> symbol -> what was traded of it

    def book_delivery(
        self, *, symbol: str, side: Side, quantity: Decimal, traded_at: int, key: FillKey | None = None
    ) -> bool:
        """Take a delivery fill of market time `traded_at`; returns whether it is charged for.

        Asked again with the `key` of a fill it says the same; without one each fill is another.
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
    """What bills by debits, and may be given those of another."""

    debits: DematDebits
