"""Longer bars: known when they closed and not before, streamed and in batch the same bits, whatever is missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.errors import ConfigError
from tradebot.indicators.expressions import (
    Bars,
    crossed_above,
    crossed_below,
    lag,
    maximum,
    opening_range,
    resample,
    session_vwap,
    ta,
)
from tradebot.indicators.node import Node, Op, expression_text, hold, named_indicators
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.streaming import StreamingIndicators

BARS = Bars()
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE  # a day's 03:45 UTC, 09:15 IST


def history(seed: int, minutes: int, *, missing: float, session: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Minute bars in ticks of 0.05, sessions of `session` minutes a day apart, some minutes without a trade."""
    rng = np.random.default_rng(seed)
    at = np.flatnonzero(rng.random(minutes) >= missing)
    close = (np.cumsum(rng.integers(-20, 21, len(at))) + 20_000) * 5 / 100.0
    open_ = close + rng.integers(-5, 6, len(at)) * 5 / 100.0
    high = np.maximum(open_, close) + rng.integers(0, 5, len(at)) * 5 / 100.0
    low = np.minimum(open_, close) - rng.integers(0, 5, len(at)) * 5 / 100.0
    volume = rng.random(len(at)) * 100  # no whole numbers: their sum depends on its order
    starts = OPENS + (at // session) * DAY + (at % session) * MINUTE
    return np.array([open_, high, low, close, volume]), starts.astype(np.int64)


def bits(column: np.ndarray) -> bytes:
    return np.where(np.isnan(column), np.nan, column).tobytes()


def stream(plan: ExpressionPlan, bars: np.ndarray, starts: np.ndarray, cut: int, vector_from: int) -> list[np.ndarray]:
    live = StreamingIndicators(plan, 2, vector_from=vector_from)
    row = np.array([1])
    parts = [live.feed_history(1, bars[:, :cut], starts[:cut])] if cut else []
    parts += [live.step_bars(row, bars[:, t : t + 1], int(starts[t])) for t in range(cut, len(starts))]
    return [np.concatenate([part[root] for part in parts] + [np.empty(0)]) for root in plan.roots]


def leaves() -> st.SearchStrategy[Node]:
    frames = st.sampled_from(["2m", "5m", "15m", "1h", "1d"]).map(lambda length: resample(BARS, length))
    from_bars = [
        lambda b: b.close, lambda b: b.volume, lambda b: b.high - b.low, lambda b: ta.ATR(b, 3), lambda b: ta.OBV(b),
        lambda b: ta.STOCH(b, fastk_period=3).slowk, lambda b: ta.ADX(b, 2),
    ]  # fmt: skip
    return st.builds(lambda f, b: f(b), st.sampled_from(from_bars), frames | st.just(BARS))


def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    of_one = [
        lambda x, n: ta.EMA(x, n), lambda x, n: ta.RSI(x, n), lambda x, n: ta.BBANDS(x, n).lower,
        lambda x, n: lag(x, n), lambda x, n: ta.MAX(x, n), lambda x, n: hold(x), lambda x, n: -x, lambda x, n: x > n,
    ]  # fmt: skip
    of_two = [
        lambda a, b: a - b, lambda a, b: a > b, lambda a, b: (a >= b) & (b < 100), crossed_above, crossed_below,
        maximum, lambda a, b: ta.CORREL(a, b, 4),
    ]  # fmt: skip
    return st.builds(lambda f, x, n: f(x, n), st.sampled_from(of_one), inner, st.integers(2, 5)) | st.builds(
        lambda f, a, b: f(a, b), st.sampled_from(of_two), inner, inner
    )


@settings(max_examples=150, deadline=None)
@given(
    roots=st.lists(st.recursive(leaves(), grow, max_leaves=5), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.1, 0.6, 0.9]),
    part=st.floats(0, 1),
    vector_from=st.sampled_from([1, 9]),
)
def test_any_graph_over_bars_of_several_lengths_streams_the_bits_of_its_batch(roots, seed, missing, part, vector_from):
    plan = ExpressionPlan(roots, interval_ns=MINUTE)
    bars, starts = history(seed, 130, missing=missing)
    cut = int(part * len(starts))
    whole = evaluate_history(plan, bars, starts)
    for root, column in zip(plan.roots, stream(plan, bars, starts, cut, vector_from), strict=True):
        assert bits(column) == bits(whole[root]), f"{root!r} differs after a cut at {cut}"


@settings(max_examples=60, deadline=None)
@given(
    root=st.recursive(leaves(), grow, max_leaves=4), seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.3, 0.9])
)
def test_what_comes_later_changes_no_value(root, seed, missing):
    plan = ExpressionPlan([root], interval_ns=MINUTE)
    bars, starts = history(seed, 100, missing=missing)
    whole = evaluate_history(plan, bars, starts)[root]
    for last in range(0, len(starts), 7):
        assert bits(evaluate_history(plan, bars[:, :last], starts[:last])[root]) == bits(whole[:last])


def minutes(*at: int) -> tuple[np.ndarray, np.ndarray]:
    """One bar at each minute of the day's session, with the minute as its close and volume, one more and one less."""
    m = np.array(at, dtype=float)
    return np.array([m, m + 1, m - 1, m, m]), OPENS + np.array(at) * MINUTE


def known(bars: np.ndarray, starts: np.ndarray, length: str = "5m") -> dict[int, list[float]]:
    """Minute of the row -> open, high, low, close, volume of the longer bar known there; streamed and in batch."""
    longer = resample(BARS, length)
    roots = [longer.open, longer.high, longer.low, longer.close, longer.volume]
    plan = ExpressionPlan(roots, interval_ns=MINUTE)
    whole = evaluate_history(plan, bars, starts)
    for root, column in zip(roots, stream(plan, bars, starts, 0, 9), strict=True):
        assert bits(column) == bits(whole[root])
    table = np.array([whole[root] for root in roots]).T
    at = ((starts - OPENS) // MINUTE).tolist()
    return {minute: row.tolist() for minute, row in zip(at, table, strict=True) if not np.isnan(row).any()}


def test_a_longer_bar_is_known_with_its_last_minute():
    assert known(*minutes(*range(11))) == {4: [0, 5, -1, 4, 10], 9: [5, 10, 4, 9, 35]}


def test_without_its_last_minute_it_is_known_at_the_next_bar_there_is():
    assert known(*minutes(0, 3, 7, 8)) == {7: [0, 4, -1, 3, 3]}


def test_two_that_would_be_known_at_once_are_known_one_after_the_other():
    # 9 shows that the first five minutes are over and ends the second five itself; so does 14 for the third.
    expected = {9: [3, 4, 2, 3, 3], 14: [9, 10, 8, 9, 9], 15: [14, 15, 13, 14, 14]}
    assert known(*minutes(3, 9, 14, 15)) == expected


def test_it_is_counted_from_the_opening_and_ends_with_the_session():
    bars, starts = minutes(370, 371, 372, 1440)  # 15:25 to 15:27, and the next morning
    assert known(bars, starts, "1h") == {1440: [370, 373, 369, 372, 370 + 371 + 372]}
    assert known(bars, starts, "1d") == {1440: [370, 373, 369, 372, 370 + 371 + 372]}


def test_a_rule_fires_at_the_close_of_the_longer_bar_and_beside_other_bars_its_value_is_held():
    longer = resample(BARS, "5m")
    alone, beside = longer.close > 5, (longer.close > 5) & (BARS.close > 0)
    bars, starts = minutes(*range(12))
    values = evaluate_history(ExpressionPlan([alone, beside, hold(longer.close)], interval_ns=MINUTE), bars, starts)
    assert np.flatnonzero(values[alone] == 1.0).tolist() == [9]
    assert np.flatnonzero(values[beside] == 1.0).tolist() == [9, 10, 11]
    assert values[hold(longer.close)][4:].tolist() == [4.0] * 5 + [9.0] * 3


def test_a_lag_counts_bars_of_its_own_length_also_inside_a_crossing():
    longer = resample(BARS, "5m")
    bars, starts = minutes(*range(20))
    before, crossing = hold(lag(longer.close)), crossed_above(BARS.close, ta.SMA(longer.close, 2))
    values = evaluate_history(ExpressionPlan([before, crossing], interval_ns=MINUTE), bars, starts)
    assert values[before][9:].tolist() == [4.0] * 5 + [9.0] * 5 + [14.0]
    assert np.flatnonzero(values[crossing] == 1.0).tolist() == []
    bars[3, 12] = 1.0  # below the average of 4 and 9 for one bar
    assert np.flatnonzero(
        evaluate_history(ExpressionPlan([crossing], interval_ns=MINUTE), bars, starts)[crossing] == 1.0
    ).tolist() == [13]


def test_a_longer_bar_is_computed_once_for_all_who_use_it():
    one, other = resample(BARS, "15m"), resample(Bars(), "15m")
    plan = ExpressionPlan([ta.EMA(one.close, 5), ta.EMA(other.close, 5) > 3, ta.ATR(other, 3)], interval_ns=MINUTE)
    assert sum(n.op is Op.RESAMPLE for n in plan.nodes) == 1
    assert sum(n.params[:1] == ("EMA",) for n in plan.nodes) == 1


def test_people_read_the_length_of_the_bars():
    longer = resample(BARS, "15m")
    rule = (ta.EMA(longer.close, 5) > 3) & (BARS.close > 1)
    assert [expression_text(n) for n in named_indicators(rule)] == ["EMA(15m.close, 5)"]
    crossing = crossed_above(ta.EMA(longer.close, 5), BARS.close)
    assert [expression_text(n) for n in named_indicators(crossing)] == ["EMA(15m.close, 5)"]


@pytest.mark.parametrize(
    ("length", "interval", "says"),
    [
        ("5m", 5 * MINUTE, "bars of 5m, which cannot be made of bars of 300 s"),
        ("15m", 10 * MINUTE, "bars of 15m, which cannot be made of bars of 600 s"),
        ("1h", None, "bars of unknown length"),
    ],
)
def test_longer_bars_are_made_of_whole_ones(length, interval, says):
    with pytest.raises(ConfigError, match=says):
        ExpressionPlan([resample(BARS, length).close], interval_ns=interval)


@pytest.mark.parametrize("length", ["7m", "", "m", "-5m", "0m", "1.5h", "2d", "5 m"])
def test_a_length_that_does_not_divide_a_day_is_refused(length):
    with pytest.raises(ValueError, match="divides a day"):
        resample(BARS, length)


def test_what_needs_the_bars_themselves_says_so():
    longer = resample(BARS, "5m")
    for wrong in (lambda: resample(longer, "15m"), lambda: session_vwap(longer), lambda: opening_range(longer, 15)):
        with pytest.raises(ValueError, match="needs the bars themselves"):
            wrong()
