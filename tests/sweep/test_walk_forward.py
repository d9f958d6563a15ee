"""Walk-forward spans: every test follows its training and the test before it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tradebot.errors import ConfigError
from tradebot.sweep.walk_forward import WalkForwardFold, WalkForwardKind, make_folds


def test_rolling_trains_on_a_fixed_length_and_anchored_on_all_before() -> None:
    rolling = make_folds(0, 100, kind=WalkForwardKind.ROLLING, train_ns=40, test_ns=20)
    anchored = make_folds(0, 100, kind=WalkForwardKind.ANCHORED, train_ns=40, test_ns=20)
    assert [(f.train_from, f.train_to, f.test_to) for f in rolling] == [(0, 40, 60), (20, 60, 80), (40, 80, 100)]
    assert [f.train_from for f in anchored] == [0, 0, 0]


def test_a_last_test_below_half_its_length_is_left_out() -> None:
    assert [f.test_to for f in make_folds(0, 69, kind=WalkForwardKind.ROLLING, train_ns=40, test_ns=20)] == [60]
    assert [f.test_to for f in make_folds(0, 71, kind=WalkForwardKind.ROLLING, train_ns=40, test_ns=20)] == [60, 71]


@given(st.integers(1, 500), st.integers(1, 200), st.integers(1, 200), st.sampled_from(WalkForwardKind))
def test_no_bar_is_tested_twice_or_trained_on_first(end: int, train: int, test: int, kind: WalkForwardKind) -> None:
    assume(end >= train + test)
    found = make_folds(0, end, kind=kind, train_ns=train, test_ns=test)
    last = WalkForwardFold(number=0, train_from=0, train_to=0, test_to=train)
    for fold in found:
        assert fold.train_to == last.test_to
        assert fold.train_from < fold.train_to < fold.test_to <= end
        last = fold


@pytest.mark.parametrize(("end", "says"), [(50, "too short"), (100_000, "more than 1,000 folds")])
def test_spans_that_do_not_fit_are_named(end: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_folds(0, end, kind=WalkForwardKind.ROLLING, train_ns=50, test_ns=1)
