"""Prices far from the minute's median: doubted until a second one or the venue's answer agrees; few rows and many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.quotes_by_hand import quotes
from tradebot.clock import SECOND
from tradebot.domain.market import Quotes
from tradebot.trading import price_band
from tradebot.trading.price_band import PriceBand

TICK = 5


def band(size: int = 3) -> PriceBand:
    return PriceBand([TICK] * size)


def prices(*told: tuple[int, int], at_s: float = 0.0, volume: int = 7) -> Quotes:
    """told: (id, price units)"""
    return quotes(*((id_, at_s, price, volume) for id_, price in told), seen_at=int(at_s * SECOND))


def believed(b: PriceBand, *told: tuple[int, int], at_s: float = 0.0, volume: int = 7) -> list[tuple[int, int]]:
    kept = b.filter_quotes(prices(*told, at_s=at_s, volume=volume))
    return list(zip(kept.ids.tolist(), kept.last.tolist(), strict=True))


@pytest.fixture(params=["few", "many"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many":
        monkeypatch.setattr(price_band, "SCALAR_MAX_ROWS", 0)


def test_one_far_price_is_not_believed_and_the_next_near_one_ends_the_doubt() -> None:
    b = band()
    assert believed(b, (0, 100_000)) == [(0, 100_000)]
    assert believed(b, (0, 1_000), at_s=1) == []
    assert believed(b, (0, 100_500), at_s=2) == [(0, 100_500)]
    assert believed(b, (0, 1_000), at_s=3) == []  # not the second one of the first
    assert (b.refused_count, b.confirmed_count) == (2, 0)
    assert [(d.id, d.price, d.median, d.is_too_many) for d in b.doubted_prices] == [(0, 1_000, 100_000, False)] * 2


def test_a_crash_counts_at_the_second_quote_that_agrees() -> None:
    b = band()
    believed(b, (0, 100_000))
    assert believed(b, (0, 90_000), at_s=1) == []
    assert believed(b, (0, 89_000), at_s=1.1) == [(0, 89_000)]
    assert believed(b, (0, 88_000), at_s=1.2) == [(0, 88_000)]  # the band is around it now
    assert believed(b, (0, 100_000), at_s=1.3) == []
    assert b.confirmed_count == 1


def test_a_second_far_price_that_says_something_else_agrees_with_nothing() -> None:
    b = band()
    believed(b, (0, 100_000))
    assert believed(b, (0, 1_000), at_s=1) == []
    assert believed(b, (0, 1_000_000), at_s=2) == []
    assert believed(b, (0, 10), at_s=3) == []
    assert [d.is_too_many for d in b.doubted_prices] == [False, False, True]


def test_three_in_a_minute_are_too_many_and_spread_out_they_are_not() -> None:
    def last(*at_s: float) -> bool:
        b = band()
        for when in at_s:
            believed(b, (0, 100_000), at_s=when)
            believed(b, (0, 1_000), at_s=when)
        return b.doubted_prices[-1].is_too_many

    assert last(0, 20, 59)
    assert not last(0, 20, 60)
    assert not last(0, 59)


def test_a_price_that_was_confirmed_does_not_count_among_the_doubted() -> None:
    b = band()
    believed(b, (0, 100_000))
    for n, price in enumerate((80_000, 60_000, 40_000, 20_000)):
        assert believed(b, (0, price), at_s=n + 0.1) == []
        assert believed(b, (0, price), at_s=n + 0.2) == [(0, price)]
    assert not any(d.is_too_many for d in b.doubted_prices)


def test_the_first_price_of_a_session_counts_at_once_and_so_does_the_first_trade() -> None:
    b = band()
    believed(b, (0, 100_000))
    b.begin_session()
    assert believed(b, (0, 80_000)) == [(0, 80_000)]

    b.begin_session()
    assert believed(b, (0, 100_000), volume=0) == [(0, 100_000)]  # the close of the day before
    assert believed(b, (0, 80_000), at_s=1) == [(0, 80_000)]
    assert believed(b, (0, 100_000), at_s=2) == []


def test_five_percent_are_near_and_of_a_cheap_one_four_ticks() -> None:
    for first, price, is_near in (
        (100_000, 95_000, True), (100_000, 94_999, False), (100_000, 105_000, True), (100_000, 105_001, False),
        (100, 120, True), (100, 125, False),
    ):  # fmt: skip
        b = band()
        believed(b, (0, first))
        assert bool(believed(b, (0, price), at_s=1)) is is_near


def test_the_median_is_of_the_last_minute_and_after_a_silence_the_last_one_stands() -> None:
    b = band()
    for second in range(0, 130, 5):
        assert believed(b, (0, 100_000 + 100 * second), at_s=second)
    assert believed(b, (0, 100_000), at_s=131) == []
    assert believed(b, (0, 114_000), at_s=900) == [(0, 114_000)]
    assert believed(b, (0, 100_000), at_s=1800) == []


def test_the_venues_answer_confirms_what_waits_and_says_nothing_of_others() -> None:
    b = band()
    believed(b, (0, 100_000), (1, 100_000))
    assert believed(b, (0, 80_000), at_s=1) == []
    assert b.unconfirmed_ids == (0,)

    assert len(b.confirm_prices(prices((0, 100_000), at_s=1.1))) == 0  # as old as what was believed: the doubt stays
    assert b.unconfirmed_ids == (0,)
    kept = b.confirm_prices(prices((0, 70_000), (1, 70_000), at_s=1.2))
    assert (kept.ids.tolist(), kept.last.tolist()) == ([0], [70_000])
    assert believed(b, (0, 70_500), at_s=1.3) == [(0, 70_500)]
    assert believed(b, (1, 70_500), at_s=1.3) == []


def test_in_one_frame_a_second_row_of_an_instrument_confirms_its_first() -> None:
    b = band()
    assert believed(b, (0, 100_000), (0, 1_000), (1, 500), (0, 100_100)) == [(0, 100_000), (1, 500), (0, 100_100)]
    found = believed(b, (0, 80_000), (1, 505), (0, 79_000), (2, 7), (0, 78_500), at_s=1)
    assert found == [(1, 505), (0, 79_000), (2, 7), (0, 78_500)]


steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1_000, 1_040, 1_060, 900, 2_000, 10])), max_size=9),
        st.sampled_from([0, SECOND, 7 * SECOND, 61 * SECOND]), st.sampled_from([0, 1]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps)
def test_many_rows_at_once_are_judged_like_one_after_the_other(frames: list) -> None:
    with pytest.MonkeyPatch.context() as patch:
        one, all_, at = band(), band(), 0
        for rows, later, volume in frames:
            at += later
            frame = [(id_, 0.0, price, volume) for id_, price in rows]
            if not frame:
                continue
            patch.setattr(price_band, "SCALAR_MAX_ROWS", 0)
            kept = all_.filter_quotes(quotes(*frame, seen_at=at))
            patch.setattr(price_band, "SCALAR_MAX_ROWS", 100)
            other = one.filter_quotes(quotes(*frame, seen_at=at))
            assert (kept.ids.tolist(), kept.last.tolist()) == (other.ids.tolist(), other.last.tolist())
            assert (all_.doubted_prices, all_.unconfirmed_ids) == (one.doubted_prices, one.unconfirmed_ids)
            for name in ("_low", "_high", "_slot"):
                assert np.array_equal(getattr(all_, name), getattr(one, name))
