"""Brokers whose lists of one order and its fill are made by hand: late, or with rows that cannot be read."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.order import Fill, OrderKind, Side, VenueOrder, VenueOrderStatus
from tradebot.domain.venue_rows import UnreadRow, VenueRows

SHOWN = VenueOrder(
    venue_order_id="V1", tag="T1", symbol="TCS", exchange="NSE", product="MIS", side=Side.BUY, kind=OrderKind.MARKET,
    status=VenueOrderStatus.FILLED, quantity=Decimal(2), filled=Decimal(2), average_price=Decimal(100),
)  # fmt: skip
FILL = Fill(
    execution_id="E1", venue_order_id="V1", symbol="TCS", exchange="NSE", product="MIS", side=Side.BUY,
    quantity=Decimal(2), price=Decimal(100), traded_at=1,
)  # fmt: skip


class LateBroker:
    """A broker that lists the order of its one fill from the `n`-th list on."""

    def __init__(self, n: int) -> None:
        self.lists, self._from = 0, n

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        self.lists += 1
        return VenueRows([SHOWN] if self.lists >= self._from else [])

    async def fetch_fills(self) -> VenueRows[Fill]:
        return VenueRows([FILL])

    async def fetch_positions(self) -> VenueRows[object]:
        return VenueRows()

    async def fetch_holdings(self) -> VenueRows[object]:
        return VenueRows()

    async def fetch_cash(self) -> Decimal:
        return Decimal(0)


class OddBroker(LateBroker):
    """A broker one of whose lists has a row that cannot be read; everything else fits."""

    def __init__(self, *unread: UnreadRow) -> None:
        super().__init__(1)
        self.unread = unread

    def _odd(self, book: str) -> list[UnreadRow]:
        return [row for row in self.unread if row.book == book]

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        return VenueRows([SHOWN], self._odd("orders"))

    async def fetch_fills(self) -> VenueRows[Fill]:
        return VenueRows([FILL], self._odd("trades"))

    async def fetch_positions(self) -> VenueRows[object]:
        return VenueRows([], self._odd("positions"))
