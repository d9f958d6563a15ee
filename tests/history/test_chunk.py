"""Chunks of bars: the same integers come back, however wide, and bytes that are no chunk are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.bars_by_hand import MINUTE, assert_same, series, walk
from tradebot.clock import SECOND
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.errors import StateError
from tradebot.history.chunk import ChunkDecimals, bar_count, chunk_periods, decode_chunks, encode_chunk, split_by_period

PAISE = ChunkDecimals(2, 0)
any_integer = st.integers(-(2**62), 2**62 - 1)


def back(bodies: list[bytes], like: BarSeries, decimals: ChunkDecimals = PAISE) -> BarSeries:
    columns = dict(zip(SERIES_COLUMNS, decode_chunks(bodies, decimals), strict=True))
    return BarSeries(symbol=like.symbol, interval=like.interval, **columns)


@given(
    st.lists(st.tuples(*[any_integer] * 5), min_size=1, max_size=40),
    st.integers(1, 10**12),
    st.integers(-(10**18), 10**18),
)
def test_every_integer_comes_back_as_it_was(rows: list[tuple[int, ...]], step: int, first: int) -> None:
    columns = np.array(rows, dtype=np.int64).T
    starts = first + step * np.arange(len(rows), dtype=np.int64)
    bars = BarSeries(symbol="X", interval=MINUTE, starts=starts, **dict(zip(SERIES_COLUMNS[1:], columns, strict=True)))

    body = encode_chunk(bars, PAISE)

    assert_same(back([body], bars), bars)
    assert bar_count(body) == len(rows)


def test_bars_that_fit_in_32_bits_take_at_most_24_bytes_each() -> None:
    bars = walk(days=20)

    assert len(encode_chunk(bars, PAISE)) <= 32 + 24 * len(bars)


def test_split_parts_put_together_are_the_series() -> None:
    bars = walk(days=60)

    parts = list(split_by_period(bars))

    assert [period for period, _ in parts] == sorted({int(p) for p in chunk_periods(bars.starts, MINUTE)})
    assert len(parts) == 3
    assert_same(back([encode_chunk(part, PAISE) for _, part in parts], bars), bars)


@pytest.mark.parametrize(("interval", "chunks"), [(SECOND, 2), (MINUTE, 1), (3_600 * SECOND, 1), (86_400 * SECOND, 1)])
def test_short_bars_go_into_chunks_of_short_periods(interval: int, chunks: int) -> None:
    starts = np.array([0, 86_400 * SECOND])

    assert len(list(split_by_period(series("X", starts, interval=interval)))) == chunks


def test_a_chunk_of_coarser_units_is_scaled_to_the_finer_ones() -> None:
    bars = walk(days=1)

    found = back([encode_chunk(bars, PAISE)], bars, ChunkDecimals(4, 3))

    np.testing.assert_array_equal(found.close, bars.close * 100)
    np.testing.assert_array_equal(found.volume, bars.volume * 1000)


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b"\x09" + b[1:], lambda b: b"", lambda b: b + bytes(8)])
def test_bytes_that_are_no_chunk_are_refused(spoil) -> None:
    body = encode_chunk(walk(days=1), PAISE)

    with pytest.raises(StateError, match="chunk"):
        decode_chunks([spoil(body)], PAISE)


def test_a_chunk_finer_than_its_instrument_is_refused() -> None:
    with pytest.raises(StateError, match="decimals"):
        decode_chunks([encode_chunk(walk(days=1), ChunkDecimals(4, 0))], PAISE)
