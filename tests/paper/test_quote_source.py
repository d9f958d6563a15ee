"""Quotes as prices of the exchange: one level of depth, volume that only grows, rows that cannot be used."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from tests.paper.paper_rig import OPENS_AT, UNIVERSE, at, frame, quote
from tradebot.clock import HOUR, SECOND
from tradebot.exchange.snapshot import DEPTH_LEVELS, SNAPSHOT_COLUMNS, Snapshots
from tradebot.markets.market import HOME_MARKET
from tradebot.paper import quote_source
from tradebot.paper.quote_source import ANY_QUANTITY, LATE, NO_ROOM, UNPRICED, QuoteSource

DAY = date(2026, 9, 1)
YESTERDAY = OPENS_AT - 20 * HOUR


def source(**options: Any) -> QuoteSource:
    return QuoteSource(UNIVERSE, DAY, calendar=HOME_MARKET.calendar, **options)


def taken(prices: QuoteSource, second: float, *rows: Any) -> Snapshots:
    """Take a frame and return what it becomes."""
    prices.take_quotes(frame(*rows), at(second))
    (snapshot,) = prices.steps_until(at(second))
    return snapshot


def test_a_quote_becomes_a_row_with_one_level_of_depth() -> None:
    one = taken(source(), 1, quote(100, bid=99.95, ask=100.05, sizes=(30, 40), volume=500, sent_at=at(1)))
    assert (one.at, one.ids.tolist(), one.stamps.tolist(), one.last.tolist()) == (at(1), [0], [at(1)], [10_000])
    assert one.bids.tolist() == [[9_995, 0, 0, 0, 0]]
    assert one.asks.tolist() == [[10_005, 0, 0, 0, 0]]
    assert (one.bid_quantities[0, 0], one.ask_quantities[0, 0], one.volume.tolist()) == (30, 40, [500])
    assert {len(getattr(one, name)) for name in SNAPSHOT_COLUMNS} == {1}
    assert one.bids.shape == (1, DEPTH_LEVELS)


def test_the_traded_volume_is_what_the_days_volume_grew_by() -> None:
    prices, grown = source(), []
    for second, volume in enumerate((500, 520, 520, 400, 530)):
        grown.append(int(taken(prices, second, quote(100, volume=volume)).traded[0]))
    # Nothing for the first quote of the day; a volume that goes back is no trade and is not traded a second time.
    assert grown == [0, 20, 0, 0, 10]


def test_two_rows_of_one_instrument_in_a_frame_are_counted_one_after_the_other() -> None:
    prices = source()
    rows = (quote(100, volume=500), quote(50, id_=1, volume=7), quote(101, volume=510), quote(102, volume=515))
    assert taken(prices, 1, *rows).traded.tolist() == [0, 0, 10, 5]
    assert taken(prices, 2, quote(100, volume=516)).traded.tolist() == [1]


def test_a_row_older_than_the_newest_of_its_instrument_is_dropped_and_counted() -> None:
    prices = source()
    taken(prices, 5, quote(100, sent_at=at(5)))
    prices.take_quotes(frame(quote(90, sent_at=at(4)), quote(50, id_=1, sent_at=at(4))), at(6))
    (one,) = prices.steps_until(at(6))
    assert (one.ids.tolist(), prices.dropped_counts[LATE]) == ([1], 1)


def test_a_row_without_a_last_price_is_dropped_and_counted() -> None:
    prices = source()
    prices.take_quotes(frame(quote(0, bid=99, ask=101)), at(1))
    assert (list(prices.steps_until(at(1))), prices.dropped_counts[UNPRICED]) == ([], 1)


def test_a_quote_from_before_the_session_says_the_previous_close_alone() -> None:
    prices = source()
    before = taken(prices, -60, quote(100, bid=99.95, ask=100.05, sent_at=YESTERDAY, volume=9_000))
    stale = taken(prices, 1, quote(50, id_=1, bid=49, ask=51, sent_at=YESTERDAY))
    for one, close in ((before, 10_000), (stale, 5_000)):
        assert (one.last.tolist(), one.previous_close.tolist()) == ([0], [close])
        assert not one.bids.any()
        assert not one.asks.any()
    # The volume of yesterday is no base for today's growth.
    assert taken(prices, 2, quote(100, sent_at=at(2), volume=40)).traded.tolist() == [0]
    assert taken(prices, 3, quote(100, sent_at=at(3), volume=45)).traded.tolist() == [5]


def test_nothing_can_be_taken_from_a_crossed_quote() -> None:
    one = taken(source(), 1, quote(100, bid=100.05, ask=100))
    assert (one.last.tolist(), one.bids.any(), one.asks.any()) == ([10_000], False, False)


def test_a_side_without_a_size_has_no_level() -> None:
    one = taken(source(), 1, quote(100, bid=99.95, ask=100.05, sizes=(0, 10)))
    assert (one.bids[0, 0], one.asks[0, 0]) == (0, 10_005)


def test_a_stream_without_depth_trades_one_tick_from_the_last_price() -> None:
    one = taken(source(has_depth=False), 1, quote(100), quote(0.05, id_=1))
    assert one.bids[:, 0].tolist() == [9_995, 0]  # below the smallest price there is no bid
    assert one.asks[:, 0].tolist() == [10_005, 10]
    assert one.ask_quantities[:, 0].tolist() == [ANY_QUANTITY] * 2
    assert one.bid_quantities[:, 0].tolist() == [ANY_QUANTITY, 0]


def test_the_hours_are_those_of_the_market_and_no_circuit_limit_is_known() -> None:
    prices = source(previous_close=np.array([100, 0, 5], dtype=np.int64))
    assert (prices.opens_at, prices.is_finished, prices.depth_levels) == (OPENS_AT, False, 1)
    assert prices.closes_at == int(prices.instrument_closes_at.max()) == OPENS_AT + 6 * HOUR
    assert not prices.upper_circuit.any()
    opening = prices.opening_snapshot()
    assert (opening.last.tolist(), opening.previous_close.tolist()) == ([0, 0, 0], [100, 0, 5])
    assert len(prices.bar_series(0, interval_ns=60 * SECOND, start_at=0, end_at=1)) == 0


def test_frames_that_nobody_takes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quote_source, "MAX_FRAMES", 3)
    prices = source()
    for second in range(5):
        prices.take_quotes(frame(quote(100 + second)), at(second))
    kept = [int(one.last[0]) for one in prices.steps_until(at(9))]
    assert (kept, prices.dropped_counts[NO_ROOM]) == ([10_200, 10_300, 10_400], 2)


def test_a_clock_that_goes_back_keeps_the_order_of_frames() -> None:
    prices = source()
    prices.take_quotes(frame(quote(100)), at(10))
    prices.take_quotes(frame(quote(101)), at(3))
    assert [one.at for one in prices.steps_until(at(10))] == [at(10), at(10)]
