"""When the sessions of some instruments open, for what is counted from there; live and past ask here."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.domain.instrument import Instrument
from tradebot.errors import DataError
from tradebot.indicators.opens import HOME, Opens
from tradebot.markets.exchanges import opening_of, zone_of


def opens_of(instruments: Sequence[Instrument]) -> Opens:
    """Return when the sessions of instruments open. Raises DataError for exchanges that open apart from each other."""
    found = {(zone_of(i.exchange), opening_of(i.exchange)) for i in instruments}
    if len(found) > 1:
        places = ", ".join(sorted({i.exchange for i in instruments}))
        raise DataError(f"exchanges of different hours cannot be traded together: {places}")
    return Opens(*found.pop()) if found else HOME
