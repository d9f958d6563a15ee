"""The step over all symbols of a close gives TA-Lib's bits: any function, any parameters, any cuts and gaps."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.indicators.expressions import Bars, crossed_above, lag, session_vwap, ta
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.streaming import StreamingIndicators, TaState
from tradebot.indicators.vector_functions import VECTOR_FUNCTIONS
from tradebot.indicators.vector_fused import FusedFactor
from tradebot.indicators.vector_state import VectorState

BARS = Bars()
MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE  # a day's 03:45 UTC, 09:15 IST
ROWS = 110


def functions(n: int, m: int) -> list:
    """One of each function that steps vectorised, with periods made of `n` and `m`."""
    macd, signal, hist = ta.MACD(BARS.close, n, m + 2, n + m)
    upper, _, lower = ta.BBANDS(BARS.close, n, float(m), float(m))
    k, d = ta.STOCH(BARS, n, m, 0, n, 0)
    return [
        ta.SMA(BARS.close, n), ta.EMA(BARS.close, m), macd, signal, hist, ta.RSI(BARS.close, n), ta.ATR(BARS, m),
        upper, lower, k, d, ta.ADX(BARS, n), ta.OBV(BARS), session_vwap(BARS),
    ]  # fmt: skip


def history(seed: int, symbols: int, rows: int, *, scale: float = 1.0, wild: bool = False) -> tuple:
    """Bars (rows, 5, symbols) in ticks, with flat stretches, jumps and zero volume; sessions of 25 bars."""
    rng = np.random.default_rng(seed)
    moves = rng.integers(-20, 21, (rows, symbols)) * (rng.random((rows, symbols)) > 0.2)
    if wild:
        moves *= np.where(rng.random((rows, symbols)) > 0.97, 5_000, 1)
        moves[rows // 3 : rows // 2, ::2] = 0  # every other symbol stands still for long
    close = (np.abs(np.cumsum(moves, axis=0) + 20_000) + 1) * 5 / 100.0
    open_ = close + rng.integers(-5, 6, close.shape) * 5 / 100.0
    is_still = moves == 0
    high = np.maximum(open_, close) + rng.integers(0, 5, close.shape) * 5 / 100.0
    low = np.minimum(open_, close) - rng.integers(0, 5, close.shape) * 5 / 100.0
    if wild:
        high, low = np.where(is_still, close, high), np.where(is_still, close, low)
    volume = (rng.integers(0, 1000, close.shape) * (rng.random(close.shape) > 0.1)).astype(float)
    at = np.arange(rows)
    starts = OPENS + (at // 25) * 86_400 * SECOND + (at % 25) * 15 * MINUTE
    return np.stack([open_ * scale, high * scale, low * scale, close * scale, volume], axis=1), starts.astype(np.int64)


def bits(column: np.ndarray) -> bytes:
    return np.where(np.isnan(column), np.nan, column).tobytes()


def differing(
    plan: ExpressionPlan, bars: np.ndarray, starts: np.ndarray, cuts: list[int], missing: float, seed: int
) -> list[str]:
    """Fill each symbol up to its cut, step the rest with gaps, compare each with TA-Lib's batch over what it saw."""
    rows, _, symbols = bars.shape
    live = StreamingIndicators(plan, symbols, vector_from=1)
    rng = np.random.default_rng(seed)
    fed: list[list[int]] = [list(range(cut)) for cut in cuts]
    seen: list[list[np.ndarray]] = [[] for _ in cuts]
    for row, cut in enumerate(cuts):
        if cut:
            head = live.feed_history(row, np.ascontiguousarray(bars[:cut, :, row].T), starts[:cut])
            seen[row] = list(np.array([head[root] for root in plan.roots]).T)
    for t in range(rows):
        here = np.flatnonzero((np.array(cuts) <= t) & (rng.random(symbols) >= missing))
        values = live.step_bars(here, bars[t][:, here], int(starts[t]))
        table = np.array([values[root] for root in plan.roots])
        for i, row in enumerate(here.tolist()):
            fed[row].append(t)
            seen[row].append(table[:, i])
    wrong = set()
    for row in range(symbols):
        if fed[row]:
            whole = evaluate_history(plan, np.ascontiguousarray(bars[fed[row], :, row].T), starts[fed[row]])
            found = np.array(seen[row])
            wrong |= {repr(root) for j, root in enumerate(plan.roots) if bits(found[:, j].copy()) != bits(whole[root])}
    return sorted(wrong)


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(2, 20),
    m=st.integers(2, 9),
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, ROWS), min_size=1, max_size=6),
    missing=st.sampled_from([0.0, 0.0, 0.1, 0.6]),
    scale=st.sampled_from([1.0, 1.0, 1e-7, 1e9]),
    wild=st.booleans(),
)
def test_every_vectorised_function_gives_the_bits_of_the_batch(n, m, seed, cuts, missing, scale, wild):
    bars, starts = history(seed, len(cuts), ROWS, scale=scale, wild=wild)
    assert differing(ExpressionPlan(functions(n, m)), bars, starts, cuts, missing, seed) == []


def test_every_period_of_an_average_range_has_the_weights_of_talib():
    plan = ExpressionPlan([*(ta.ATR(BARS, n) for n in range(2, 60)), *(ta.RSI(BARS, n) for n in range(2, 60, 3))])
    bars, starts = history(5, 2, 130)
    assert differing(plan, bars, starts, [0, 100], 0.0, 5) == []


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_bands_take_new_anchors_where_talib_does(missing):
    # Longer than 32 windows, with jumps that leave the window and stretches without any variance.
    plan = ExpressionPlan([*ta.BBANDS(BARS.close, 5), *ta.BBANDS(BARS.close, 20)])
    bars, starts = history(3, 6, 900, wild=True)
    assert differing(plan, bars, starts, [0, 0, 100, 170, 333, 700], missing, 3) == []


def test_a_window_without_variance_has_bands_of_no_width():
    # 0.1 has no exact mean of three: what is left of the squares is rounding error.
    bars, starts = history(4, 3, 200)
    bars[60:160, :4] = np.array([0.1, 1 / 3, 123.45])
    bars[80:160, 3] *= 1.0 + np.array([1e-9, 1e-12, 1e-15]) * np.arange(80)[:, None]
    assert (
        differing(
            ExpressionPlan([*ta.BBANDS(BARS.close, 3), *ta.BBANDS(BARS.close, 7)]), bars, starts, [0, 90, 120], 0.0, 4
        )
        == []
    )


def test_indicators_of_indicators_with_gaps_in_their_inputs_agree():
    ratio = BARS.close / (BARS.volume - lag(BARS.volume))  # infinite or NaN where the volume stands still
    roots = [
        ta.EMA(ta.RSI(BARS.close, 5), 4), ta.RSI(ratio, 3), ta.SMA(ratio, 4), ta.MACD(ratio, 3, 5, 2).hist,
        ta.BBANDS(ta.ATR(BARS, 3), 4).upper, ta.EMA(-BARS.volume * 0, 3), ta.SMA(-BARS.volume * 0, 3),
        crossed_above(ta.EMA(BARS.close, 3), ta.EMA(BARS.close, 8)), lag(ta.ADX(BARS, 4), 3),
        ta.ATR(-BARS.high, -BARS.low, -BARS.close, 3), ta.OBV(ratio, BARS.volume),
    ]  # fmt: skip
    for seed in range(6):
        bars, starts = history(seed, 4, ROWS, wild=seed % 2 == 0)
        bars[:, 4] -= bars[:, 4] % 400  # few different volumes
        assert differing(ExpressionPlan(roots), bars, starts, [0, 7, 40, 0], 0.2, seed) == []


def test_a_symbol_that_stands_still_into_denormal_numbers_keeps_the_bits():
    flat = np.full((11_000, 1), 100.0)
    flat[:40] += np.random.default_rng(1).integers(0, 9, (40, 1))
    bars = np.stack([flat, flat, flat, flat, flat], axis=1)
    starts = OPENS + np.arange(len(flat)) * MINUTE
    roots = [ta.RSI(BARS.close, 14), ta.ATR(BARS, 14), ta.ADX(BARS, 14), ta.EMA(BARS.close - 100.0, 14)]
    live, row = StreamingIndicators(ExpressionPlan(roots), 1, vector_from=1), np.array([0])
    live.feed_history(0, np.ascontiguousarray(bars[:9_000, :, 0].T), starts[:9_000])
    steps = [live.step_bars(row, bars[t], int(starts[t])) for t in range(9_000, 11_000)]
    whole = evaluate_history(ExpressionPlan(roots), np.ascontiguousarray(bars[:, :, 0].T), starts)
    assert 0 < whole[roots[1]][10_000] < 2.3e-308, "the test reaches denormal numbers"
    for root in roots:
        assert bits(np.concatenate([step[root] for step in steps])) == bits(whole[root][9_000:]), repr(root)


@pytest.mark.parametrize("kind", ["calm", "wild", "still", "jumps", "short"])
def test_histories_that_are_only_loaded_leave_the_bits_of_those_that_are_filled_in(kind):
    plan, symbols = ExpressionPlan(functions(20, 3)), 4
    bars, starts = history(5, symbols, 900, wild=kind == "wild")
    if kind == "still":
        bars[100:, :4] = bars[100, :4]
    if kind == "jumps":  # each of them takes the digits of the sums away, and bands take a new anchor
        bars[::7, :4] *= 1e7
    cut = 30 if kind == "short" else 860
    everyone = np.arange(symbols)
    loaded, filled = (StreamingIndicators(plan, symbols, vector_from=1) for _ in range(2))
    for row in range(symbols):
        past = np.ascontiguousarray(bars[:cut, :, row].T)
        loaded.warm_up_states(row, past, starts[:cut])
        filled.feed_history(row, past, starts[:cut])
    wholes = [evaluate_history(plan, np.ascontiguousarray(bars[:, :, row].T), starts) for row in range(symbols)]
    for t in range(cut, cut + 40):
        ours, theirs = (live.step_bars(everyone, bars[t], int(starts[t])) for live in (loaded, filled))
        for root in plan.roots:
            assert bits(ours[root]) == bits(theirs[root]), repr(root)
            assert bits(ours[root]) == bits(np.array([whole[root][t] for whole in wholes])), repr(root)


def test_what_was_returned_is_not_changed_by_later_steps():
    plan = ExpressionPlan(functions(5, 3))
    bars, starts = history(1, 5, 60)
    live = StreamingIndicators(plan, 5, vector_from=1)
    everyone, some = np.arange(5), np.array([1, 3])
    for t in range(50):
        live.step_bars(everyone, bars[t], int(starts[t]))
    values = live.step_bars(everyone, bars[50], int(starts[50]))
    before = [values[root].copy() for root in plan.roots]
    bars[50] = 1.0  # a caller may use its buffer again
    live.step_bars(some, bars[51][:, some], int(starts[51]))
    live.step_bars(everyone, bars[52], int(starts[52]))
    assert all(bits(a) == bits(values[root]) for a, root in zip(before, plan.roots, strict=True))


def test_the_order_of_the_rows_of_a_close_is_free():
    plan = ExpressionPlan(functions(4, 3))
    bars, starts = history(2, 4, 80)
    straight, mixed = StreamingIndicators(plan, 4, vector_from=1), StreamingIndicators(plan, 4, vector_from=1)
    order = np.array([2, 0, 3, 1])
    for t in range(80):
        a = straight.step_bars(np.arange(4), bars[t], int(starts[t]))
        b = mixed.step_bars(order, bars[t][:, order], int(starts[t]))
        assert all(bits(a[root][order]) == bits(b[root]) for root in plan.roots)


def test_few_symbols_and_parameters_off_the_track_are_left_to_the_handles():
    def states(root, size):
        return [state for state in StreamingIndicators(ExpressionPlan([root]), size)._states if state is not None]

    assert isinstance(states(ta.EMA(BARS.close, 5), 50)[0], VectorState)
    left = [
        ta.BBANDS(BARS.close, 5, 2.0, 1.0).upper, ta.BBANDS(BARS.close, 5, matype=1).upper, ta.EMA(BARS.close, 1),
        ta.MACD(BARS.close, 3, 5, 1).macd, ta.STOCH(BARS, 5, 3, 1, 3, 0).slowk, ta.ATR(BARS, 1), ta.WMA(BARS.close, 3),
        ta.STOCH(-BARS.low, -BARS.high, -BARS.close, 5).slowk,
    ]  # fmt: skip
    assert all(isinstance(states(root, 50)[-1], TaState) for root in left)
    assert all(isinstance(states(root, 2)[0], TaState) for root in functions(5, 3)[:12])
    assert set(VECTOR_FUNCTIONS) == {"SMA", "EMA", "MACD", "RSI", "ATR", "BBANDS", "STOCH", "ADX", "OBV"}


def test_a_fused_step_keeps_the_sign_of_a_zero():
    zeros = FusedFactor(0.5).multiply_add(np.array([-0.0, 0.0, -0.0]), np.array([-0.0, -0.0, 0.0]))
    assert np.signbit(zeros).tolist() == [True, False, False]


finite = st.floats(-1e12, 1e12) | st.integers(-(2**53), 2**53).map(lambda n: n * 0.05) | st.sampled_from([0.0, -0.0])


@settings(max_examples=200, deadline=None)
@given(
    factor=st.integers(1, 200).map(lambda n: 2.0 / (n + 1)),
    xs=st.lists(finite | st.floats(-1e-280, 1e-280), min_size=1, max_size=9),
    data=st.data(),
)
def test_a_fused_step_rounds_once(factor, xs, data):
    near = [-factor * x for x in xs]  # sums that cancel show the last bits of the product
    ys = [data.draw(finite | st.sampled_from([n, np.nextafter(n, 1.0), n * 3.0])) for n in near]
    x, y = np.array(xs), np.array(ys)
    exact = [float(Fraction(factor) * Fraction(a) + Fraction(b)) for a, b in zip(xs, ys, strict=True)]
    assert FusedFactor(factor).multiply_add(x.copy(), y).tolist() == exact
    assert FusedFactor(factor).multiply_add_small(x.copy(), y).tolist() == exact
    assert FusedFactor([factor, 0.5]).multiply_add(np.stack([x, x]), np.stack([y, y]))[0].tolist() == exact


def test_functions_that_share_their_work_give_the_bits_they_give_alone():
    # Averages of one close step in one array, ranges are computed once, the middle of the bands is an average too.
    roots = [
        ta.EMA(BARS.close, 12), ta.ATR(BARS, 5), *ta.MACD(BARS.close, 3, 7, 4), ta.SMA(BARS.close, 6), ta.ADX(BARS, 4),
        *ta.BBANDS(BARS.close, 6), ta.EMA(BARS.close, 3), *ta.MACD(BARS.close, 5, 9, 2), ta.ATR(BARS, 9),
        ta.EMA(BARS.high, 4), ta.EMA(BARS.high, 5), ta.EMA(ta.SMA(BARS.close, 6), 3), ta.SMA(BARS.close, 7),
    ]  # fmt: skip
    for seed, missing in ((1, 0.0), (2, 0.15)):
        bars, starts = history(seed, 4, ROWS, wild=True)
        assert differing(ExpressionPlan(roots), bars, starts, [0, 0, 50, 90], missing, seed) == []
        assert differing(ExpressionPlan(roots), bars, starts, [60, 60, 60, 60], missing, seed) == []
