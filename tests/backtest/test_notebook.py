"""Backtests from Python: classes and frames in, frames and a page out, with or without a running event loop."""

from __future__ import annotations

import ast
import asyncio
import importlib
import subprocess
import sys
from datetime import date, time
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.backtest.notebook_cells import Mine, frame
from tradebot.backtest import metrics, report_data
from tradebot.backtest.exchange_settings import exchange_settings
from tradebot.backtest.input_frames import bars_from_frames
from tradebot.clock import DAY
from tradebot.domain.market import Bar
from tradebot.domain.messages import Action
from tradebot.errors import ConfigError, DataError
from tradebot.history.interval import interval_name
from tradebot.indicators.expressions import Bars, crossed_above, lag, opening_range, resample, ta
from tradebot.strategies.frame_strategy import FrameStrategy
from tradebot.strategies.strategy import Holding, Intent, Rules, Strategy
from tradebot.trading.analysis.session_opens import session_opens_of


def test_a_class_and_a_frame_give_frames_figures_and_a_page(tmp_path: Path) -> None:
    # when
    tested = tradebot.backtest(Mine, frame(), cash=50_000, window=10)

    # then
    assert tested.result.job.strategies[0].params == {"window": 10}
    assert len(tested.trades) > 5
    assert len(tested.orders) >= len(tested.fills) > 0
    assert tested.stats["trades"] == len(tested.trades)
    assert tested.equity.iloc[-1] == pytest.approx(50_000 + tested.trades["net"].sum(), abs=5_000)
    assert str(tested.equity.index.tz) == "Asia/Kolkata"
    assert tested.report(tmp_path / "out.html").stat().st_size < 400_000
    assert {check.name for check in tested.checks} >= {"look_ahead", "costs", "slippage"}


def test_bars_of_the_exchange_are_traded_in_its_sessions_and_billed_as_intraday() -> None:
    minutes = frame()
    days = minutes.resample("1D").agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})

    tested, around = tradebot.backtest(Mine, minutes), tradebot.backtest(Mine, minutes, market="always")
    by_day = tradebot.backtest(Mine, days.dropna(), window=2)

    # flat before the day is over, or delivered and taxed for it
    assert (tested.trades["entered_at"].dt.date == tested.trades["exited_at"].dt.date).all()
    assert (around.trades["entered_at"].dt.date < around.trades["exited_at"].dt.date).any()
    assert (tested.result.job.hours.market, tested.result.job.desk.product) == ("nse", "MIS")
    assert (by_day.result.job.hours.market, by_day.result.job.desk.product) == ("always", "CNC")
    assert around.result.job.desk.product == "CNC"
    assert any("for delivery (CNC)" in truth for truth in around.result.truths)
    assert any("around the clock" in truth for truth in around.result.truths)
    assert any("entries until 15:00" in truth for truth in tested.result.truths)
    assert tradebot.backtest(Mine, minutes, market="always", allow_short=True).result.job.desk.product == "MIS"
    outside = minutes.set_axis(minutes.index + pd.Timedelta("8h"))
    assert tradebot.backtest(Mine, outside).result.job.hours.market == "always"


def test_a_delivery_is_billed_as_the_broker_does_it() -> None:
    bought, sold = 100 * 1_000.0, 100 * 1_100.0
    index = pd.date_range("2025-06-02", periods=6, freq="D", tz="Asia/Kolkata")
    prices = [1_000.0, 1_000.0, 1_000.0, 1_000.0, 1_100.0, 1_100.0]

    class Held(Strategy):
        seen = 0

        def decide(self, bar: Bar, now: int, position: Holding) -> Intent | None:
            self.seen += 1
            wishes = {1: Intent(Action.ENTER_LONG, quantity=100), 4: Intent(Action.EXIT_LONG)}
            return wishes.get(self.seen)

    days = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), prices) | {"volume": 10**6}, index=index)
    tested = tradebot.backtest(Held, days, cash=10**6, order_notional=10**6)

    def bill(turnover: float, *, stamp_pct: float) -> float:
        fee, sebi = round(turnover * 0.0000297, 2), round(turnover * 0.000001, 2)
        tax, stamp = round(turnover * 0.001, 2), round(turnover * stamp_pct / 100, 2)
        return tax + stamp + fee + sebi + round((fee + sebi) * 0.18, 2)

    expected = [bill(bought, stamp_pct=0.015), bill(sold, stamp_pct=0) + 15.34]  # the depository's fee of the day
    assert tested.fills["charges"].tolist() == pytest.approx(expected)


def test_a_loop_that_runs_already_is_no_hindrance() -> None:
    async def cell() -> Any:
        return tradebot.backtest("ema_cross", frame())

    assert asyncio.run(cell()).orders_hash == tradebot.backtest("ema_cross", frame()).orders_hash


def test_it_shows_itself_in_a_cell_without_markup_of_others() -> None:
    tested = tradebot.backtest(Mine, {"<b>M&M</b>": frame()})
    cell = tested._repr_html_()
    assert "&lt;b&gt;M&amp;M&lt;/b&gt;" in cell
    assert "<b>M&M</b>" not in cell
    assert "<svg" in cell
    assert "Profit after costs" in repr(tested)
    assert tested.plot()._repr_html_().startswith("<iframe srcdoc=")


def test_a_class_without_a_file_is_tested_and_its_faults_are_named() -> None:
    # given what a cell is: code that no file holds
    cell = """
import tradebot
from tests.backtest.notebook_cells import Mine, frame
from tradebot.strategies.strategy import Strategy

class Cell(Mine):
    def rules(self, bars):
        return super().rules(bars)

class Broken(Strategy):
    def rules(self, bars):
        return bars.nothing

print(len(tradebot.backtest(Cell, frame(days=3)).trades))
try:
    tradebot.backtest(Broken, frame(days=3))
except tradebot.errors.DataError as fault:
    print(fault)
"""
    ran = subprocess.run([sys.executable, "-c", cell], capture_output=True, text=True, timeout=50, check=False)
    assert ran.returncode == 0, ran.stderr
    trades, fault = ran.stdout.splitlines()
    assert int(trades) > 0
    assert fault.startswith("__main__.Broken: rules() fails at line 12: AttributeError")


def test_a_strategy_that_was_switched_off_is_named_wherever_the_result_is_shown() -> None:
    class Broken(Strategy):
        def decide(self, bar: Bar, now: int, position: Holding) -> None:
            raise ValueError("not today")

    tested = tradebot.backtest(Broken, frame(days=1))

    assert "Broken was switched off for BARS: ValueError: not today at bar 1" in repr(tested)
    assert "Broken was switched off for BARS: ValueError: not today at bar 1" in tested._repr_html_()


def test_a_class_made_anew_in_a_cell_is_another_strategy() -> None:
    def cell(window: int) -> type[Strategy]:
        class Again(Mine):
            """The class of one cell."""

            def rules(self, bars: Bars) -> Rules:
                return Rules(enter_long=bars.close > ta.SMA(bars.close, window))

        return Again

    first, second = (tradebot.backtest(cell(window), frame()).orders_hash for window in (5, 50))
    assert first != second


def test_many_symbols_come_as_a_dict_or_as_a_column() -> None:
    both = {"RELIANCE": frame(), "TCS": frame("TCS")}
    stacked = pd.concat([one.assign(symbol=name) for name, one in both.items()])
    assert tradebot.backtest(Mine, both).orders_hash == tradebot.backtest(Mine, stacked).orders_hash


def test_columns_and_times_are_taken_as_people_have_them() -> None:
    tidy = frame()
    capital = tidy.rename(columns=str.capitalize)
    broker = tidy.tz_localize(None).rename_axis("Date").reset_index()
    texts = broker.assign(Date=broker["Date"].astype(str))
    _, wanted, _ = bars_from_frames(tidy, exchange=exchange_settings())
    for other in (capital, broker, texts):
        _, found, _ = bars_from_frames(other, exchange=exchange_settings())
        assert all(
            (getattr(found["BARS"], n) == getattr(wanted["BARS"], n)).all() for n in ("starts", "open", "volume")
        )


def test_numbers_of_numpy_are_numbers() -> None:
    plain = tradebot.backtest(Mine, frame(days=2), cash=50_000, window=10, slippage_ticks=1)
    other = tradebot.backtest(
        Mine, frame(days=2), cash=np.int64(50_000), window=np.int64(10), slippage_ticks=np.int8(1)
    )
    assert plain.orders_hash == other.orders_hash


def test_prices_keep_their_decimals_and_quantities_theirs() -> None:
    index = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    coins = pd.DataFrame(
        {"open": [0.00012345, 0.000124, 0.000125], "volume": [1.5, 2.25, 3]}, index=index
    ).assign(high=lambda f: f["open"], low=lambda f: f["open"], close=lambda f: f["open"])  # fmt: skip
    (instrument,), series, _ = bars_from_frames(coins, exchange=exchange_settings(currency="USDT"))
    assert (instrument.price_decimals, instrument.quantity_decimals) == (8, 2)
    assert series["BARS"].open.tolist() == [12345, 12400, 12500]
    assert series["BARS"].volume.tolist() == [150, 225, 300]


NO_BARS = {"list": [1, 2, 3], "none": {}, "nothing": {"TCS": None}}


def broken(change: str) -> Any:
    if change in NO_BARS:
        return NO_BARS[change]
    bars = frame(days=3)
    row = bars.index[5]
    if change == "nan":
        bars.loc[row, "close"] = np.nan
    elif change == "zero":
        bars.loc[row, ["open", "low"]] = 0.0
    elif change == "twice":
        bars = pd.concat([bars.iloc[:6], bars.iloc[5:]])
    elif change == "unsorted":
        bars = bars.iloc[::-1]
    elif change == "low":
        bars.loc[row, "high"] = bars.loc[row, "low"] / 2
    elif change == "column":
        bars = bars.drop(columns="close")
    elif change == "one":
        bars = bars.iloc[:1]
    elif change == "times":
        bars = bars.reset_index(drop=True)
    elif change == "text":
        bars = bars.assign(open="many")
    elif change == "levels":  # as some downloads come
        bars.columns = pd.MultiIndex.from_product([bars.columns, ["TCS"]])
    elif change == "again":
        bars = pd.concat([bars, bars[["close"]]], axis=1)
    elif change == "far":
        bars.index = pd.date_range("3025-06-02", periods=len(bars), freq="min", unit="us")
    return bars


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("nan", "BARS: row 6 (2026-06-29T03:50:00+00:00) has a price that is no number; 1 such rows"),
        ("zero", "has a price of 0 or less"),
        ("twice", "BARS: row 7 (2026-06-29T03:50:00+00:00) has the time of the row before it"),
        ("unsorted", "sort the bars by time"),
        ("low", "has a high below, or a low above, its other prices"),
        ("column", "no column close"),
        ("one", "1 bars; at least two"),
        ("times", "no times: the index must hold them"),
        ("text", "the column open holds no numbers"),
        ("list", "must be a DataFrame or a dict of symbol to DataFrame, not list"),
        ("none", "there are no bars"),
        ("nothing", "TCS: its bars must be a DataFrame, not NoneType"),
        ("levels", "BARS: its columns have 2 levels"),
        ("again", "BARS: the column close is there more than once"),
        ("far", "beyond what nanoseconds reach"),
    ],
)
def test_bars_that_are_none_are_named_in_one_sentence(change: str, says: str) -> None:
    with pytest.raises(DataError) as refused:
        tradebot.backtest(Mine, broken(change))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cash": -1}, "cash must be a number"),
        ({"cash": "much"}, "cash must be a number"),
        ({"market": "moon"}, "market must be"),
        ({"windw": 5}, "Mine has no parameter windw; did you mean window"),
        ({"window": 500}, "window must be from 2 to 100, was 500"),
        ({"slippage_ticks": -1}, "slippage_ticks must be 0 or more"),
        ({"slippage_ticks": "a"}, "slippage_ticks must be 0 or more, and whole, was 'a'"),
        ({"cash": True}, "cash must be a number"),
    ],
)
def test_settings_that_are_none_are_named_in_one_sentence(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tradebot.backtest(Mine, frame(days=3), **options)


def test_what_type_checkers_are_told_is_what_python_finds() -> None:
    # A package that can be called is news to them: the stub beside it names the functions.
    stub = Path(tradebot.__file__).with_suffix(".pyi")
    told = {
        alias.asname: (node.module, alias.name)
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert {"__version__", *told} == set(dir(tradebot))
    for name, (module, attribute) in told.items():
        function = getattr(importlib.import_module(str(module)), attribute)
        assert callable(function)
        assert name == "backtest" or getattr(tradebot, name) is function


class FiveMinutes(Strategy):
    """Long while the close of five minutes is above that of the five before."""

    def rules(self, bars: Bars) -> Rules:
        five = resample(bars, "5m")
        return Rules(enter_long=five.close > lag(five.close), exit_long=five.close < lag(five.close))


def test_a_last_row_that_was_still_running_is_left_out_and_said() -> None:
    # given 300 minutes, and 30 s after the last a row that a download stamped with its own time
    whole = frame().iloc[:300]
    last = whole.iloc[-1:].set_axis(whole.index[-1:] + pd.Timedelta("30s"))
    wanted = tradebot.backtest(FiveMinutes, whole)
    assert len(wanted.fills) > 10

    # when
    with pytest.warns(UserWarning, match=r"the last row, 2026-06-25T14:14:30\+05:30, is left out"):
        found = tradebot.backtest(FiveMinutes, pd.concat([whole, last]))

    # then
    assert found.orders_hash == wanted.orders_hash
    assert found.result.job.interval == wanted.result.job.interval
    assert "was still running" in repr(found)
    assert any("was still running" in truth for truth in found.result.truths)


def test_a_row_between_others_is_no_bar_of_their_length() -> None:
    minutes = frame().iloc[:300]
    shifted = minutes.set_axis(minutes.index.where(np.arange(300) != 200, minutes.index + pd.Timedelta("30s")))
    with pytest.raises(DataError, match="begins before the 1m of the bar before are over; 1 such rows"):
        tradebot.backtest(FiveMinutes, shifted)


def test_the_length_of_a_bar_can_be_said() -> None:
    thin = frame().iloc[:300:2]
    found = tradebot.backtest(Mine, thin, interval="1m")
    assert found.result.job.interval == 60_000_000_000
    assert tradebot.backtest(Mine, thin).result.job.interval == 120_000_000_000


class Up(Strategy):
    """Always long."""

    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=bars.close > 0, exit_long=bars.close < 0)


def closes_of(index: pd.DatetimeIndex, **more: float) -> pd.DataFrame:
    close = pd.Series(100.0 + np.arange(len(index)) % 7, index=index)
    return pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1_000, **more})


@pytest.mark.parametrize(
    ("stamps", "name", "points"),
    [
        (pd.date_range("2020-01-06", periods=209, freq="W-MON"), "1w", 52.18),
        (pd.date_range("2020-01-06", periods=209, freq="W-FRI"), "1w", 52.18),
        (pd.date_range("2020-01-01", periods=49, freq="MS"), "1mo", 12.0),
        (pd.date_range("2020-01-31", periods=49, freq="ME"), "1mo", 12.0),
        (pd.date_range("2020-01-01", periods=49, freq="BMS"), "1mo", 12.0),
    ],
)
def test_weeks_and_months_are_traded_as_such(stamps: pd.DatetimeIndex, name: str, points: float) -> None:
    found = tradebot.backtest(Up, closes_of(stamps))
    assert interval_name(found.result.job.interval) == name
    assert metrics.returns_per_year(found.equity) == pytest.approx(points, abs=0.03)
    assert len(found.fills) == 1
    assert found.equity.index.is_monotonic_increasing
    assert f"bars of {name}" in report_data.report_data(found.result, found.series)["period"]


class Turns(Strategy):
    """In where the close rose, out where it fell, decided bar by bar."""

    def __init__(self) -> None:
        self.before = 0.0

    def decide(self, bar: Bar, now: int, position: Holding) -> Intent | None:
        is_up, self.before = float(bar.close) > self.before, float(bar.close)
        if is_up == (position.quantity == 0):
            return Intent(Action.ENTER_LONG if is_up else Action.EXIT_LONG)
        return None


@pytest.mark.parametrize(("freq", "name"), [("B", "1d"), ("W-MON", "1w")])
def test_days_and_weeks_of_new_york_are_such_where_clocks_go_forward(freq: str, name: str) -> None:
    stamps = pd.date_range("2023-01-02", "2024-06-28", freq=freq, tz="America/New_York")
    found = tradebot.backtest(Turns, closes_of(stamps), exchange="NASDAQ", accept_gaps=True)
    assert interval_name(found.result.job.interval) == name
    assert len(found.fills) > 20
    assert found.equity.index.is_monotonic_increasing
    # the past is the same with the spring left out
    assert {check.name: check.verdict for check in found.checks}["look_ahead"] == "pass"


@pytest.mark.parametrize(
    ("stamps", "says"),
    [
        (["02-01-2024 09:15", "03-01-2024 09:15"], "format='%d-%m-%Y %H:%M' or '%m-%d-%Y %H:%M'"),
        (["02-01-2024", "03-01-2024"], "row 1 of the column date, '02-01-2024', does not say one time alone"),
        (["13/01/2024", "14/01/2024"], "format='%d/%m/%Y'"),
        (["2024-01-02", "soon"], "row 2 of the column date, 'soon'"),
        (["2024-01-02 09:15+05:30", "2024-01-03 09:15"], "no times of one zone"),
        ([20240132, 20240201], "row 1 of the column date, '20240132'"),
        ([202401021530, 202401031530], "format='%Y%m%d%H%M'"),
        ([20240102153000, 20240103153000], "format='%Y%m%d%H%M%S'"),
        ([2401021530, 2401031530], "format='%y%m%d%H%M'"),
        ([1, 2], "row 1 of the column date, '1'"),
        (pd.DatetimeIndex([20240102, 20240103]), "numbers that were no counts since 1970"),
        ([True, False], "does not say one time alone"),
    ],
)
def test_times_that_may_be_others_are_refused_with_their_format(stamps: Any, says: str) -> None:
    bars = closes_of(pd.RangeIndex(2)).assign(date=stamps)
    with pytest.raises(DataError) as refused:
        tradebot.backtest(Up, bars)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "stamps",
    [
        [20240102, 20240103, 20240104],
        ["20240102", "20240103", "20240104"],
        [20240102.0, 20240103.0, 20240104.0],
        [1704133800, 1704220200, 1704306600],
        [1704133800000.0, 1704220200000.0, 1704306600000.0],
        ["2024-01-02", "2024-01-03", "2024-01-04"],
        ["2024-01-01T18:30:00Z", "2024-01-02T18:30:00Z", "2024-01-03T18:30:00Z"],
        pd.period_range("2024-01-02", periods=3, freq="D"),
        [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)],
    ],
)
@pytest.mark.parametrize("is_index", [True, False])
def test_days_are_read_however_they_are_written(stamps: Any, is_index: bool) -> None:
    bars = closes_of(pd.RangeIndex(3))
    bars = bars.set_axis(pd.Index(stamps)) if is_index else bars.assign(Date=stamps)
    _, series, notes = bars_from_frames(bars, exchange=exchange_settings())
    assert series["BARS"].starts.tolist() == [1704133800_000_000_000 + day * DAY for day in range(3)]
    assert (series["BARS"].interval, notes) == (DAY, ())


def test_bars_older_than_1980_are_taken_and_said() -> None:
    _, _, notes = bars_from_frames(
        closes_of(pd.date_range("1979-12-03", periods=60, freq="B")), exchange=exchange_settings()
    )
    assert notes == ("BARS: its bars begin on 1979-12-03, before 1980",)


def test_frames_are_as_sound_as_the_data_of_the_command() -> None:
    days = pd.date_range("2025-06-02", "2025-06-13", freq="B")
    whole = closes_of(days)
    split = whole.copy()
    split.loc[days[5] :, ["open", "high", "low", "close"]] /= 5
    minutes = frame().iloc[:700]
    holed = minutes[(np.arange(700) < 100) | (np.arange(700) >= 130)]

    assert len(tradebot.backtest(Up, whole).fills) == 1
    for bars, says in (
        (split, "looks like a split that was not adjusted on 2025-06-09: 1 share became 5"),
        (whole.drop(index=days[3]), "1 of 10 trading days have no bars: 2025-06-05"),
        (holed, "1 hole inside sessions, 30 bars of 1m"),
    ):
        with pytest.raises(DataError) as refused:
            tradebot.backtest(Up, bars)
        assert says in str(refused.value)
        assert str(refused.value).endswith("mend the data or say accept_gaps=True")
        assert len(tradebot.backtest(Up, bars, accept_gaps=True).fills) >= 1


def test_a_row_without_a_symbol_is_refused() -> None:
    stacked = frame(days=1).assign(symbol=["TCS"] * 374 + [None])
    with pytest.raises(DataError, match="row 375 has no symbol; 1 such rows"):
        tradebot.backtest(Mine, stacked)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ({}, ("NSE", "Asia/Kolkata", "INR")),
        ({"exchange": "bse"}, ("BSE", "Asia/Kolkata", "INR")),
        ({"exchange": "NASDAQ"}, ("NASDAQ", "America/New_York", "USD")),
        ({"currency": "USD", "zone": "America/New_York"}, ("NASDAQ", "America/New_York", "USD")),
        ({"currency": "USDT"}, ("CRYPTO", "UTC", "USDT")),
        ({"exchange": "BINANCE"}, ("BINANCE", "UTC", "USD")),
    ],
)
def test_a_market_is_known_by_what_is_said_of_it(place: dict[str, str], wanted: tuple[str, str, str]) -> None:
    assert tuple(exchange_settings(**place)) == wanted


def test_money_that_an_exchange_does_not_trade_in_is_refused() -> None:
    with pytest.raises(ConfigError, match="NASDAQ trades in USD, not in INR"):
        tradebot.backtest(Mine, frame(days=2), exchange="NASDAQ", currency="INR")
    with pytest.raises(DataError, match="NES: there is no such exchange; did you mean NSE"):
        tradebot.backtest(Mine, frame(days=2), exchange="NES")
    with pytest.raises(ConfigError, match="is for exchanges of India, not for NASDAQ"):
        tradebot.backtest(Mine, frame(days=2), exchange="NASDAQ", market="nse")


class Zoned(FrameStrategy):
    """Trade by the clock on the wall, and keep the zones of the frames."""

    seen: ClassVar[set[str]] = set()

    def signals(self, df: pd.DataFrame) -> pd.DataFrame:
        Zoned.seen.add(str(df.index.tz))
        return df.assign(enter_long=df.index.time == time(10, 30), exit_long=df.index.time == time(15, 0))


class Opening(Strategy):
    """Buy above the first half hour."""

    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=crossed_above(bars.close, opening_range(bars, 30).high), exit_long=bars.close < 0)


def test_strategies_of_new_york_count_from_its_open_in_its_zone() -> None:
    # given four sessions around the change of clocks, each with a new high in its 200th minute
    days = ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12"]
    index = pd.DatetimeIndex(
        [at for day in days for at in pd.date_range(f"{day} 09:30", periods=390, freq="min")], tz="America/New_York"
    )
    close = np.tile(np.where(np.arange(390) >= 200, 101.0, 100.0), 4)
    bars = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": 1_000}, index=index)

    # when
    framed = tradebot.backtest(Zoned, bars, exchange="NASDAQ")
    opening = tradebot.backtest(Opening, bars, exchange="NASDAQ")

    # then
    assert Zoned.seen == {"America/New_York"}
    assert framed.fills["ts"].dt.strftime("%H:%M").tolist() == ["10:31", "15:01"] * 4
    assert opening.orders["decided_at"].dt.strftime("%m-%d %H:%M").tolist()[:1] == ["03-07 12:51"]


def test_exchanges_that_open_apart_are_not_traded_together() -> None:
    job = tradebot.backtest(Mine, frame(days=2)).result.job
    other = msgspec.structs.replace(job.instruments[0], symbol="AAPL", exchange="NASDAQ")
    with pytest.raises(DataError, match="exchanges of different hours cannot be traded together: NASDAQ, NSE"):
        session_opens_of([*job.instruments, other])


def test_who_gets_the_cash_first_does_not_hang_on_the_order_of_a_dict() -> None:
    # given two shares that are wanted at the same closes, one that gains and one that loses, and cash for one
    days = pd.date_range("2025-06-02", periods=8, freq="B")
    up, down = (closes_of(days) for _ in range(2))
    for bars, step in ((up, 1.0), (down, -1.0)):
        for name in ("open", "high", "low", "close"):
            bars[name] = 100 + step * np.arange(8)
    terms: dict[str, Any] = {"cash": 10_000, "order_notional": 9_900, "market": "always"}

    # when
    one = tradebot.backtest(Up, {"A": up, "B": down}, **terms)
    other = tradebot.backtest(Up, {"B": down, "A": up}, **terms)
    stacked = pd.concat([down.assign(symbol="B"), up.assign(symbol="A")])
    column = tradebot.backtest(Up, stacked, **terms)

    # then the first by name has it
    assert one.fills["symbol"].astype(str).tolist() == ["A"]
    assert one.orders_hash == other.orders_hash == column.orders_hash
    assert one.equity.iloc[-1] == other.equity.iloc[-1] > 10_000
    said = [truth for truth in one.result.truths if "first" in truth and "symbol" in truth]
    assert said == ["of entries at one open the symbol given first is paid first: A, B"]


@pytest.mark.parametrize(
    ("stamps", "name"),
    [
        (["2025-05-26", "2025-06-02", "2025-06-09", "2025-06-11"], "1w"),  # as Yahoo gives the week that runs
        (["2025-04-01", "2025-05-01", "2025-06-02", "2025-06-11"], "1mo"),
    ],
)
def test_a_week_or_month_that_is_there_twice_was_running(stamps: list[str], name: str) -> None:
    _, series, notes = bars_from_frames(closes_of(pd.DatetimeIndex(stamps)), exchange=exchange_settings())
    assert (len(series["BARS"]), interval_name(series["BARS"].interval)) == (3, name)
    assert notes == (
        f"BARS: the last row, 2025-06-11T00:00:00+05:30, is left out: its bar of {name} was still running when it was "
        "read",
    )


def test_the_bar_of_today_is_left_out_while_its_session_lasts() -> None:
    days = closes_of(pd.date_range("2025-06-02", "2025-06-06", freq="B"))
    noon, evening = (int(pd.Timestamp(f"2025-06-06 {at}", tz="Asia/Kolkata").value) for at in ("12:00", "15:30"))
    assert len(bars_from_frames(days, exchange=exchange_settings(), now=noon).series["BARS"]) == 4
    assert len(bars_from_frames(days, exchange=exchange_settings(), now=evening).series["BARS"]) == 5


def test_what_may_have_been_meant_otherwise_is_said() -> None:
    minutes = frame(days=3)
    renamed = minutes.rename(columns={"volume": "Vol."})
    ends = minutes.set_axis(minutes.index + pd.Timedelta("1min"))
    assert bars_from_frames(minutes, exchange=exchange_settings()).notes == ()
    assert bars_from_frames(renamed, exchange=exchange_settings()).notes == (
        "BARS: no column volume; columns not read: vol.: volumes are 0",
    )
    (note,) = bars_from_frames(ends, exchange=exchange_settings()).notes
    assert "times look like the ends of their bars" in note


def test_prices_that_a_simulated_exchange_invented_are_named_among_what_is_assumed() -> None:
    bars = frame()
    bars.attrs["invented_by"] = "embedded"

    (said,) = (truth for truth in tradebot.backtest(Mine, {"RELIANCE": bars}).result.truths if "invented" in truth)

    assert said == "the prices of RELIANCE were invented by a simulated exchange: no market had them"
    bars.attrs["invented_by"] = ""
    assert not any("invented" in truth for truth in tradebot.backtest(Mine, bars).result.truths)


def test_a_share_that_no_order_pays_is_named_at_the_start_and_explains_the_result() -> None:
    frame_ = frame()
    dear = frame_.assign(**{name: frame_[name] * 1_000 for name in ("open", "high", "low", "close")})

    with pytest.warns(UserWarning, match="more than order_notional 10,000: no entry sized by it is made"):
        tested = tradebot.backtest("ema_cross", dear, trend=0.0)

    words = repr(tested)
    assert "more than order_notional 10,000: no entry sized by it is made" in words
    assert "denied: sanity: the size is 0: risk.order_notional does not pay one lot of 1" in words
    assert "denied: sanity" in tested._repr_html_()
