"""Validates GTT orders when they are placed or changed: their form and their triggers.

The broker looks at funds, holdings and the day's price band only when a GTT order triggers and its order is placed.
"""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.instrument import Instrument
from tradebot.domain.products import INTRADAY
from tradebot.exchange.gtt_order import GttLeg, GttTicket
from tradebot.exchange.order_validation import allowed_products
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode

# A trigger is more than this percentage of the last price away from it, at a low last price more than an amount.
DISTANCE_PCT = Decimal("0.25")
LOW_PRICE, LOW_DISTANCE = Decimal(50), Decimal("0.09")


def check_gtt(ticket: GttTicket, instrument: Instrument, *, last: Decimal) -> None:
    """Raise ExchangeRefusal for the first rule that a GTT order breaks; `last` is the instrument's last price."""
    assert 1 <= len(ticket.legs) <= 2, f"{ticket} has {len(ticket.legs)} legs"
    for leg in ticket.legs:
        _check_leg(leg, instrument)
    _check_price("last price", ticket.last_price)
    if len(ticket.legs) > 1:
        lower, upper = (leg.trigger for leg in ticket.legs)
        if lower >= last:
            raise ExchangeRefusal(RefusalCode.GTT_FIRST_ABOVE, trigger=lower, last=last)
        if upper <= last:
            raise ExchangeRefusal(RefusalCode.GTT_SECOND_BELOW, trigger=upper, last=last)
    if ticket.reached_leg(last) is not None:
        raise ExchangeRefusal(RefusalCode.GTT_MET, last=last)
    is_low = last < LOW_PRICE
    least = LOW_DISTANCE if is_low else last * DISTANCE_PCT / 100
    for leg in ticket.legs:
        if abs(leg.trigger - last) <= least:
            shown = f"{LOW_DISTANCE}" if is_low else f"{DISTANCE_PCT}%"
            raise ExchangeRefusal(RefusalCode.GTT_TOO_CLOSE, distance=shown)


def _check_leg(leg: GttLeg, instrument: Instrument) -> None:
    allowed = allowed_products(instrument.kind) - {INTRADAY}
    if leg.product not in allowed:
        raise ExchangeRefusal(RefusalCode.BAD_PRODUCT, symbol=instrument.symbol, allowed=" or ".join(sorted(allowed)))
    if not leg.quantity.is_finite() or leg.quantity <= 0:
        raise ExchangeRefusal(RefusalCode.BAD_QUANTITY)
    if not instrument.is_on_lot(leg.quantity):
        raise ExchangeRefusal(RefusalCode.OFF_LOT, lot=instrument.lot_size)
    for name, price in (("price", leg.price), ("trigger price", leg.trigger)):
        _check_price(name, price)
        if not instrument.is_on_tick(price):
            raise ExchangeRefusal(RefusalCode.OFF_TICK, name=name, tick=instrument.tick_size)


def _check_price(name: str, price: Decimal) -> None:
    if not price.is_finite() or price <= 0:
        raise ExchangeRefusal(RefusalCode.BAD_PRICE, name=name)
