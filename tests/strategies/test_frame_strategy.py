"""Strategies in pandas: the frame they get, what their answer may be, and that the future is found out."""

import numpy as np
import pandas as pd
import pytest

from tradebot.clock import IST, SECOND
from tradebot.domain.messages import Action
from tradebot.strategies.frame_strategy import FrameStrategy, evaluate_frame, evaluate_history, make_frame
from tradebot.strategies.strategy import Param

OPENS = 1_766_966_400 * SECOND + 225 * 60 * SECOND


def bars(count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    close = 100 + np.cumsum(np.random.default_rng(3).integers(-2, 3, count)).astype(float)
    return np.array([close, close + 1, close - 1, close, close * 10]), OPENS + np.arange(count) * 60 * SECOND


class Cross(FrameStrategy):
    span = Param(5, low=2, high=50)
    window = 40

    def signals(self, df):
        df["mean"] = df["close"].rolling(self.span).mean()
        df["enter_long"] = df["close"] > df["mean"]
        df["exit_long"] = df["close"] < df["mean"]
        df["stop_loss"] = df["close"].shift(7) - 1
        return df


class Clairvoyant(FrameStrategy):
    def signals(self, df):
        df["enter_long"] = df["close"].shift(-1) > df["close"]
        return df


class Forgetful(FrameStrategy):
    window = 20

    def signals(self, df):
        return pd.DataFrame({"enter_short": df["close"] < df["close"].rolling(30).mean()})


def test_the_frame_has_the_bars_by_their_starts_in_indian_time():
    values, starts = bars(3)
    made = make_frame("TCS", values, starts)
    assert list(made.columns) == ["open", "high", "low", "close", "volume"]
    assert made.index[0] == pd.Timestamp("2025-12-29 09:15", tz=IST)
    assert made["high"].tolist() == values[1].tolist()
    assert made.attrs == {"symbol": "TCS"}
    made.loc[:, "close"] = 0.0
    assert values[3].all(), "a strategy may change its frame and nothing else"


def test_the_frame_of_another_exchange_has_the_times_of_its_zone():
    values, starts = bars(3)
    made = make_frame("AAPL", values, starts, "America/New_York")
    assert made.index[0] == pd.Timestamp("2025-12-28 22:45", tz="America/New_York")
    assert str(made.index.tz) == "America/New_York"


def test_an_entry_needs_its_levels_and_no_exit():
    found, others = evaluate_frame(Cross(), make_frame("A", *bars()))
    entries = found.when[Action.ENTER_LONG]
    assert not entries[:7].any()
    assert entries[7:].any()
    assert np.isfinite(found.levels[Action.ENTER_LONG]["stop_loss"][entries]).all()
    assert found.levels[Action.EXIT_LONG] == {}
    assert list(others) == ["mean"]


def test_a_level_of_one_side_goes_before_that_of_both():
    class Sided(FrameStrategy):
        def signals(self, df):
            return df.assign(enter_long=True, enter_short=True, target_long=df["high"], target=df["low"])

    values, starts = bars(4)
    found, _ = evaluate_frame(Sided(), make_frame("A", values, starts))
    assert found.levels[Action.ENTER_LONG]["target"].tolist() == values[1].tolist()
    assert found.levels[Action.ENTER_SHORT]["target"].tolist() == values[2].tolist()


@pytest.mark.parametrize(
    "values", [[True, None, False], [1, np.nan, 0], pd.array([True, None, False], dtype="boolean")]
)
def test_what_is_unknown_does_not_fire(values):
    class Given(FrameStrategy):
        def signals(self, df):
            return pd.DataFrame({"exit_short": values}, index=df.index)

    found, _ = evaluate_frame(Given(), make_frame("A", *bars(3)))
    assert found.when[Action.EXIT_SHORT].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda df: None, "must return a DataFrame, returned NoneType"),
        (lambda df: df.iloc[1:].assign(enter_long=True), "one row for each of the 5 rows given, returned 4"),
        (lambda df: df, "none of the columns enter_long"),
        (lambda df: df.assign(enter_lnog=True), "unknown column enter_lnog; did you mean enter_long"),
        (lambda df: df.assign(enter_long=True, stop_los=1.0), None),
        (lambda df: df.assign(enter_long=True, stop_loss_lnog=1.0), "did you mean stop_loss_long"),
    ],
)
def test_an_answer_that_is_none_is_explained(answer, says):
    class Wrong(FrameStrategy):
        def signals(self, df):
            return answer(df)

    if says is None:  # a column of the strategy's own
        assert list(evaluate_frame(Wrong(), make_frame("A", *bars(5)))[1]) == ["stop_los"]
        return
    with pytest.raises((TypeError, ValueError), match=says):
        evaluate_frame(Wrong(), make_frame("A", *bars(5)))


@pytest.mark.parametrize("level", ["stop_loss", "target", "trail_by"])
def test_a_level_that_needs_later_bars_is_refused(level):
    class Peeking(Cross):
        def signals(self, df):
            later = df["low"].shift(-3).fillna(df["low"]) / 2
            return super().signals(df).assign(**{level: later})

    with pytest.raises(ValueError, match=rf"Peeking: {level} of enter_long of A at .* before later bars are known"):
        evaluate_history(Peeking(), "A", *bars())


def test_a_history_is_asked_once_and_says_what_each_bar_would_have_said():
    values, starts = bars()
    whole = evaluate_history(Cross(), "A", values, starts)
    for last in range(12, len(starts)):
        first = max(0, last - 39)
        live, _ = evaluate_frame(Cross(), make_frame("A", values[:, first : last + 1], starts[first : last + 1]))
        assert {a: m[-1] for a, m in live.when.items()} == {a: m[last] for a, m in whole.when.items()}


@pytest.mark.parametrize("strategy", [Clairvoyant(), Forgetful()])
def test_a_look_into_the_future_or_beyond_the_window_is_found_out(strategy):
    with pytest.raises(ValueError, match="signals\\(\\) may use neither"):
        evaluate_history(strategy, "A", *bars(400))


def test_an_empty_history_says_nothing():
    values, starts = bars(0)
    assert evaluate_history(Cross(), "A", values, starts).when[Action.ENTER_LONG].tolist() == []
