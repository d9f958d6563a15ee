"""When the sessions of instruments open, for values counted from the open. Live runs and backtests use it."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.domain.instrument import Instrument
from tradebot.indicators.session_opens import SessionOpens
from tradebot.markets.market import common_market


def session_opens_of(instruments: Sequence[Instrument]) -> SessionOpens:
    """Return when the sessions of instruments open. Raises DataError for exchanges with different opens."""
    market = common_market(i.exchange for i in instruments)
    return SessionOpens(market.zone_name, market.opens)
