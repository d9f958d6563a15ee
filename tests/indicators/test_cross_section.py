"""Values across the symbols of a close: who takes part, and that batch and streaming agree bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.indicators.arithmetic import rank_across as ranked
from tradebot.indicators.arithmetic import zscore_across as scored
from tradebot.indicators.cross_section import evaluate_histories
from tradebot.indicators.expressions import Bars, crossed_above, lag, rank, resample, session_vwap, ta, zscore
from tradebot.indicators.node import Node, expression_text, named_indicators
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.streaming import StreamingIndicators

BARS = Bars()
MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE
ROWS = 60
NAN = float("nan")


def histories(seed: int, symbols: int, missing: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Minute bars of each symbol in ticks, some minutes without a trade, equal prices now and then."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(symbols):
        at = np.flatnonzero(rng.random(ROWS) >= missing)
        close = (np.cumsum(rng.integers(-3, 4, len(at))) + 200) * 5 / 100.0
        volume = rng.integers(0, 3, len(at)).astype(float)
        found.append((np.array([close, close + 0.05, close - 0.05, close, volume]), OPENS + at * MINUTE))
    return found


def bits(column: np.ndarray) -> bytes:
    return np.where(np.isnan(column), np.nan, column).tobytes()


def leaves() -> st.SearchStrategy[Node]:
    return st.sampled_from([
        BARS.close, BARS.volume, ta.RSI(BARS.close, 3), ta.ATR(BARS, 4), session_vwap(BARS), BARS.close / BARS.volume,
        resample(BARS, "5m").close, ta.EMA(resample(BARS, "3m").close, 2),
    ])  # fmt: skip


def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    of_one = [
        rank, zscore, lambda x: ta.EMA(x, 3), lambda x: ta.SMA(x, 4), lambda x: lag(x, 2), lambda x: x > 0.5,
        lambda x: ta.BBANDS(x, 3).upper,
    ]  # fmt: skip
    of_two = [lambda a, b: a - b, lambda a, b: a > b, crossed_above]
    return st.builds(lambda f, x: f(x), st.sampled_from(of_one), inner) | st.builds(
        lambda f, a, b: f(a, b), st.sampled_from(of_two), inner, inner
    )


@settings(max_examples=120, deadline=None)
@given(
    roots=st.lists(st.recursive(leaves(), grow, max_leaves=4), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    symbols=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.2, 0.7]),
    cut=st.integers(0, ROWS),
    vector_from=st.sampled_from([1, 9]),
)
def test_any_graph_over_a_panel_streams_the_bits_of_its_batch(roots, seed, symbols, missing, cut, vector_from):
    plan = ExpressionPlan([*roots, rank(roots[0])], interval_ns=MINUTE)
    pasts = histories(seed, symbols, missing)
    whole = evaluate_histories(plan, pasts)
    live = StreamingIndicators(plan, symbols, vector_from=vector_from)
    heads = [int(np.searchsorted(starts, OPENS + cut * MINUTE)) for _, starts in pasts]
    live.feed_histories(
        {row: (bars[:, :n], starts[:n]) for row, ((bars, starts), n) in enumerate(zip(pasts, heads, strict=True))}
    )
    rng = np.random.default_rng(seed)
    for t in range(cut, ROWS):
        at = OPENS + t * MINUTE
        places = {row: int(np.searchsorted(starts, at)) for row, (_, starts) in enumerate(pasts) if at in starts}
        rows = rng.permutation(list(places)).astype(np.int64)  # the order of the rows is free
        bars = np.stack([pasts[r][0][:, places[r]] for r in rows], axis=1) if len(rows) else np.zeros((5, 0))
        values = live.step_bars(rows, bars, at)
        for root in plan.roots:
            expected = np.array([whole[r][root][places[r]] for r in rows])
            assert bits(values[root]) == bits(expected), f"{root!r} differs at row {t}"


def test_a_plan_that_compares_nobody_gives_the_same_from_a_panel_and_alone():
    plan = ExpressionPlan([ta.EMA(BARS.close, 3) - lag(BARS.close), session_vwap(BARS)])
    pasts = histories(1, 3, 0.3)
    for values, (bars, starts) in zip(evaluate_histories(plan, pasts), pasts, strict=True):
        alone = evaluate_history(plan, bars, starts)
        assert all(bits(values[root]) == bits(alone[root]) for root in plan.roots)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 1.0, 3.0], [1.0, 0.0, 0.5]),
        ([2.0, 2.0, 1.0], [0.75, 0.75, 0.0]),
        ([4.0, NAN, 6.0, np.inf], [0.0, NAN, 1.0, NAN]),
        ([7.0, NAN], [NAN, NAN]),
        ([3.0, 3.0, 3.0], [0.5, 0.5, 0.5]),
        ([], []),
    ],
)
def test_a_rank_goes_from_the_lowest_to_the_highest_of_those_that_are_known(values, expected):
    np.testing.assert_array_equal(ranked(np.array(values, dtype=float)), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 3.0], [-1.0, 1.0]),
        ([1.0, NAN, 3.0], [-1.0, NAN, 1.0]),
        ([0.1, 0.1, 0.1], [0.0, 0.0, 0.0]),
        ([7.0], [NAN]),
    ],
)
def test_a_score_counts_population_deviations(values, expected):
    np.testing.assert_array_equal(scored(np.array(values, dtype=float)), expected)


def test_a_symbol_without_a_bar_takes_no_part():
    pasts = [(np.full((5, 2), v), OPENS + np.array([0, 1]) * MINUTE) for v in (1.0, 2.0)]
    pasts.append((np.full((5, 1), 3.0), OPENS + np.array([1]) * MINUTE))
    root = rank(BARS.close)
    found = [values[root].tolist() for values in evaluate_histories(ExpressionPlan([root]), pasts)]
    assert found == [[0.0, 0.0], [1.0, 0.5], [1.0]]


def test_a_value_of_longer_bars_is_held_to_be_compared():
    root = rank(resample(BARS, "2m").close)
    pasts = [(np.full((5, 4), v), OPENS + np.arange(4) * MINUTE) for v in (1.0, 2.0)]
    found = [values[root].tolist() for values in evaluate_histories(ExpressionPlan([root], interval_ns=MINUTE), pasts)]
    np.testing.assert_array_equal(found, [[NAN, 0, 0, 0], [NAN, 1, 1, 1]])


def test_a_single_history_cannot_stand_for_all():
    plan = ExpressionPlan([rank(BARS.close)])
    with pytest.raises(AssertionError, match="panel"):
        evaluate_history(plan, np.ones((5, 3)), OPENS + np.arange(3))
    with pytest.raises(AssertionError, match="feed_histories"):
        StreamingIndicators(plan, 2).feed_history(0, np.ones((5, 3)), OPENS + np.arange(3))


def test_people_see_the_rank_and_not_what_is_ranked():
    shown = named_indicators((rank(ta.RSI(BARS.close, 3)) > 0.8) & (ta.ADX(BARS, 5) > 20))
    assert [expression_text(n) for n in shown] == ["rank(RSI(close, 3))", "ADX(high, low, close, 5)"]
