"""What explains a signal was named otherwise once; a journal of then is replayed all the same."""

from __future__ import annotations

from tradebot.domain.messages import Action, Signal
from tradebot.replay.rerun import with_current_names


def signal(**inputs: float) -> Signal:
    return Signal(
        signal_id="a/TCS/1/enter_long", strategy="a", symbol="TCS", action=Action.ENTER_LONG, bar_at=1, quoted_at=1,
        made_at=1, close=5.0, inputs=inputs,
    )  # fmt: skip


def test_an_average_named_with_its_opening_is_the_one_named_without() -> None:
    old = signal(**{"session_vwap(13500000000000)": 5.0, "SMA(volume, 20)": 7.0})
    assert with_current_names(old) == signal(**{"session_vwap": 5.0, "SMA(volume, 20)": 7.0})
    assert list(with_current_names(old).inputs) == ["session_vwap", "SMA(volume, 20)"]


def test_other_names_stay_as_they_are() -> None:
    today = signal(**{"opening_high(15)": 5.0, "session_vwap": 5.0})
    assert with_current_names(today) is today
