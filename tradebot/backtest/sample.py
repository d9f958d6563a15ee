"""Sample bars: some months of an invented market, for a first backtest without data.

They are the past of the embedded exchange, so a backtest on them and `tradebot run` trade the same market. They are
made on demand, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta

from tradebot.clock import MINUTE
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.markets.calendar import ist_to_ns
from tradebot.markets.listing import universe_for
from tradebot.markets.market import common_market

SYMBOLS = ("RELIANCE", "TCS", "INFY")
SEED = 7
LAST_DAY = date(2026, 6, 30)  # a trading day; the sample ends before it


def sample_bars(
    symbols: Sequence[str] = SYMBOLS, *, days: int = 90, interval_ns: int = MINUTE, seed: int = SEED
) -> tuple[Universe, dict[str, BarSeries]]:
    """Return instruments and their bars (symbol -> oldest first) of the sessions in the `days` before LAST_DAY.

    `interval_ns` is the length of a bar.
    """
    universe = universe_for(symbols, on=LAST_DAY)
    calendar = common_market(i.exchange for i in universe).calendar
    session = calendar.session_on(LAST_DAY)
    assert session is not None, f"{LAST_DAY} is a trading day"
    prices = SyntheticPrices(
        universe, seed=seed, opens_at=session.opens_at, closes_at=session.closes_at, step_ns=MINUTE, calendar=calendar
    )
    start, end = (ist_to_ns(LAST_DAY - timedelta(days=back), time(0)) for back in (days, 0))
    return universe, {
        instrument.symbol: prices.bar_series(id_, interval_ns=interval_ns, start_at=start, end_at=end)
        for id_, instrument in enumerate(universe)
    }
