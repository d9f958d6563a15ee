"""Warns at start of instruments of which one lot costs more than an entry's money, before a signal fails on that."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from tradebot.domain.instrument import Instrument

Priced = tuple[Instrument, Decimal, Decimal]  # (instrument, its lowest price, its highest price)


def unaffordable_lots(priced: Iterable[Priced], order_notional: Decimal) -> tuple[str, ...]:
    """Return a sentence for each instrument whose lot costs more than `order_notional` at its highest price."""
    found = []
    for instrument, low, high in priced:
        least, most = low * instrument.lot_size, high * instrument.lot_size
        if not instrument.is_tradable or most <= order_notional:
            continue
        name = f"{instrument.symbol}: one lot of {instrument.lot_size:f} costs"
        if least > order_notional:
            cost = f"{least:,.2f}" if least == most else f"{least:,.2f} to {most:,.2f}"
            found.append(f"{name} {cost}, more than order_notional {order_notional:,f}: no entry sized by it is made")
        else:
            found.append(
                f"{name} up to {most:,.2f}: where that is more than order_notional {order_notional:,f}, no entry sized "
                "by it is made"
            )
    return tuple(found)
