"""The figures of a backtest, held against empyrical where it has them and against hand-made books where it has not."""

from __future__ import annotations

import warnings
from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.backtest import metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import empyrical

CASH = 50_000.0
NO_TRADES = pd.DataFrame(
    {name: pd.Series(dtype=float) for name in ("gross", "charges", "net", "bars")}
    | {name: pd.Series(dtype="datetime64[ns, UTC]") for name in ("entered_at", "exited_at")}
)
NO_FILLS = pd.DataFrame({name: pd.Series(dtype=float) for name in ("qty", "price", "charges")})


def curve(returns: list[float], freq: str = "B") -> pd.Series:
    index = pd.date_range("2026-01-05 15:30", periods=len(returns), freq=freq, tz="Asia/Kolkata", name="ts")
    return pd.Series(CASH * np.cumprod(1 + np.array(returns)), index=index)


@settings(max_examples=30)
@given(st.lists(st.floats(-0.2, 0.25).map(lambda r: round(r, 4)), min_size=3, max_size=300))
def test_the_figures_of_a_curve_are_those_of_empyrical(returns: list[float]) -> None:
    # given
    equity = curve(returns)
    daily = pd.Series(metrics.daily_returns(equity, cash=CASH), index=equity.index)

    # when
    found = metrics.performance_figures(equity, NO_TRADES, NO_FILLS, cash=CASH)

    # then
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {
            "total_return": empyrical.cum_returns_final(daily),
            "cagr": empyrical.cagr(daily),
            "volatility": empyrical.annual_volatility(daily),
            "sharpe": empyrical.sharpe_ratio(daily),
            "sortino": empyrical.sortino_ratio(daily),
            "calmar": empyrical.calmar_ratio(daily),
            "max_drawdown": empyrical.max_drawdown(daily),
            "value_at_risk": empyrical.value_at_risk(daily),
        }
    for name, value in theirs.items():
        ours = found[name]
        if ours is None:  # ours is None where theirs is infinite, not a number, or noise over a spread of nothing
            assert not np.isfinite(value) or daily.std() < 1e-9 or daily.min() >= -1e-12, name
        elif daily.std() > 1e-9 and (name not in ("sortino", "calmar") or daily.min() < -1e-9):
            assert ours == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_many_points_a_day_give_the_returns_of_the_days() -> None:
    # given two days of three points, the zone's days and not those of UTC
    index = pd.DatetimeIndex(
        [f"2026-01-{day} {hour}" for day in ("05", "06") for hour in ("00:30", "10:00", "23:00")], tz="Asia/Kolkata"
    )
    equity = pd.Series([101.0, 99, 110, 120, 90, 99], index=index)

    daily = metrics.daily_returns(equity, cash=100)

    assert daily == pytest.approx([0.10, -0.10])


def test_a_day_that_ends_at_midnight_is_the_day_before() -> None:
    index = pd.DatetimeIndex(["2026-01-05 12:00", "2026-01-06 00:00", "2026-01-07 00:00"], tz=UTC)
    assert metrics.daily_returns(pd.Series([150.0, 110, 99], index=index), cash=100) == pytest.approx([0.1, -0.1])


def test_a_drawdown_is_deepest_between_the_closes_of_days() -> None:
    index = pd.date_range("2026-01-05 09:15", periods=3, freq="h", tz="Asia/Kolkata")
    found = metrics.performance_figures(pd.Series([120.0, 60, 120], index=index), NO_TRADES, NO_FILLS, cash=100)
    assert found["max_drawdown"] == pytest.approx(-0.5)
    assert found["drawdown_days"] == pytest.approx(2 / 24)


def test_a_drawdown_that_never_ends_lasts_to_the_end() -> None:
    found = metrics.drawdown_days(curve([0.1, -0.1, 0.01, 0.01], freq="D"), cash=CASH)
    assert found == pytest.approx(3)


def test_a_year_of_a_market_without_weekends_has_365_days() -> None:
    assert metrics.returns_per_year(curve([0.0] * 14, freq="D")) == 365
    assert metrics.returns_per_year(curve([0.0] * 14)) == 252


@pytest.mark.parametrize(("freq", "points"), [("W-MON", 52.18), ("MS", 12.0), ("BMS", 12.0)])
def test_a_year_of_longer_bars_has_as_many_as_the_calendar(freq: str, points: float) -> None:
    assert metrics.returns_per_year(curve([0.0] * 261, freq=freq)) == pytest.approx(points, abs=0.02)


def test_a_year_has_the_days_that_were_traded_and_not_those_of_a_textbook() -> None:
    year = curve([0.0] * 261)
    assert metrics.returns_per_year(year.iloc[::2]) == pytest.approx(130.5, abs=0.5)


def test_weekly_returns_that_double_in_five_years_are_fifteen_percent_a_year() -> None:
    # given 260 weeks, up 1% and down by what leaves twice as much in the end
    equity = curve([0.01, 2 ** (1 / 130) / 1.01 - 1] * 130, freq="W-MON")
    weekly = pd.Series(metrics.daily_returns(equity, cash=CASH), index=equity.index)

    # when
    found = metrics.performance_figures(equity, NO_TRADES, NO_FILLS, cash=CASH)

    # then
    assert found["total_return"] == pytest.approx(1.0)
    assert found["cagr"] == pytest.approx(0.14925, abs=1e-5)
    assert found["volatility"] == pytest.approx(0.0529, abs=5e-5)
    assert found["sharpe"] == pytest.approx(2.66, abs=5e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = 365.25 / 7
        assert found["cagr"] == pytest.approx(empyrical.cagr(weekly, annualization=points), rel=1e-9)
        assert found["volatility"] == pytest.approx(empyrical.annual_volatility(weekly, annualization=points), rel=1e-9)
        assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(weekly, annualization=points), rel=1e-9)
        assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(weekly, annualization=points), rel=1e-9)


def test_a_fifth_more_over_twenty_five_years_of_weeks_is_less_than_a_percent_a_year() -> None:
    weeks = 25 * 52 + 4  # a share's close, 2000 to 2025
    equity = curve([1.1891 ** (1 / weeks) - 1] * weeks, freq="W-MON")
    assert metrics.performance_figures(equity, NO_TRADES, NO_FILLS, cash=CASH)["cagr"] == pytest.approx(
        0.0069, abs=1e-4
    )


def test_returns_of_an_account_in_debt_are_none() -> None:
    equity = curve([0.1, -1.5, 0.5, 0.5])
    found = metrics.performance_figures(equity, NO_TRADES, NO_FILLS, cash=CASH)
    assert [found[name] for name in ("cagr", "volatility", "sharpe", "sortino", "value_at_risk")] == [None] * 5
    assert found["net"] is not None
    assert found["net"] < 0


def test_trades_are_counted_before_and_after_costs() -> None:
    # given three trades over ten minutes: won, lost to costs alone, lost
    index = pd.date_range("2026-01-05 09:15", periods=10, freq="min", tz=UTC)
    trades = pd.DataFrame(
        {
            "entered_at": index[[1, 4, 5]],
            "exited_at": index[[3, 6, 7]],
            "gross": [100.0, 5.0, -50.0],
            "charges": [10.0, 10.0, 10.0],
            "net": [90.0, -5.0, -60.0],
            "bars": [2, 2, 2],
        }
    )
    fills = pd.DataFrame({"qty": [10, 10], "price": [100.0, 110.0], "charges": [15.0, 16.0]})
    equity = pd.Series(1000.0, index=index)
    equity.iloc[-1] = 1020  # a position is open at the end

    # when
    found = metrics.performance_figures(equity, trades, fills, cash=1000)

    # then
    assert found["trades"] == 3
    assert found["win_rate"] == pytest.approx(1 / 3)
    assert found["profit_factor"] == pytest.approx(90 / 65)
    assert found["expectancy"] == pytest.approx(25 / 3)
    assert (found["gross"], found["charges"], found["net"]) == (51, 31, 20)
    assert found["cost_share"] == pytest.approx(30 / 105)
    assert found["exposure"] == pytest.approx(0.5)  # minutes 1, 2, 4, 5 and 6 of ten
    assert found["turnover"] == pytest.approx(2100 / 1002 / (9 * 60 / metrics.YEAR_S))


def test_what_is_not_defined_is_none_and_never_infinite() -> None:
    nothing = pd.Series([], index=pd.DatetimeIndex([], tz=UTC), dtype=float)
    empty = metrics.performance_figures(nothing, NO_TRADES, NO_FILLS, cash=CASH)
    flat = metrics.performance_figures(curve([0.0, 0.0]), NO_TRADES, NO_FILLS, cash=CASH)
    assert list(empty) == list(metrics.LABELS)
    assert empty["sharpe"] is None
    assert empty["max_drawdown"] == 0
    assert flat["sharpe"] is flat["calmar"] is flat["profit_factor"] is None


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("total_return", 0.1234, "12.34%"), ("net", -1234.5, "-1,234.50"), ("trades", 1234.0, "1,234"),
        ("sharpe", 1.234, "1.23"), ("sharpe", None, "-"),
    ],
)  # fmt: skip
def test_a_figure_is_read_by_its_kind(name: str, value: float | None, read: str) -> None:
    assert metrics.LABELS[name].format_value(value) == read


def test_money_bears_its_currency_where_it_is_told() -> None:
    assert metrics.LABELS["net"].format_value(5.0, currency="INR") == "5.00 INR"
