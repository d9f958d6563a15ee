"""The eleven indicators of the benchmarks in our own form; `rivals/indicator_set.py` has them in pandas and TA-Lib."""

from __future__ import annotations

from tradebot.indicators.expressions import Bars, session_vwap, ta
from tradebot.indicators.node import Node
from tradebot.indicators.plan import ExpressionPlan

INDICATOR_NAMES = (
    *("SMA20", "EMA12", "EMA26", "MACD", "MACD signal", "MACD hist", "RSI14", "ATR14"),
    *("BB upper", "BB middle", "BB lower", "STOCH k", "STOCH d", "ADX14", "VWAP", "OBV"),
)


def indicator_plan() -> ExpressionPlan:
    """Return the plan of the indicators; its roots are in the order of INDICATOR_NAMES."""
    return ExpressionPlan(indicator_expressions(Bars()))


def indicator_expressions(bars: Bars) -> list[Node]:
    """Return the indicators as expressions, in the order of INDICATOR_NAMES."""
    close = bars.close
    return [
        ta.SMA(close, 20),
        ta.EMA(close, 12),
        ta.EMA(close, 26),
        *ta.MACD(close),
        ta.RSI(close, 14),
        ta.ATR(bars, 14),
        *ta.BBANDS(close, 20),
        *ta.STOCH(bars, 14, 3, 0, 3, 0),
        ta.ADX(bars, 14),
        session_vwap(bars),
        ta.OBV(bars),
    ]
