"""Closes with the venue's bars in the place of those that an outage spoiled."""

from __future__ import annotations

import numpy as np

from tests.trading.analysis.analysis_by_hand import MINUTE, OPENS, market
from tradebot.domain.market import BAR_COLUMNS, BarBatch
from tradebot.trading.analysis.repaired_bars import apply_repairs, batches_of_series

IDS = {"S00": 0, "S01": 1, "S02": 2}


def equal(one: BarBatch, other: BarBatch) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in BAR_COLUMNS if name != "ticks")


def without(batch: BarBatch, id_: int) -> BarBatch:
    kept = batch.ids != id_
    columns = {name: getattr(batch, name)[kept] for name in BAR_COLUMNS}
    return BarBatch(interval=MINUTE, ends_at=batch.ends_at, seen_at=1, quoted_at=2, **columns)


def test_series_become_batches_of_the_symbols_that_have_a_bar() -> None:
    history, _ = market(3)
    series = [history[2].select_bars(slice(0, 2)), history[0].select_bars(slice(1, 3))]
    batches = batches_of_series(series, IDS, 7)
    assert [(b.ends_at, b.ids.tolist()) for b in batches] == [
        (OPENS + MINUTE, [2]), (OPENS + 2 * MINUTE, [0, 2]), (OPENS + 3 * MINUTE, [0]),
    ]  # fmt: skip
    assert batches[1].close.tolist() == [int(history[0].close[1]), int(history[2].close[1])]
    assert batches_of_series([], IDS, 7) == []


def test_a_missing_row_comes_back_a_spoiled_one_is_replaced_and_a_missing_close_is_made() -> None:
    _, closes = market(3)
    _, spoiled = market(3, seed=9)
    whole = closes[:4]
    built = [closes[0], without(closes[1], 1), spoiled[3]]  # at 2 no bar was built at all
    repairs = [*whole[1:3], spoiled[3], whole[3]]
    found = apply_repairs(built, repairs)
    assert [one.ends_at for one in found] == [one.ends_at for one in whole]
    assert all(equal(one, other) for one, other in zip(found, whole, strict=True))
    assert (found[1].seen_at, found[1].quoted_at) == (1, 2)


def test_without_repairs_closes_stay_as_they_are() -> None:
    _, closes = market(3)
    assert apply_repairs(closes, []) == closes
