"""Streaming and batch evaluation give the same bits, for any graph, cut anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.indicators import talib_bridge
from tradebot.indicators.expressions import (
    Bars,
    crossed_above,
    crossed_below,
    lag,
    maximum,
    minimum,
    opening_range,
    session_vwap,
    ta,
)
from tradebot.indicators.node import Node
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.streaming import StreamingIndicators

BARS = Bars()
MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE  # a day's 03:45 UTC, 09:15 IST


def history(seed: int, rows: int, *, minutes: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Bars in ticks of 0.05 with flat stretches, gaps and zero volume; 25 bars a session, sessions a day apart."""
    rng = np.random.default_rng(seed)
    moves = rng.integers(-20, 21, rows) * (rng.random(rows) > 0.2)
    close = (np.cumsum(moves) + 20_000) * 5 / 100.0
    open_ = close + rng.integers(-5, 6, rows) * 5 / 100.0
    high = np.maximum(open_, close) + rng.integers(0, 5, rows) * 5 / 100.0
    low = np.minimum(open_, close) - rng.integers(0, 5, rows) * 5 / 100.0
    volume = (rng.integers(0, 1000, rows) * (rng.random(rows) > 0.1)).astype(float)
    at = np.arange(rows)
    starts = OPENS + (at // 25) * 86_400 * SECOND + (at % 25) * minutes * MINUTE
    return np.array([open_, high, low, close, volume]), starts.astype(np.int64)


def leaves() -> st.SearchStrategy[Node]:
    bars = [BARS.open, BARS.high, BARS.low, BARS.close, BARS.volume]
    sessions = [opening_range(BARS, 30).high, opening_range(BARS, 45).low, session_vwap(BARS)]
    periods = st.integers(2, 9)
    from_bars = [
        lambda n: ta.ADX(BARS, n), lambda n: ta.ATR(BARS, n), lambda n: ta.CCI(BARS, n), lambda n: ta.MFI(BARS, n),
        lambda n: ta.WILLR(BARS, n), lambda n: ta.OBV(BARS), lambda n: ta.SAR(BARS), lambda n: ta.NATR(BARS, n),
        lambda n: ta.STOCH(BARS, fastk_period=n).slowk, lambda n: ta.AROON(BARS, n).up,
        lambda n: ta.SUPERTREND(BARS, n)[0], lambda n: ta.CDLENGULFING(BARS), lambda n: ta.VWMA(BARS, n),
    ]  # fmt: skip
    return (
        st.sampled_from(bars + sessions)
        | st.sampled_from([-1.0, 0.0, 0.5, 2.0]).map(lambda v: BARS.close * 0 + v)
        | st.builds(lambda f, n: f(n), st.sampled_from(from_bars), periods)
    )


def grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    of_one = [
        lambda x, n: ta.EMA(x, n), lambda x, n: ta.SMA(x, n), lambda x, n: ta.RSI(x, n), lambda x, n: ta.WMA(x, n),
        lambda x, n: ta.DEMA(x, n), lambda x, n: ta.KAMA(x, n), lambda x, n: ta.ROC(x, n), lambda x, n: ta.STDDEV(x, n),
        lambda x, n: ta.MAX(x, n), lambda x, n: ta.MINMAXINDEX(x, n)[1], lambda x, n: ta.LINEARREG(x, n),
        lambda x, n: ta.BBANDS(x, n).lower, lambda x, n: ta.MACD(x, n, n + 3, 3).hist, lambda x, n: ta.LN(x),
        lambda x, n: ta.TRIX(x, n), lambda x, n: lag(x, n), lambda x, n: -x, lambda x, n: abs(x), lambda x, n: ~(x > n),
    ]  # fmt: skip
    of_two = [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a > b,
        lambda a, b: a <= b, lambda a, b: (a >= b) & (b < 1), lambda a, b: (a < b) | (b > 1), crossed_above,
        crossed_below, minimum, maximum, lambda a, b: ta.CORREL(a, b, 5), lambda a, b: 3 - a / b,
    ]  # fmt: skip
    return st.builds(lambda f, x, n: f(x, n), st.sampled_from(of_one), inner, st.integers(2, 9)) | st.builds(
        lambda f, a, b: f(a, b), st.sampled_from(of_two), inner, inner
    )


def bits(column: np.ndarray) -> bytes:
    return np.where(np.isnan(column), np.nan, column).tobytes()  # every NaN is the same NaN


def stream(plan: ExpressionPlan, bars: np.ndarray, starts: np.ndarray, cut: int) -> list[np.ndarray]:
    live = StreamingIndicators(plan, 3)
    row = np.array([1])
    head = live.feed_history(1, bars[:, :cut], starts[:cut]) if cut else None
    steps = [live.step_bars(row, bars[:, t : t + 1], int(starts[t])) for t in range(cut, bars.shape[1])]
    parts = ([head] if head else []) + steps
    return [np.concatenate([part[root] for part in parts]) for root in plan.roots]


@settings(max_examples=150, deadline=None)
@given(
    roots=st.lists(st.recursive(leaves(), grow, max_leaves=5), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    cut=st.integers(0, 90),
)
def test_any_graph_gives_the_same_bits_streamed_from_any_cut_as_in_batch(roots, seed, cut):
    plan = ExpressionPlan(roots)
    bars, starts = history(seed, 90)
    whole = evaluate_history(plan, bars, starts)
    for root, column in zip(plan.roots, stream(plan, bars, starts, cut), strict=True):
        assert bits(column) == bits(whole[root]), f"{root!r} differs after a cut at {cut}"


@settings(max_examples=100, deadline=None)
@given(
    roots=st.lists(st.recursive(leaves(), grow, max_leaves=5), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    cut=st.integers(1, 80),
    vector_from=st.sampled_from([1, 9]),
)
def test_a_history_that_is_only_loaded_leaves_what_one_that_is_filled_in_leaves(roots, seed, cut, vector_from):
    plan, row = ExpressionPlan(roots), np.array([1])
    bars, starts = history(seed, 90)
    whole, live = evaluate_history(plan, bars, starts), StreamingIndicators(plan, 3, vector_from=vector_from)
    live.warm_up_states(1, bars[:, :cut], starts[:cut])
    steps = [live.step_bars(row, bars[:, t : t + 1], int(starts[t])) for t in range(cut, bars.shape[1])]
    for root in plan.roots:
        assert bits(np.concatenate([step[root] for step in steps])) == bits(whole[root][cut:]), repr(root)


@pytest.mark.parametrize("cut", [0, 40])
def test_every_function_of_talib_streams_the_bits_of_its_batch(cut):
    bars, starts = history(7, 160)
    bars[4] += 1  # some functions divide by the volume
    differing = []
    for name in talib_bridge._talib.get_functions():
        groups = talib_bridge.function_signature(name).inputs
        inputs = [ta.SMA(BARS.close, 3) if group == (None,) else BARS for group in groups]
        if name == "MAVP":
            inputs = [BARS.close, BARS.close * 0 + 5]
        built = getattr(ta, name)(*inputs)
        plan = ExpressionPlan([built] if isinstance(built, Node) else list(built))
        whole = evaluate_history(plan, bars, starts)
        streamed = stream(plan, bars, starts, cut)
        if any(bits(whole[r]) != bits(s) for r, s in zip(plan.roots, streamed, strict=True)):
            differing.append(name)
    assert differing == []


def test_symbols_of_one_close_do_not_touch_each_other():
    plan = ExpressionPlan(
        [ta.EMA(BARS.close, 3) - lag(BARS.close, 2), session_vwap(BARS), ta.MACD(BARS.close, 3, 5, 2).signal]
    )
    columns = [history(seed, 60) for seed in range(3)]
    live = StreamingIndicators(plan, 3)
    seen = [[] for _ in range(3)]
    rng = np.random.default_rng(3)
    fed = [[] for _ in range(3)]
    for t in range(60):
        rows = np.flatnonzero(rng.random(3) > 0.3)  # a symbol without a trade has no row
        bars = np.stack([columns[r][0][:, t] for r in rows], axis=1) if len(rows) else np.zeros((5, 0))
        values = live.step_bars(rows, bars, int(columns[0][1][t]))
        for i, r in enumerate(rows):
            fed[r].append(t)
            seen[r].append([values[root][i] for root in plan.roots])
    for r in range(3):
        whole = evaluate_history(plan, columns[r][0][:, fed[r]], columns[r][1][fed[r]])
        for j, root in enumerate(plan.roots):
            assert bits(np.array(seen[r])[:, j]) == bits(whole[root])
