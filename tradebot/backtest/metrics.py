"""The figures of a backtest: returns, risk and trades, from the equity curve and the trades; shown by the report.

All are statistics, so they are floats here; money in the ledger stays exact. A figure that is not defined, such as the
Sharpe ratio of one day, is None, never 0 or infinity. Returns are those of calendar days in the zone of the curve's
index, or of longer bars: bars of any length below a day give the same figures. The number of returns a year is counted
on the calendar that the curve spans: 52 weeks, 12 months, or the days that its market traded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.clock import DAY
from tradebot.domain.market import Floats

WEEKDAYS, EVERY_DAY = 252, 365  # trading days of a year where weekends are closed, and where they are not
YEAR_S = 365.25 * 86_400

Figures = dict[str, float | int | None]


class FigureLabel(NamedTuple):
    """How people read one figure: its name, and its kind: `percent`, `ratio`, `money`, `count` or `days`."""

    text: str
    kind: str

    def format_value(self, value: float | None, *, currency: str = "") -> str:
        """Return a figure as people read it, `-` for None; money shows `currency` if that is given."""
        if value is None:
            return "-"
        match self.kind:
            case "percent":
                return f"{value:.2%}"
            case "money":
                return f"{value:,.2f} {currency}".rstrip()
            case "count":
                return f"{value:,.0f}"
            case "days":
                return f"{value:,.1f} days"
            case _:
                return f"{value:,.2f}"


LABELS = {
    "total_return": FigureLabel("Total return", "percent"),
    "cagr": FigureLabel("Return a year (CAGR)", "percent"),
    "volatility": FigureLabel("Volatility a year", "percent"),
    "sharpe": FigureLabel("Sharpe", "ratio"),
    "sortino": FigureLabel("Sortino", "ratio"),
    "calmar": FigureLabel("Calmar", "ratio"),
    "max_drawdown": FigureLabel("Deepest drawdown", "percent"),
    "drawdown_days": FigureLabel("Longest drawdown", "days"),
    "value_at_risk": FigureLabel("Worst return in twenty", "percent"),
    "trades": FigureLabel("Trades", "count"),
    "win_rate": FigureLabel("Winners", "percent"),
    "profit_factor": FigureLabel("Profit factor", "ratio"),
    "expectancy": FigureLabel("Average trade, net", "money"),
    "average_win": FigureLabel("Average winner", "money"),
    "average_loss": FigureLabel("Average loser", "money"),
    "average_bars": FigureLabel("Average trade, bars", "ratio"),
    "exposure": FigureLabel("Time in the market", "percent"),
    "turnover": FigureLabel("Turnover a year", "ratio"),
    "gross": FigureLabel("Profit before costs", "money"),
    "charges": FigureLabel("Costs", "money"),
    "net": FigureLabel("Profit after costs", "money"),
    "cost_share": FigureLabel("Costs of gross winnings", "percent"),
}


def performance_figures(equity: pd.Series, trades: pd.DataFrame, fills: pd.DataFrame, *, cash: float) -> Figures:
    """Return every figure of LABELS, in that order, for a curve that began with `cash`.

    `equity` is indexed by time with a zone, oldest first; `trades` has `entered_at`, `exited_at`, `gross`, `charges`,
    `net` and `bars`; `fills` has `qty`, `price` and `charges`.
    """
    daily = daily_returns(equity, cash=cash)
    days = returns_per_year(equity)
    values = np.concatenate([[cash], equity.to_numpy(np.float64)])
    deepest = max_drawdown(values)
    grown = cagr(daily, days)
    found: Figures = {
        "total_return": _finite(values[-1] / cash - 1),
        "cagr": grown,
        "volatility": annual_volatility(daily, days),
        "sharpe": sharpe_ratio(daily, days),
        "sortino": sortino_ratio(daily, days),
        "calmar": None if grown is None or not deepest else grown / -deepest,
        "max_drawdown": deepest,
        "drawdown_days": drawdown_days(equity, cash=cash),
        "value_at_risk": value_at_risk(daily),
    }
    found |= trade_figures(trades)
    # Of the account, not of closed trades: a position that is still open counts at its last price.
    charged = float(fills["charges"].to_numpy(np.float64).sum())
    found |= {"gross": float(values[-1] - cash) + charged, "charges": charged, "net": float(values[-1] - cash)}
    found["exposure"] = time_in_market(equity, trades)
    found["turnover"] = annual_turnover(equity, fills)
    return {name: found.get(name) for name in LABELS}


def daily_returns(equity: pd.Series, *, cash: float) -> Floats:
    """Return the return of each day that has a point, against the last point of the day before; shape (days,).

    Empty if a day before ended at or below 0: a return on nothing or on a debt is not defined.
    """
    if equity.empty:
        return np.empty(0)
    assert isinstance(equity.index, pd.DatetimeIndex), f"equity is indexed by time, not by {equity.index.dtype}"
    last = equity.astype(np.float64).groupby(last_instants(equity.index).normalize()).last().to_numpy()
    before = np.concatenate([[cash], last[:-1]])
    return np.asarray(last / before - 1) if (before > 0).all() else np.empty(0)


def last_instants(ends: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the last instant inside each bar: a bar that ends at midnight belongs to the day that it traded on."""
    return ends - pd.Timedelta(1, "ns")


def returns_per_year(equity: pd.Series) -> float:
    """Return how many `daily_returns` a year has, by the calendar from the curve's first day to its last.

    At most 365, and 252 where the curve has no weekends: a week of five days does not show the holidays.
    """
    days = last_instants(pd.DatetimeIndex(equity.index)).tz_localize(None).normalize().unique()
    most = EVERY_DAY if len(days) and bool((days.day_of_week >= 5).mean() > 0.1) else WEEKDAYS
    years = (days[-1] - days[0]).total_seconds() / YEAR_S if len(days) > 1 else 0.0
    return min((len(days) - 1) / years, most) if years else most


def cagr(daily: Floats, days: float = WEEKDAYS) -> float | None:
    """Return the annual growth: product of (1 + r) to the power of `days`/n, less 1. None without a day or money."""
    if not len(daily):
        return None
    end = float(np.prod(1 + daily))
    return _finite(end ** (days / len(daily)) - 1) if end > 0 else None


def annual_volatility(daily: Floats, days: float = WEEKDAYS) -> float | None:
    """Return the standard deviation (n - 1) of daily returns times the root of `days`."""
    return float(np.std(daily, ddof=1) * math.sqrt(days)) if len(daily) > 1 else None


def sharpe_ratio(daily: Floats, days: float = WEEKDAYS) -> float | None:
    """Return mean over standard deviation (n - 1) of daily returns times the root of `days`.

    The risk-free rate is 0 (Sharpe 1994).
    """
    spread = float(np.std(daily, ddof=1)) if len(daily) > 1 else 0.0
    return float(np.mean(daily)) / spread * math.sqrt(days) if spread > 0 else None


def sortino_ratio(daily: Floats, days: float = WEEKDAYS) -> float | None:
    """Return mean over downside deviation of daily returns times the root of `days`.

    The downside deviation is the root of the mean over all days of min(r, 0) squared (Sortino and Price 1994).
    """
    below = math.sqrt(float(np.mean(np.minimum(daily, 0) ** 2))) if len(daily) > 1 else 0.0
    return float(np.mean(daily)) / below * math.sqrt(days) if below > 0 else None


def drawdown_series(values: Floats) -> Floats:
    """Return how far each point is below the highest before it, as a share of that: 0 or negative, same shape."""
    return np.asarray(values / np.maximum.accumulate(values) - 1)


def max_drawdown(values: Floats) -> float | None:
    """Return the deepest of `drawdown_series`; None without a point."""
    return float(drawdown_series(values).min()) if len(values) else None


def drawdown_days(equity: pd.Series, *, cash: float) -> float | None:
    """Return the longest time in days from a peak to the first point that reaches it again, or to the end."""
    if equity.empty:
        return None
    values = equity.to_numpy(np.float64)
    stamps = pd.DatetimeIndex(equity.index).as_unit("ns").asi8
    top = np.maximum.accumulate(np.maximum(values, cash))
    at_top = values >= top
    since = np.maximum.accumulate(np.where(at_top, stamps, stamps[0]))
    # The point that reaches the top again ends the time under water, so it counts from the top before it.
    before = np.concatenate([stamps[:1], since[:-1]])
    is_under = ~at_top | np.concatenate([[False], ~at_top[:-1]])
    return float(np.max(np.where(is_under, stamps - before, 0)) / DAY)


def value_at_risk(daily: Floats, share: float = 0.05) -> float | None:
    """Return the return that a `share` of the days fell below, by linear interpolation between days."""
    return float(np.quantile(daily, share)) if len(daily) > 1 else None


def trade_figures(trades: pd.DataFrame) -> Figures:
    """Return the figures that closed trades give alone; a trade that nets exactly 0 is not a winner."""
    net, gross, charges = (trades[name].to_numpy(np.float64) for name in ("net", "gross", "charges"))
    won, lost = net[net > 0], net[net < 0]
    winnings = float(gross[gross > 0].sum())
    count = len(net)
    return {
        "trades": count,
        "win_rate": len(won) / count if count else None,
        "profit_factor": float(won.sum() / -lost.sum()) if len(lost) else None,
        "expectancy": float(net.mean()) if count else None,
        "average_win": float(won.mean()) if len(won) else None,
        "average_loss": float(lost.mean()) if len(lost) else None,
        "average_bars": float(trades["bars"].to_numpy(np.float64).mean()) if count else None,
        "cost_share": float(charges.sum()) / winnings if winnings > 0 else None,
    }


def time_in_market(equity: pd.Series, trades: pd.DataFrame) -> float | None:
    """Return the share of the curve's points at which a trade, closed later, was open; its size does not count."""
    if equity.empty:
        return None
    stamps = pd.DatetimeIndex(equity.index)
    steps = np.zeros(len(stamps) + 1, np.int64)
    np.add.at(steps, stamps.searchsorted(pd.DatetimeIndex(trades["entered_at"])), 1)
    np.add.at(steps, stamps.searchsorted(pd.DatetimeIndex(trades["exited_at"])), -1)
    return float(np.mean(np.cumsum(steps[:-1]) > 0))


def annual_turnover(equity: pd.Series, fills: pd.DataFrame) -> float | None:
    """Return the value of all fills over the average equity, per year."""
    stamps = pd.DatetimeIndex(equity.index)
    seconds = (stamps[-1] - stamps[0]).total_seconds() if len(stamps) else 0.0
    average = float(equity.to_numpy(np.float64).mean()) if len(stamps) else 0.0
    if seconds <= 0 or average <= 0:
        return None
    traded = float((fills["qty"].to_numpy(np.float64) * fills["price"].to_numpy(np.float64)).sum())
    return traded / average / (seconds / YEAR_S)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
