"""An order of a backtest ends with its session; one of the session's last close lives until the next session ends."""

from __future__ import annotations

from datetime import date, time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.bars_by_hand import MINUTE, START, bars, job, random_bars
from tests.backtest.one_trade import CODE, once_at, prices, purposes
from tests.backtest.random_runs import comparable, matchings, run_both_ways, specs
from tradebot.backtest.job import TradingHours
from tradebot.backtest.order_expiry import OrderExpiries
from tradebot.backtest.run import run_backtest
from tradebot.backtest.session_timetable import NEVER, timeline_days
from tradebot.clock import DAY
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import OrderKind
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.markets.calendar import ist_to_ns
from tradebot.strategies.loading import StrategySpec


def midnights(*days: date) -> tuple[int, ...]:
    return tuple(ist_to_ns(day, time(0)) for day in days)


@pytest.mark.parametrize("every_bar", [False, True])
def test_an_order_of_january_does_not_meet_a_price_of_june(every_bar: bool) -> None:
    starts = midnights(date(2024, 1, 2), date(2024, 6, 3), date(2024, 6, 4))

    result = once_at(*starts, interval=DAY, every_bar=every_bar)

    assert (result.counts["fills"], result.counts["lapsed"]) == (0, 1)
    assert result.orders["state"].tolist() == ["EXPIRED"]


def test_a_weekend_and_a_holiday_between_two_days_end_nothing() -> None:
    thursday, monday = date(2024, 1, 25), date(2024, 1, 29)

    result = once_at(*midnights(thursday, monday), interval=DAY)

    assert (prices(result), result.counts["lapsed"]) == ([101.0], 0)


def test_a_day_that_the_bars_miss_ends_the_order_where_the_calendar_is_known() -> None:
    days = midnights(date(2024, 1, 2), date(2024, 1, 4))  # the 3rd was a session

    assert once_at(*days, interval=DAY).counts["lapsed"] == 1
    coin = Instrument(symbol="ACME", exchange="BINANCE", currency="USDT")
    assert once_at(*days, interval=DAY, instruments=(coin,), currency="USDT").counts["lapsed"] == 0


@pytest.mark.parametrize("every_bar", [False, True])
def test_an_intraday_order_ends_with_its_day(every_bar: bool) -> None:
    tuesday, wednesday = (ist_to_ns(day, time(9, 30)) for day in (date(2024, 1, 2), date(2024, 1, 3)))

    result = once_at(tuesday, wednesday, wednesday + MINUTE, interval=MINUTE, market="nse", every_bar=every_bar)

    assert (result.counts["fills"], result.counts["lapsed"]) == (0, 1)


@pytest.mark.parametrize("exchange", ["NSE", "NASDAQ"])
def test_around_the_clock_too_an_order_from_inside_a_session_ends_with_it(exchange: str) -> None:
    share = Instrument(symbol="ACME", exchange=exchange)
    opens, closes = {"NSE": (time(9, 15), time(15, 30)), "NASDAQ": (time(20, 0), time(2, 30))}[exchange]  # in India
    tuesday = ist_to_ns(date(2024, 1, 2), opens)
    wednesday, last = (
        ist_to_ns(date(2024, 1, 3), opens),
        ist_to_ns(date(2024, 1, 2 + (exchange != "NSE")), closes) - MINUTE,
    )

    inside = once_at(tuesday, wednesday, interval=MINUTE, instruments=(share,))
    of_the_close = once_at(last, wednesday, interval=MINUTE, instruments=(share,))

    assert (inside.counts["lapsed"], inside.counts["fills"]) == (1, 0)
    assert (of_the_close.counts["lapsed"], prices(of_the_close)) == (0, [101.0])


@pytest.mark.parametrize("every_bar", [False, True])
def test_an_exit_that_lapsed_is_sent_again_and_takes_the_first_price_there_is(every_bar: bool) -> None:
    starts = midnights(date(2024, 1, 1), date(2024, 1, 2), date(2024, 6, 3), date(2024, 6, 4))

    result = once_at(*starts, interval=DAY, leaves=2, every_bar=every_bar, closes=(100, 110, 70, 80))

    assert result.counts["lapsed"] == 1
    assert (prices(result), purposes(result)) == ([110.0, 70.0], ["entry", "exit"])
    assert result.orders["state"].tolist() == ["FILLED", "EXPIRED", "FILLED"]


@pytest.mark.parametrize("every_bar", [False, True])
@pytest.mark.parametrize("latency", [0, 1])
def test_an_exit_that_lapsed_over_a_still_day_leaves_at_the_next_open(every_bar: bool, latency: int) -> None:
    series = bars(*((p, p, p, p) for p in (100, 100, 100, 100, 100, 70, 60)))
    starts = np.array(midnights(*(date(2024, 1, n) for n in (1, 2, 3, 4, 5, 8, 9))))
    series = msgspec.structs.replace(series, starts=starts, interval=DAY, volume=np.array([9, 9, 9, 9, 0, 9, 9]))
    spec = StrategySpec(name="once", reference="once.py:Once", params={"leaves": 4 - latency}, code=CODE)

    result = run_backtest(
        job(spec, interval=DAY, every_bar=every_bar, matching=BarFillModel(latency_bars=latency)), {"ACME": series}
    )

    assert (result.counts["waited"], result.counts["lapsed"]) == (1, 1)
    assert prices(result) == [100.0, 70.0 - 10 * latency]


def test_an_order_of_the_last_close_lives_until_the_next_session_of_the_calendar_ends() -> None:
    days_ = (date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 10))
    starts = np.array([ist_to_ns(day, at) for day in days_ for at in (time(9, 15), time(15, 29))], dtype=np.int64)
    asked = job(hours=TradingHours(market="nse"))

    validities = OrderExpiries(asked, starts, timeline_days(asked.hours, asked.instruments, starts, MINUTE))

    assert [validities.expiry_of(k) for k in (0, 2, 3, 4, 6)] == [(2, 4), (4, 6), (4, 6), (6, 6), (NEVER, NEVER)]


@pytest.mark.parametrize("latency", [0, 1])
def test_weekly_bars_and_a_bar_of_latency_end_nothing_too_early(latency: int) -> None:
    weeks = [ist_to_ns(date(2024, 1, 1), time(0)) + 7 * DAY * n for n in range(4)]

    result = once_at(*weeks, interval=7 * DAY, matching=BarFillModel(latency_bars=latency))

    assert (prices(result), result.counts["lapsed"]) == ([101.0 + latency], 0)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_orders_lapse_at_the_same_bars_when_every_bar_is_walked(data: st.DataObject) -> None:
    draw = data.draw
    names = draw(st.sampled_from([("ACME",), ("ACME", "BETA")]))
    holes = st.sampled_from([0, 0, 0, 0, 1, 3, 900, 12 * 1440, 20 * 1440])  # minutes without bars
    series = {}
    for name in names:
        whole = random_bars(draw(st.integers(0, 10**6)), draw(st.integers(2, 120)), symbol=name)
        minutes = np.cumsum([0, *(1 + draw(holes) for _ in range(len(whole) - 1))])
        series[name] = msgspec.structs.replace(whole, starts=START + MINUTE * minutes)
    desk = msgspec.structs.replace(job().desk, order_kind=draw(st.sampled_from(list(OrderKind)[:2])))
    asked = job(draw(specs()), symbols=names, matching=draw(matchings()), desk=desk)

    sparse, dense = run_both_ways(asked, series)

    assert comparable(sparse) == comparable(dense)
