"""Strategies and fill models drawn at random, and what of a result is the same however its bars were walked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.domain.market import BarSeries
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.exchange.slippage import Slippage
from tradebot.strategies.loading import StrategySpec

CODE = '''"""A strategy drawn at random: averages that cross or stand above each other, and any protection."""
from tradebot.indicators.expressions import crossed_above, crossed_below, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class Drawn(Strategy):
    fast, slow = Param(3), Param(7)
    crosses, shorts, exits = Param(True), Param(True), Param(True)
    stop, trail, target = Param(0.0), Param(0.0), Param(0.0)

    def rules(self, bars):
        fast, slow = ta.EMA(bars.close, self.fast), ta.SMA(bars.close, self.slow)
        up = crossed_above(fast, slow) if self.crosses else fast > slow
        down = crossed_below(fast, slow) if self.crosses else fast < slow
        return Rules(
            enter_long=up,
            exit_long=down if self.exits else None,
            enter_short=down if self.shorts else None,
            exit_short=up if self.exits and self.shorts else None,
            stop_loss=(bars.close - self.stop, bars.close + self.stop) if self.stop else None,
            trail_by=self.trail or None,
            target=(bars.close + self.target, bars.close - self.target) if self.target else None,
        )
'''
LEVEL = st.sampled_from([0.0, 0.3, 1.0, 2.5])


@st.composite
def specs(draw: st.DrawFn) -> StrategySpec:
    params = {
        "fast": draw(st.integers(2, 6)),
        "slow": draw(st.integers(3, 12)),
        "crosses": draw(st.booleans()),
        "shorts": draw(st.booleans()),
        "exits": draw(st.booleans()),
        "stop": draw(LEVEL),
        "trail": draw(LEVEL),
        "target": draw(LEVEL),
    }
    return StrategySpec(name="drawn", reference="drawn.py:Drawn", params=params, code=CODE)


@st.composite
def matchings(draw: st.DrawFn) -> BarFillModel:
    slippage = draw(st.sampled_from(["none", "2ticks", "5bps", "spread:0.1", "volume:10"]))
    return BarFillModel(
        slippage=Slippage.parse(slippage),
        latency_bars=draw(st.sampled_from([0, 0, 1, 2])),
        latency_s=draw(st.sampled_from([0.0, 0.0, 0.5])),
        participation=draw(st.sampled_from([None, None, Decimal("0.3")])),
    )


def comparable(result: Result) -> dict[str, Any]:
    """Everything of a result that must not depend on which bars were walked."""
    rows = {
        part: {name: getattr(columns, name).tolist() for name in columns.__struct_fields__ if name != "reason"}
        for part in ("order_rows", "fill_rows", "trade_rows")
        for columns in [getattr(result, part)]
    }
    counts = {name: n for name, n in result.counts.items() if name != "visited"}
    words = [result.texts[code] for code in result.order_rows.reason.tolist()]
    return {"rows": rows, "counts": counts, "words": words, "equity": result.equity_units.tolist()}


def run_both_ways(asked: Any, series: dict[str, BarSeries]) -> tuple[Result, Result]:
    return run_backtest(asked, series), run_backtest(msgspec.structs.replace(asked, every_bar=True), series)
