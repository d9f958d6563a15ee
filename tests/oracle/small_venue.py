"""A venue in a page: what it holds of orders, trades and positions, for the random days to tell truly or oddly."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import (
    ZERO,
    Fill,
    OrderKind,
    OrderRequest,
    Side,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.position_key import NettingKey
from tradebot.domain.venue_rows import UnreadRow

DELIVERY = "CNC"


class SmallVenue:
    """The orders of a day by the venue's id, every trade, and what it nets of each line."""

    def __init__(self) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[Fill] = []
        self.net: dict[NettingKey, Decimal] = {}
        self._count = 0

    @property
    def working(self) -> list[VenueOrder]:
        """Orders that may fill, those placed elsewhere included."""
        return [
            order for order in self.orders.values() if order.status in (VenueOrderStatus.OPEN, VenueOrderStatus.ACKED)
        ]

    @property
    def ours(self) -> list[VenueOrder]:
        """The orders of ours that may fill, the one longest at work first."""
        return [order for order in self.working if order.tag]

    def number(self) -> int:
        """Return a number that was never given before."""
        self._count += 1
        return self._count

    def accept(self, request: OrderRequest) -> VenueOrder:
        """Take an order of ours; returns how it shows."""
        return self._put(_shown(request, f"V{request.order_id}", request.order_id))

    def place(self, symbol: str, side: Side, quantity: Decimal, *, exchange: str, product: str) -> VenueOrder:
        """Take an order of another hand; returns how it shows."""
        request = OrderRequest("", symbol, exchange, side, OrderKind.LIMIT, quantity, product=product)
        return self._put(_shown(request, f"X{self.number()}", ""))

    def fill(self, order: VenueOrder, quantity: Decimal, price: Decimal, at: int) -> Fill:
        """Fill a part of an order, or all; returns the trade."""
        order = self.orders[order.venue_order_id]
        trade = Fill(
            f"{self.number()}", order.venue_order_id, order.symbol, order.exchange, order.side, quantity, price, at,
            order.product,
        )  # fmt: skip
        filled = order.filled + quantity
        is_whole = filled >= order.quantity and order.status is VenueOrderStatus.OPEN
        self.show(order, filled=filled, status=VenueOrderStatus.FILLED if is_whole else order.status)
        self.book(trade)
        return trade

    def book(self, trade: Fill, sign: int = 1) -> None:
        """Let a trade count, or with -1 count no more."""
        line = trade.exchange, trade.symbol, trade.product
        self.move(line, trade.quantity * trade.side.sign * sign)
        if sign > 0:
            self.trades.append(trade)
        else:
            self.trades = [other for other in self.trades if other.fill_key != trade.fill_key]

    def move(self, line: NettingKey, quantity: Decimal) -> None:
        """Move what is held of a line, without a trade."""
        self.net[line] = self.net.get(line, ZERO) + quantity

    def show(self, order: VenueOrder, **changes: object) -> VenueOrder:
        """Let an order show otherwise from now on."""
        return self._put(replace(self.orders[order.venue_order_id], **changes))

    def end_day(self) -> None:
        """Forget the day's orders and trades; what was held for delivery stays."""
        self.orders.clear()
        self.trades.clear()
        self.net = {line: quantity for line, quantity in self.net.items() if quantity and line[2] == DELIVERY}

    def books(
        self, asked_at: int, *, cash: Decimal | None = Decimal(50_000), unread: tuple[UnreadRow, ...] = ()
    ) -> AccountSnapshot:
        """Return all of it."""
        price = Decimal(1000)
        return AccountSnapshot(
            asked_at=asked_at, orders=tuple(self.orders.values()), fills=tuple(self.trades), cash=cash,
            positions=tuple(
                VenuePosition(symbol=symbol, exchange=exchange, product=product, quantity=quantity, average_price=price)
                for (exchange, symbol, product), quantity in self.net.items() if product != DELIVERY
            ),
            holdings=tuple(
                VenueHolding(symbol=symbol, exchange=exchange, quantity=quantity, average_price=price)
                for (exchange, symbol, product), quantity in self.net.items() if product == DELIVERY
            ),
            unread=unread,
        )  # fmt: skip

    def _put(self, order: VenueOrder) -> VenueOrder:
        self.orders[order.venue_order_id] = order
        return order


def _shown(request: OrderRequest, id_: str, tag: str) -> VenueOrder:
    return VenueOrder(
        venue_order_id=id_, tag=tag, symbol=request.symbol, exchange=request.exchange, side=request.side,
        kind=request.kind, status=VenueOrderStatus.OPEN, quantity=request.quantity, filled=ZERO, price=request.price,
        product=request.product,
    )  # fmt: skip
