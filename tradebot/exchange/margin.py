"""The margin that one position and its working orders block; pure rules, summed by the account.

Intraday equity blocks a fixed share of its cost, the same for every stock. Real rates are higher for volatile ones, so
this errs for the trader.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import ZERO, Side
from tradebot.domain.products import DELIVERY
from tradebot.exchange.position import COST_GRAIN, PositionCost
from tradebot.exchange.ticket import BookOrder

INTRADAY_MARGIN_RATE = Decimal("0.20")  # five times leverage: the most that the regulator allows intraday equity


class MarginReservation(NamedTuple):
    """The open quantity of a working order, and the price at which it blocks margin."""

    side: Side
    quantity: Decimal
    price: Decimal


class BlockedMargin(NamedTuple):
    """The margin that one position and its working orders block; the parts of `Margins.total_margin`."""

    positions: Decimal
    orders: Decimal
    delivery: Decimal
    holding_sales: Decimal

    @property
    def total_margin(self) -> Decimal:
        """Return the sum of the margins, less the credit for sold holdings."""
        return self.positions + self.orders + self.delivery - self.holding_sales


NOTHING_BLOCKED = BlockedMargin(ZERO, ZERO, ZERO, ZERO)


def margin_rate(product: str, kind: InstrumentKind) -> Decimal:
    """Return the share of its cost that a position blocks.

    A bought option is paid in full. Option writers and futures are blocked like intraday equity, which errs for them.
    """
    return Decimal(1) if product == DELIVERY or kind is InstrumentKind.OPTION else INTRADAY_MARGIN_RATE


def blocked_margin(
    lots: PositionCost, working: list[MarginReservation], *, product: str, kind: InstrumentKind
) -> BlockedMargin:
    """Return the margin (money) that a position and its working orders block; delivery is paid in full."""
    if product == DELIVERY:
        buying = sum((r.quantity * r.price for r in working if r.side is Side.BUY), ZERO)
        return BlockedMargin(ZERO, buying, max(lots.cost, ZERO), max(-lots.cost, ZERO))
    rate = margin_rate(product, kind)
    return BlockedMargin(abs(lots.cost) * rate, _added_by(working, lots) * rate, ZERO, ZERO)


def reservation_price(order: BookOrder, last: Decimal) -> Decimal:
    """Return the price at which a working order blocks margin: its limit, or the worst price its protection allows."""
    ticket = order.ticket
    if order.limit is not None:
        return order.limit
    if ticket.price is not None:
        return ticket.price
    reference = ticket.trigger_price or last
    if ticket.side is Side.SELL or ticket.protection_pct is None:
        return reference
    return reference * (1 + ticket.protection_pct / 100)


def _added_by(working: list[MarginReservation], lots: PositionCost) -> Decimal:
    # The notional that working orders may add to a position in the worst case: all buys or all sells fill. Orders
    # against the position first free the margin of what they close.
    held = abs(lots.cost)
    added = ZERO
    for side in Side:
        quantity = sum((r.quantity for r in working if r.side is side), ZERO)
        value = sum((r.quantity * r.price for r in working if r.side is side), ZERO)
        closing = -lots.quantity * side.sign
        if closing > 0 and quantity:
            opened = max(quantity - closing, ZERO)
            value = (value * opened / quantity).quantize(COST_GRAIN) - held
        added = max(added, value)
    return added
