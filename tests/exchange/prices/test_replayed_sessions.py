"""Later days of one exchange: they go on where the day before ended, and their past is what was streamed."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tradebot.clock import DAY, MINUTE
from tradebot.errors import DataError
from tradebot.exchange.earlier_days import PriceRecord
from tradebot.exchange.prices import replayed_sessions
from tradebot.exchange.prices.earlier_sessions import EarlierSessions
from tradebot.exchange.prices.replayed_sessions import replay_sessions
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.markets.calendar import TradingCalendar
from tradebot.markets.listing import universe_for

CALENDAR = TradingCalendar()
SYMBOLS = ("TCS", "SYM0012", "NIFTY 50")
UNIVERSE = universe_for(SYMBOLS)
THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
LONG_MINUTES = 40  # of a day in these tests


def record(day: date, seed: int = 7) -> PriceRecord:
    session = CALENDAR.session_on(day)
    assert session is not None
    return PriceRecord(
        seed=seed, opens_at=session.opens_at, closes_at=session.opens_at + LONG_MINUTES * MINUTE, every_step=False
    )


def source(day: date, *records: PriceRecord, symbols: tuple[str, ...] = SYMBOLS, seed: int = 7) -> SyntheticPrices:
    universe, made_of = universe_for(symbols), record(day, seed)
    return SyntheticPrices(
        universe,
        seed=seed,
        opens_at=made_of.opens_at,
        closes_at=made_of.closes_at,
        calendar=CALENDAR,
        earlier=replay_sessions(universe, records, day=day, calendar=CALENDAR),
    )


def bars(prices: SyntheticPrices, symbol: str, interval_ns: int, day: date) -> dict[str, list[int]]:
    opens_at = record(day).opens_at
    series = prices.bar_series(
        prices.universe.id_of(symbol),
        interval_ns=interval_ns,
        start_at=opens_at - DAY // 2,
        end_at=opens_at + DAY // 3,
    )
    return {name: getattr(series, name).tolist() for name in ("starts", "open", "high", "low", "close", "volume")}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_bars_of_yesterday_are_those_that_were_streamed(symbol: str) -> None:
    first = source(FRIDAY)
    list(first.steps_until(first.closes_at))
    second = source(MONDAY, record(FRIDAY))
    for interval_ns in (MINUTE, 15 * MINUTE, DAY):
        streamed = bars(first, symbol, interval_ns, FRIDAY)
        assert streamed["starts"]
        assert bars(second, symbol, interval_ns, FRIDAY) == streamed


def test_the_last_price_of_a_day_is_the_close_that_the_next_day_begins_from() -> None:
    first = source(FRIDAY)
    last = first.opening_snapshot().last.copy()
    for step in first.steps_until(first.closes_at):
        last[step.ids] = step.last
    second = source(MONDAY, record(FRIDAY))
    assert second.previous_close.tolist() == last.tolist()
    assert second.opening_snapshot().previous_close.tolist() == last.tolist()
    assert source(MONDAY).previous_close.tolist() != last.tolist(), "a day alone invents its past"


def test_three_days_form_one_chain_and_a_symbol_does_not_depend_on_others() -> None:
    second = source(FRIDAY, record(THURSDAY))
    list(second.steps_until(second.closes_at))
    third = source(MONDAY, record(THURSDAY), record(FRIDAY))
    alone = source(MONDAY, record(THURSDAY), record(FRIDAY), symbols=("TCS",))
    assert bars(third, "TCS", MINUTE, FRIDAY) == bars(second, "TCS", MINUTE, FRIDAY)
    assert bars(alone, "TCS", MINUTE, THURSDAY) == bars(third, "TCS", MINUTE, THURSDAY)
    assert bars(third, "TCS", MINUTE, date(2026, 11, 18))["starts"], "days before the first one are there"


def test_a_day_on_which_the_exchange_was_off_traded_on() -> None:
    over_friday = source(MONDAY, record(THURSDAY))
    thursday = bars(over_friday, "TCS", DAY, THURSDAY)
    friday = bars(over_friday, "TCS", MINUTE, FRIDAY)
    assert len(friday["starts"]) > LONG_MINUTES, "a whole day"
    assert abs(friday["open"][0] / thursday["close"][0] - 1) < 0.03
    assert int(over_friday.previous_close[0]) == friday["close"][-1]


def test_each_day_keeps_the_seed_it_was_made_of() -> None:
    other = source(FRIDAY, seed=8)
    list(other.steps_until(other.closes_at))
    assert bars(source(MONDAY, record(FRIDAY, seed=8)), "TCS", MINUTE, FRIDAY) == bars(other, "TCS", MINUTE, FRIDAY)


def test_records_of_today_and_later_change_nothing() -> None:
    plain, told = source(FRIDAY), source(FRIDAY, record(FRIDAY, seed=9), record(MONDAY))
    assert np.array_equal(plain.previous_close, told.previous_close)


def test_before_the_open_quotes_carry_the_time_of_the_last_close() -> None:
    made_of, closed_at = record(MONDAY), record(FRIDAY).closes_at
    waiting = SyntheticPrices(
        UNIVERSE,
        seed=7,
        opens_at=made_of.opens_at,
        closes_at=made_of.closes_at,
        earlier=EarlierSessions(closed_at=closed_at),
    )
    assert set(waiting.opening_snapshot().stamps.tolist()) == {closed_at}


def test_a_log_of_more_days_than_can_be_made_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayed_sessions, "MOST_DAYS", 1)
    with pytest.raises(DataError, match="begins 2 trading days before 2026-11-23; at most 1"):
        source(MONDAY, record(THURSDAY))
