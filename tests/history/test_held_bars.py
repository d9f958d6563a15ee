"""The held bars that a run may begin with: whole sessions up to now, of traded prices, without a split between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE, MONDAY, assert_same, series, walk
from tradebot.clock import DAY
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.history.held_bars import (
    BarsWanted,
    HeldBars,
    doubt_of_gap,
    doubt_of_price,
    join_gap,
    last_bar_end,
    read_held_bars,
)
from tradebot.history.history import History, open_history
from tradebot.history.resample import resample_series
from tradebot.markets.calendar import HoursClass, ist_to_ns
from tradebot.markets.market import HOME_MARKET

SHARE = Instrument(symbol="RELIANCE", has_derivatives=False)
THURSDAY = date(2025, 6, 5)
EARLY, NOON = ist_to_ns(THURSDAY, time(8, 30)), ist_to_ns(THURSDAY, time(12, 0, 20))
CLOSED = ist_to_ns(date(2025, 6, 4), time(15, 30))  # of the last session that `walk` has


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with open_history(tmp_path, writes=True) as opened:
        yield opened


def put(history: History, bars: BarSeries, instrument: Instrument = SHARE, *, venue: str = "kite") -> None:
    with history.transaction():
        history.write_bars(instrument, bars, source="by hand", venue=venue)


def read(
    history: History, *, bars: int = 200, at: int = EARLY, interval: int = MINUTE, instrument: Instrument = SHARE
) -> HeldBars | None:
    wanted = BarsWanted(interval, bars, at - 30 * DAY, at, HOME_MARKET)
    return read_held_bars(history, instrument, wanted, history.accepted_jumps())


@pytest.mark.parametrize(
    ("at", "interval", "ends"),
    [
        (EARLY, MINUTE, CLOSED),
        (NOON, MINUTE, ist_to_ns(THURSDAY, time(12, 0))),
        (NOON, 60 * MINUTE, ist_to_ns(THURSDAY, time(11, 15))),
        (NOON, DAY, CLOSED),
        (ist_to_ns(THURSDAY, time(9, 15, 59)), MINUTE, CLOSED),  # its first bar still runs
        (ist_to_ns(THURSDAY, time(15, 30)), MINUTE, ist_to_ns(THURSDAY, time(15, 30))),
        (ist_to_ns(date(2025, 6, 8), time(12)), MINUTE, ist_to_ns(date(2025, 6, 6), time(15, 30))),  # a Sunday
    ],
)
def test_the_last_complete_bar_ended_inside_the_session_or_at_the_close_before(
    at: int, interval: int, ends: int
) -> None:
    assert last_bar_end(HOME_MARKET, HoursClass.SHARE, at, interval) == ends


def test_before_the_open_the_newest_bars_reach_to_the_last_close(history: History) -> None:
    put(history, held := walk(days=3))
    past = read(history)
    assert past is not None
    assert_same(past.series, held.select_bars(slice(-200, None)))
    assert (past.covered_until, past.doubt) == (CLOSED, "")


def test_a_span_that_the_venue_was_asked_for_covers_minutes_without_a_trade(history: History) -> None:
    put(history, walk(days=3).select_bars(slice(0, -30)))
    past = read(history)
    assert past is not None
    assert past.covered_until == CLOSED - 30 * MINUTE
    with history.transaction():
        history.add_requested_span(SHARE, MINUTE, CLOSED - DAY, CLOSED, source="kite")
    past = read(history)
    assert past is not None
    assert past.covered_until == CLOSED


def test_too_few_bars_or_a_missing_session_are_no_past(history: History) -> None:
    put(history, walk(days=1, begins=date(2025, 6, 4)))
    assert read(history, bars=375) is not None
    assert read(history, bars=376) is None
    put(history, walk(days=1, begins=MONDAY))  # and nothing of Tuesday
    assert read(history, bars=376) is None


def test_invented_prices_are_no_past_of_traded_ones(history: History) -> None:
    put(history, walk(days=3), venue="embedded")
    assert read(history) is None


def test_shorter_bars_are_made_longer_and_the_last_one_must_be_whole(history: History) -> None:
    put(history, minutes := walk(days=3).select_bars(slice(0, -3)))
    past = read(history, bars=40, interval=5 * MINUTE)
    assert past is not None
    longer = resample_series(minutes, 5 * MINUTE, "NSE")
    assert_same(past.series, longer.select_bars(slice(-41, -1)))  # of the last five minutes two are held


def test_a_bar_that_had_not_ended_is_left_out(history: History) -> None:
    put(history, walk(days=4))
    past = read(history, at=NOON)
    assert past is not None
    assert past.covered_until == int(past.series.starts[-1]) + MINUTE == NOON // MINUTE * MINUTE


def test_a_jump_between_two_sessions_is_doubted_unless_it_was_accepted(history: History) -> None:
    before, after = walk(days=1), walk(days=2, begins=date(2025, 6, 3))
    halved = {name: getattr(after, name) // 2 for name in ("open", "high", "low", "close")}
    put(history, before)
    put(history, msgspec.structs.replace(after, **halved))
    past = read(history, bars=800)
    assert past is not None
    assert "split" in past.doubt
    within = read(history, bars=700)  # the jump lies before these bars
    assert within is not None
    assert within.doubt == ""
    with history.transaction():
        history.accept_jump("NSE", "RELIANCE", int(after.starts[0]) // DAY)
    past = read(history, bars=800)
    assert past is not None
    assert past.doubt == ""


def test_held_prices_come_in_the_decimals_of_the_instrument(history: History) -> None:
    put(history, held := walk(days=3))
    finer = msgspec.structs.replace(SHARE, price_decimals=3)
    past = read(history, instrument=finer)
    assert past is not None
    np.testing.assert_array_equal(past.series.close, held.close[-200:] * 10)
    coarse = read(history, instrument=msgspec.structs.replace(SHARE, price_decimals=1))
    assert coarse is not None
    assert "decimals" in coarse.doubt


def test_a_price_of_today_far_from_the_last_held_close_is_doubted() -> None:
    held = walk(days=1)
    close = int(held.close[-1])
    assert "2.00 times" in doubt_of_price(held, close // 2)
    assert doubt_of_price(held, int(close * 0.8)) == doubt_of_price(held, 0) == ""


def test_the_venues_bar_of_the_same_time_must_agree_with_the_held_one() -> None:
    whole = walk(days=2)
    held, gap = whole.select_bars(slice(0, 380)), whole.select_bars(slice(379, 400))
    assert doubt_of_gap(held, gap) == ""
    assert_same(join_gap(held, gap, 100), whole.select_bars(slice(300, 400)))
    split = msgspec.structs.replace(gap, close=gap.close * 10 // 11)  # a bonus of one share for ten
    assert "same time" in doubt_of_gap(held, split)
    later = msgspec.structs.replace(gap, open=gap.open // 2).select_bars(slice(1, None))
    assert "jumps" in doubt_of_gap(held, later)
    assert doubt_of_gap(held, gap.select_bars(slice(1, None))) == ""


def test_no_bars_since_the_held_ones_leave_these() -> None:
    held = walk(days=1)
    nothing = series("RELIANCE", held.starts[:0])
    assert doubt_of_gap(held, nothing) == ""
    assert_same(join_gap(held, nothing, 50), held.select_bars(slice(-50, None)))
