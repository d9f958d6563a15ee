"""Market protection where the client leaves it to the broker: percent of the last price, by a table."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.instrument import Instrument, InstrumentKind

# (last prices below this, percent); the last row is for all higher prices.
PROTECTION = ((Decimal(100), Decimal(2)), (Decimal(500), Decimal(1)), (None, Decimal("0.5")))
OPTION_PROTECTION = (
    (Decimal(10), Decimal(5)),
    (Decimal(100), Decimal(3)),
    (Decimal(500), Decimal(2)),
    (None, Decimal(1)),
)


def automatic_protection(instrument: Instrument, last: Decimal) -> Decimal:
    """Return the percent of an order that leaves its market protection to the broker, at the price `last`."""
    table = OPTION_PROTECTION if instrument.kind is InstrumentKind.OPTION else PROTECTION
    return next(percent for below, percent in table if below is None or last < below)
