"""People who act in the same account beside the daemon: its owner with a phone, and the broker's risk desk.

Their actions are no malfunction: orders, trades, conversions and cancels that none of our requests caused. They act
once a second at most, on what the account shows at that moment. Where there is nothing to act on they do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TypeVar

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import OrderKind, Side
from tradebot.domain.products import DELIVERY, INTRADAY
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan, InjectedFault
from tradebot.exchange.gtt_order import GttBookStatus
from tradebot.exchange.position import PositionRow
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import BookOrder, Conversion, PlacedBy, Ticket

OTHER_EXCHANGE = "BSE"  # an exchange that lists our shares too and is not simulated here
MOST_SHARES = 10
PROTECTION_PCT = Decimal(1)  # percent above the market that their market orders may pay
RISK_DESK_TAG = "squareoff"  # the tag of the broker's own orders
GTT_ENDS = {  # fault -> the state in which a GTT order ends, and the broker's reason
    "gtt-disabled": (GttBookStatus.DISABLED, "disabled after a corporate action"),
    "gtt-cancelled": (GttBookStatus.CANCELLED, "cancelled by the broker"),
    "gtt-rejected": (GttBookStatus.REJECTED, "the instrument has left its series"),
}

Thing = TypeVar("Thing")


class PeopleFaults:
    """Lets the owner and the risk desk act in one account, as a plan draws them."""

    def __init__(self, plan: FaultPlan, exchange: Exchange) -> None:
        self._plan, self._exchange = plan, exchange
        exchange.hooks.on_second.append(self._second)

    def _second(self, _: int) -> None:
        for point in ("owner", "broker"):
            if (fault := self._plan.draw_fault(point)) is not None:
                with suppress(ExchangeRefusal):  # the broker may refuse them like any client
                    self.commit_fault(fault)

    def commit_fault(self, fault: InjectedFault) -> None:
        """Carry out the action of a fault. Raises ExchangeRefusal."""
        match fault.name:
            case "owner-buys" | "owner-buys-delivery" | "owner-sells":
                product = DELIVERY if fault.name == "owner-buys-delivery" else INTRADAY
                side = Side.SELL if fault.name == "owner-sells" else Side.BUY
                if symbol := _one(self._shares(), fault.draw):
                    self._place(symbol, side, _few(fault.draw), product)
            case "owner-buys-elsewhere":
                if symbol := _one(self._shares(), fault.draw):
                    self._buy_elsewhere(symbol, _few(fault.draw))
            case "owner-sells-holdings":
                held = [
                    row for row in self._exchange.account.demat_holdings() if row.owned_quantity > row.used_quantity
                ]
                if row := _one(held, fault.draw):
                    self._place(
                        row.symbol, Side.SELL, min(_few(fault.draw), row.owned_quantity - row.used_quantity), DELIVERY
                    )
            case "owner-exits":
                if position := _one(self._open(), fault.draw):
                    self._close(position, abs(position.quantity))
            case "owner-converts":
                if position := _one([row for row in self._open() if row.quantity > 0], fault.draw):
                    self._convert(position, fault.draw)
            case "owner-cancels":
                self._cancel(fault.draw)
            case "risk-reduces":
                self._reduce(fault.draw)
            case "risk-squares-off":
                self._square_off()
            case "gtt-disabled" | "gtt-cancelled" | "gtt-rejected":
                self._end_gtt(fault)
            case name:
                raise AssertionError(f"nobody does {name}")

    def _cancel(self, draw: float) -> None:
        if order := _one(self._working(), draw):
            self._exchange.cancel_order(order.order_id)

    def _end_gtt(self, fault: InjectedFault) -> None:
        book = self._exchange.gtt_book
        if gtt := _one([gtt for gtt in book.listed_gtts() if gtt.is_active], fault.draw):
            book.withdraw_gtt(gtt.gtt_id, *GTT_ENDS[fault.name])

    def _reduce(self, draw: float) -> None:
        if position := _one(self._open(), draw):
            self._close(position, abs(position.quantity) // 2 or Decimal(1), PlacedBy.BROKER)

    def _square_off(self) -> None:
        for order in self._working():
            self._exchange.withdraw_order(order.order_id, "cancelled by the broker")
        for position in self._open():
            self._close(position, abs(position.quantity), PlacedBy.BROKER)

    def _shares(self) -> list[str]:
        return [i.symbol for i in self._exchange.universe if i.kind is InstrumentKind.EQUITY]

    def _open(self) -> list[PositionRow]:
        rows = self._exchange.account.net_positions()
        return [r for r in rows if r.quantity and r.product == INTRADAY and r.symbol in self._exchange.universe]

    def _working(self) -> list[BookOrder]:
        return [order for order in self._exchange.latest_orders() if not order.is_ended]

    def _close(self, row: PositionRow, quantity: Decimal, placed_by: PlacedBy = PlacedBy.OWNER) -> None:
        self._place(row.symbol, Side.SELL if row.quantity > 0 else Side.BUY, quantity, row.product, placed_by)

    def _convert(self, row: PositionRow, draw: float) -> None:
        part = row.quantity if draw < 0.5 else row.quantity // 2 or row.quantity
        conversion = Conversion(
            exchange=row.exchange, symbol=row.symbol, side=Side.BUY, quantity=part, was=row.product, becomes=DELIVERY
        )
        self._exchange.convert_position(conversion)

    def _place(
        self, symbol: str, side: Side, quantity: Decimal, product: str, placed_by: PlacedBy = PlacedBy.OWNER
    ) -> None:
        exchange = self._exchange.universe.instrument_of(symbol).exchange
        self._exchange.place_order(market_ticket(exchange, symbol, side, quantity, product, placed_by))

    def _buy_elsewhere(self, symbol: str, quantity: Decimal) -> None:
        universe = self._exchange.universe
        price = universe.instrument_of(symbol).price_from_units(
            int(self._exchange.latest_columns["last"][universe.id_of(symbol)])
        )
        if price:
            self._exchange.book_fill_elsewhere(
                market_ticket(OTHER_EXCHANGE, symbol, Side.BUY, quantity, DELIVERY, PlacedBy.OWNER), price
            )


def market_ticket(
    exchange: str, symbol: str, side: Side, quantity: Decimal, product: str, placed_by: PlacedBy
) -> Ticket:
    """Return a market order as a person places it."""
    return Ticket(
        exchange=exchange,
        symbol=symbol,
        side=side,
        kind=OrderKind.MARKET,
        quantity=quantity,
        product=product,
        protection_pct=PROTECTION_PCT,
        tag=RISK_DESK_TAG if placed_by is PlacedBy.BROKER else "",
        hand=placed_by,
    )


def closing_ticket(row: PositionRow) -> Ticket:
    """Return the market order with which the broker closes a position."""
    side = Side.SELL if row.quantity > 0 else Side.BUY
    return market_ticket(row.exchange, row.symbol, side, abs(row.quantity), row.product, PlacedBy.BROKER)


def _one(things: Sequence[Thing], draw: float) -> Thing | None:
    return things[int(draw * len(things))] if things else None


def _few(draw: float) -> Decimal:
    return Decimal(1 + int(draw * 997) % MOST_SHARES)  # uses other digits of the draw than `_one`
