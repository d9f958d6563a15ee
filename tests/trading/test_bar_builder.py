"""Bars: closed by the clock, equal to an independent resample, never rewritten, never invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.quotes_by_hand import LENGTH, OPEN, OneDay, quotes
from tradebot.clock import SECOND
from tradebot.domain.market import BarBatch
from tradebot.trading import bar_builder as stage
from tradebot.trading import quote_filter
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.quote_filter import split_repeated_ids

MINUTE = 60 * SECOND


def bars(size: int = 3, *, grace: int = 0, interval: int = MINUTE) -> BarBuilder:
    made = BarBuilder(size, interval_ns=interval, grace_ns=grace, sessions=OneDay(size))
    made.roll_session(OPEN)
    return made


def row(batch: BarBatch, id_: int) -> tuple[int, ...]:
    i = int(np.flatnonzero(batch.ids == id_)[0])
    return tuple(int(c[i]) for c in (batch.open, batch.high, batch.low, batch.close, batch.volume, batch.ticks))


def test_a_bar_closes_by_the_clock_without_another_quote() -> None:
    b = bars()
    b.add_quotes(quotes((0, 1, 100, 10), (0, 30, 120, 15), (0, 59, 90, 18)))
    assert b.close_due_bars(OPEN + MINUTE - 1, mono=5) == []
    (batch,) = b.close_due_bars(OPEN + MINUTE, mono=5)
    assert row(batch, 0) == (100, 120, 90, 90, 8, 3)
    assert batch.ends_at == OPEN + MINUTE


def test_a_bar_waits_for_its_grace_and_takes_a_quote_that_comes_meanwhile() -> None:
    b = bars(grace=5 * SECOND)
    b.add_quotes(quotes((0, 10, 100, 1)))
    b.add_quotes(quotes((1, 61, 500, 1)))
    assert b.close_due_bars(OPEN + MINUTE + 4 * SECOND, mono=0) == []
    b.add_quotes(quotes((0, 59, 101, 4)))
    (batch,) = b.close_due_bars(OPEN + MINUTE + 5 * SECOND, mono=0)
    assert row(batch, 0) == (100, 101, 100, 101, 3, 2)
    assert list(batch.ids) == [0]


@pytest.mark.parametrize(
    ("market", "due"), [(-3600, 65), (0, 65), (64, 65), (65, 125), (66, 125), (125, 185), (124.999, 125)]
)
def test_the_next_close_is_told_before_it_is_due(market: float, due: int) -> None:
    b = bars(grace=5 * SECOND)
    assert b.next_close_at(OPEN + int(market * SECOND)) == OPEN + due * SECOND


def test_a_late_quote_is_counted_and_rewrites_nothing() -> None:
    b = bars()
    b.add_quotes(quotes((0, 10, 100, 1)))
    b.close_due_bars(OPEN + MINUTE, mono=0)
    b.add_quotes(quotes((1, 20, 100, 1)))
    assert b.late_quotes.total_count == 1
    assert b.close_due_bars(OPEN + 2 * MINUTE, mono=0) == []


def test_the_next_bar_may_form_while_the_one_before_waits_for_the_clock() -> None:
    b = bars(grace=90 * SECOND)
    b.add_quotes(quotes((0, 10, 100, 1), (0, 70, 200, 5), (0, 130, 300, 6)))
    first, second = b.close_due_bars(OPEN + 4 * MINUTE - 1, mono=0)
    assert row(first, 0) == (100, 100, 100, 100, 0, 1)
    assert row(second, 0) == (200, 200, 200, 200, 4, 1)


def test_a_bar_that_was_not_seen_from_its_start_is_not_made() -> None:
    b = BarBuilder(3, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(3))
    b.roll_session(OPEN + 90 * SECOND)
    b.add_quotes(quotes((0, 95, 100, 1), (0, 125, 200, 2)))
    (batch,) = b.close_due_bars(OPEN + 3 * MINUTE, mono=0)
    assert (batch.starts_at, row(batch, 0)) == (OPEN + 2 * MINUTE, (200, 200, 200, 200, 1, 1))


def test_an_outage_leaves_a_hole() -> None:
    b = bars()
    b.add_quotes(quotes((0, 10, 100, 1)))
    assert len(b.close_due_bars(OPEN + MINUTE, mono=0)) == 1
    assert b.close_due_bars(OPEN + 30 * MINUTE, mono=0) == []
    b.add_quotes(quotes((0, 1801, 105, 9)))
    (batch,) = b.close_due_bars(OPEN + 31 * MINUTE, mono=0)
    assert row(batch, 0) == (105, 105, 105, 105, 8, 1)


def test_a_bar_cut_by_the_close_of_the_session_still_closes() -> None:
    b = bars(interval=60 * MINUTE)
    b.add_quotes(quotes((0, 374 * 60, 100, 1)))
    (batch,) = b.close_due_bars(OPEN + LENGTH, mono=0)
    assert batch.starts_at == OPEN + 360 * MINUTE


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(0, 10, 100, 1), (0, 9, 100, 1)], "backward"),
        ([(0, 10, 100, 1), (0, 10, 100, 1)], "duplicate"),
        ([(0, -OPEN / SECOND, 100, 1)], "epoch"),
        ([(0, -1, 100, 1)], "outside_session"),
        ([(0, 375 * 60, 100, 1)], "outside_session"),
        ([(0, 10, 0, 1)], "insane"),
    ],
)
def test_dirt_is_dropped_and_counted_by_its_reason(rows: list[tuple[int, float, int, int]], reason: str) -> None:
    b = bars()
    b.add_quotes(quotes(*rows))
    assert b.quote_filter.dropped_counts[reason] == 1
    assert sum(b.quote_filter.dropped_counts.values()) == 1


def test_a_quote_from_the_future_does_not_make_the_true_ones_after_it_look_old() -> None:
    b = BarBuilder(1, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(1), max_ahead_ns=5 * SECOND)
    b.roll_session(OPEN + 10 * SECOND)
    assert len(b.add_quotes(quotes((0, 3610, 100, 1)))) == 0
    assert b.quote_filter.dropped_counts["future"] == 1
    assert len(b.add_quotes(quotes((0, 14, 100, 1)))) == 1, "our clock may be a little behind"
    b.roll_session(OPEN + 11 * SECOND)
    assert len(b.add_quotes(quotes((0, 15, 101, 2)))) == 1


@pytest.mark.parametrize("few", [0, 4], ids=["all at once", "row by row"])
@pytest.mark.parametrize("row", [(0, 60, 100, 1), (0, 59, 100, 1)], ids=["told again", "older"])
def test_what_a_clock_that_was_set_back_has_not_reached_is_from_the_future(
    row: tuple[int, float, int, int], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quote_filter, "SCALAR_MAX_ROWS", few)
    b = BarBuilder(1, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(1), max_ahead_ns=5 * SECOND)
    b.roll_session(OPEN + 60 * SECOND)
    b.add_quotes(quotes((0, 60, 100, 1)))
    b.roll_session(OPEN + 30 * SECOND)

    b.add_quotes(quotes(row))

    assert {reason: n for reason, n in b.quote_filter.dropped_counts.items() if n} == {"future": 1}


def test_rounds_hold_each_id_once_and_keep_its_order() -> None:
    ids = np.array([5, 5, 2, 5, 2])
    assert [list(r) for r in split_repeated_ids(ids)] == [[0, 2], [1, 4], [3]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 600), st.integers(1, 50), st.integers(0, 5)), max_size=80),
    st.integers(1, 9),
)
def test_bars_equal_a_pandas_resample_however_the_frames_are_cut(
    raw: list[tuple[int, int, int, int]], cut: int
) -> None:
    b = bars()
    volume = [0, 0, 0]
    rows = []
    for id_, second, price, dv in sorted(raw, key=lambda r: r[1]):
        volume[id_] += dv
        rows.append((id_, second, price, volume[id_]))
    for i in range(0, len(rows), cut):
        b.add_quotes(quotes(*rows[i : i + cut]))
    batches = b.close_due_bars(OPEN + 11 * MINUTE, mono=0)
    got = {(int(i), c.starts_at): row(c, int(i))[:5] for c in batches for i in c.ids}

    frame = pd.DataFrame(rows, columns=["id", "second", "price", "volume"])
    frame["traded"] = frame.groupby("id")["volume"].diff().fillna(0)
    want = {}
    for id_, own in frame.groupby("id"):
        for minute, part in own.groupby(own["second"] // 60):
            p = part["price"]
            want[int(id_), OPEN + int(minute) * MINUTE] = (
                p.iloc[0], p.max(), p.min(), p.iloc[-1], int(part["traded"].sum()),
            )  # fmt: skip
    assert got == want


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-30, 23_000), st.integers(0, 9), st.integers(0, 5)), max_size=60),
    st.integers(1, 4),
    st.sets(st.integers(1, 400), max_size=6),
)
def test_small_frames_taken_row_by_row_end_as_those_taken_at_once(
    rows: list[tuple[int, int, int, int]], cut: int, minutes: set[int]
) -> None:
    def end(few: int) -> tuple[object, ...]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, "SCALAR_MAX_ROWS", few)
            patch.setattr(quote_filter, "SCALAR_MAX_ROWS", few)
            b, batches, sound = bars(), [], []
            due = sorted(minutes)
            for i in range(0, len(rows), cut):
                sound.append(b.add_quotes(quotes(*rows[i : i + cut])))
                if due and i % 3 == 0:
                    batches += b.close_due_bars(OPEN + due.pop(0) * MINUTE, mono=0)
            batches += b.close_due_bars(OPEN + 400 * MINUTE, mono=0)
        bars_made = [(c.starts_at, row(c, int(i))) for c in batches for i in c.ids]
        return (
            bars_made,
            [s.ids.tolist() for s in sound],
            b.quote_filter.dropped_counts,
            b.late_quotes.total_count,
            b.quote_filter.last_seen_mono.tolist(),
        )

    assert end(4) == end(0)
