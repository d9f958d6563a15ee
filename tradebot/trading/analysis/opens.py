"""When the sessions of some instruments open, for what is counted from there; live and past ask here."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.domain.instrument import Instrument
from tradebot.indicators.opens import Opens
from tradebot.markets.market import market_of_all


def opens_of(instruments: Sequence[Instrument]) -> Opens:
    """Return when the sessions of instruments open. Raises DataError for exchanges that open apart from each other."""
    market = market_of_all(i.exchange for i in instruments)
    return Opens(market.zone, market.opens)
