"""How rules are written: operators, names of TA-Lib, sessions, and what is refused."""

import pickle
from datetime import time, timedelta, timezone

import numpy as np
import pytest

from tradebot.clock import SECOND
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
from tradebot.indicators.node import Node, expression_text, intern_node, named_indicators
from tradebot.indicators.plan import ExpressionPlan, evaluate_history

BARS = Bars()
MINUTE = 60 * SECOND
NAN = float("nan")
NINE_FIFTEEN = 1_766_966_400 * SECOND + 225 * MINUTE  # IST


def values(expression: Node, close: list[float], *, minutes: int = 5, starts: list[int] | None = None) -> list[float]:
    column = np.array(close, dtype=float)
    bars = np.array([column, column + 1, column - 1, column, np.full(len(column), 10.0)])
    at = np.array([NINE_FIFTEEN + i * minutes * MINUTE for i in range(len(close))] if starts is None else starts)
    return evaluate_history(ExpressionPlan([expression]), bars, at)[expression].tolist()


def same(got: list[float], wanted: list[float]) -> bool:
    return np.array_equal(got, wanted, equal_nan=True)


def test_equal_expressions_are_one_node_and_different_numbers_are_not():
    assert ta.EMA(BARS.close, 12) is ta.EMA(BARS.close, timeperiod=12)
    assert BARS.close + 1 is Bars().close + 1.0
    assert ta.BBANDS(BARS.close, 5, 2.0).upper is not ta.BBANDS(BARS.close, 5, 3.0).upper
    assert (
        len(ExpressionPlan([ta.EMA(BARS.close, 5) > 1, ta.EMA(BARS.close, 5) < 1]))
        == len(ExpressionPlan([ta.EMA(BARS.close, 5) > 1])) + 1
    )


def test_an_expression_survives_pickling_as_itself():
    expression = crossed_above(ta.MACD(BARS.close).macd, 0) & (BARS.volume > 5)
    assert pickle.loads(pickle.dumps(expression)) is expression


def test_nodes_nobody_uses_are_forgotten():
    from tradebot.indicators import node as module

    before = len(module._nodes)
    for i in range(50):
        _ = BARS.close * (i + 0.123)
    assert len(module._nodes) <= before + 2


@pytest.mark.parametrize("wrong", [lambda: bool(BARS.close > 1), lambda: 1 < BARS.close < 2, lambda: BARS.close > "1"])
def test_and_or_chains_and_strings_are_refused(wrong):
    with pytest.raises(TypeError):
        wrong()


def test_an_unknown_truth_is_not_true_and_its_negation_is_not_either():
    before = lag(BARS.close) > 0  # unknown at the first row
    assert same(values(before, [1, 1]), [NAN, 1])
    assert same(values(~before, [1, 1]), [NAN, 0])
    assert same(values(before & (BARS.close > 5), [1, 9]), [0, 1])
    assert same(values(before | (BARS.close > 5), [9, 1]), [1, 1])
    assert same(values(before & (BARS.close > 0), [1, 1]), [NAN, 1])


def test_crossings_fire_at_the_bar_that_leaves_the_other_side_and_only_there():
    close = [1, 3, 2, 2, 3, 4, 2, 1]
    assert same(values(crossed_above(BARS.close, 2), close), [0 if close[0] <= 2 else NAN, 1, 0, 0, 1, 0, 0, 0])
    assert same(values(crossed_below(BARS.close, 2), close)[1:], [0, 0, 0, 0, 0, 0, 1])


def test_pairs_and_arithmetic():
    assert same(values(minimum(BARS.close, 2) + maximum(BARS.close, 2), [1, 3]), [3, 5])
    assert same(values(10 / (BARS.close - 1) - abs(-BARS.close), [1, 3]), [float("inf"), 2])
    assert same(values(minimum(lag(BARS.close), 0), [1, 3]), [NAN, 0])


def test_lag_reaches_only_the_past():
    assert same(values(lag(BARS.close, 2), [1, 2, 3, 4]), [NAN, NAN, 1, 2])
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError):
            lag(BARS.close, wrong)


def test_a_talib_function_takes_bars_or_expressions_and_gives_parts_by_name():
    assert ta.ADX(BARS, 14) is ta.ADX(BARS.high, BARS.low, BARS.close, timeperiod=14)
    assert ta.OBV(BARS) is ta.OBV(BARS.close, BARS.volume)
    assert ta.RSI(BARS, 5) is ta.RSI(BARS.close, 5)
    macd, sign, hist = both = ta.MACD(BARS.close, fastperiod=5)
    assert (macd, sign, hist) == (both.macd, both.signal, both.hist) == (both[0], both.macdsignal, both.macdhist)
    assert ta.BBANDS(BARS).upper is ta.BBANDS(BARS.close).upperband


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (lambda: ta.RSII(BARS), AttributeError, "did you mean RSI"),
        (lambda: ta.RSI(), TypeError, "expression or bars"),
        (lambda: ta.RSI(14), TypeError, "expression or bars"),
        (lambda: ta.ADX(BARS.high, BARS.low), TypeError, "one expression for each of high, low, close"),
        (lambda: ta.RSI(BARS, 14, 15), TypeError, "takes the parameters timeperiod"),
        (lambda: ta.RSI(BARS, period=14), TypeError, "did you mean timeperiod"),
        (lambda: ta.RSI(BARS, 14, timeperiod=14), TypeError, "twice"),
        (lambda: ta.RSI(BARS, 14.5), TypeError, "must be a int"),
        (lambda: ta.RSI(BARS, 0), ValueError, "TA-Lib refuses RSI"),
        (lambda: ta.RSI(BARS, 10**12), ValueError, "TA-Lib refuses RSI"),
        (lambda: ta.MACD(BARS).sgnal, AttributeError, "it has macd"),
    ],
)
def test_mistakes_with_talib_are_named(build, error, says):
    with pytest.raises(error, match=says):
        build()


def test_labels_read_as_they_were_written():
    rule = crossed_above(ta.EMA(BARS.close, 5), 20) & (ta.MACD(BARS.close).hist > 0)
    assert [expression_text(n) for n in named_indicators(rule)] == ["EMA(close, 5)", "MACD(close, 12, 26, 9).macdhist"]
    assert expression_text(~(BARS.close > lag(BARS.open, 2))) == "~(close > lag(open, 2))"
    assert expression_text(opening_range(BARS, 15).high) == "opening_high(15)"


def test_the_opening_range_is_known_after_its_minutes_and_until_the_session_ends():
    day = 24 * 60 * MINUTE
    starts = [NINE_FIFTEEN + m * MINUTE for m in (0, 5, 10, 15)] + [NINE_FIFTEEN + day + m * MINUTE for m in (0, 15)]
    close = [5, 9, 7, 20, 1, 2]
    first = opening_range(BARS, 15)
    assert same(values(first.high, close, starts=starts), [NAN, NAN, NAN, 10, NAN, 2])
    assert same(values(first.low, close, starts=starts), [NAN, NAN, NAN, 4, NAN, 0])


def test_a_start_in_the_middle_of_the_day_has_no_opening_range():
    starts = [NINE_FIFTEEN + m * MINUTE for m in (60, 65)]
    assert same(values(opening_range(BARS, 15).high, [1, 2], starts=starts), [NAN, NAN])


def test_a_session_may_open_elsewhere():
    new_york = timezone(timedelta(hours=-5))
    starts = [1_766_966_400 * SECOND + m * MINUTE for m in (870, 875)]  # 14:30 UTC
    opening = opening_range(BARS, 5, opens_at=time(9, 30), zone=new_york)
    assert same(values(opening.high, [1, 2], starts=starts), [NAN, 2])


def test_the_session_vwap_weighs_by_volume_and_starts_anew_each_session():
    day = 24 * 60 * MINUTE
    starts = [NINE_FIFTEEN, NINE_FIFTEEN + MINUTE, NINE_FIFTEEN + day]
    assert same(values(session_vwap(BARS), [1, 2, 5], starts=starts), [1, 1.5, 5])


def test_every_node_depends_on_the_past_only():
    rng = np.random.default_rng(0)
    close = (100 + np.cumsum(rng.normal(size=60))).tolist()
    rule = crossed_above(ta.RSI(BARS.close, 5), 50) | (session_vwap(BARS) > opening_range(BARS, 30).high)
    whole = values(rule, close)
    for cut in (10, 33, 59):
        assert same(values(rule, close[:cut]), whole[:cut])


def test_a_node_is_found_again_by_its_parts():
    made = BARS.close + 2
    assert intern_node(made.op, made.args, made.params) is made
