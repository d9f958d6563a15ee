"""What the shipped strategies do on a small seeded market: their meaning, and a golden hash of every signal."""

import hashlib

import numpy as np
import pytest

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Action, Signal
from tradebot.strategies.loading import SHIPPED_STRATEGIES, load_strategy
from tradebot.trading.analysis.partition import Partition, PartitionSetup
from tradebot.trading.analysis.signal_batch import SignalBatch
from tradebot.trading.analysis.waiting_symbols import CloseRows

MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE


def columns(seed: int = 11, days: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Five-minute bars of one symbol in paise: 75 a day, trending and turning."""
    rng = np.random.default_rng(seed)
    n = 75 * days
    drift = np.repeat(rng.integers(-6, 7, n // 25), 25)
    close = 150_000 + np.cumsum((drift + rng.integers(-30, 31, n)) * 5)
    open_ = np.concatenate([[150_000], close[:-1]])
    high = np.maximum(open_, close) + rng.integers(0, 15, n) * 5
    low = np.minimum(open_, close) - rng.integers(0, 15, n) * 5
    volume = rng.integers(100, 5000, n)
    at = np.arange(n)
    ends = OPENS + (at // 75) * 86_400 * SECOND + (at % 75 + 1) * 5 * MINUTE
    return np.array([open_, high, low, close, volume]), ends


def run(name: str, **params: object) -> list[tuple[int, Signal]]:
    universe = Universe([Instrument(symbol="A")])
    partition = Partition(PartitionSetup((0,), universe.instruments, (load_strategy(name, params),), 5 * MINUTE))
    bars, ends = columns()
    ids = np.array([0])
    names = ("open", "high", "low", "close", "volume")
    found = []
    for t, end in enumerate(ends.tolist()):
        bar = bars[:, t : t + 1]
        batch = BarBatch(
            interval=5 * MINUTE,
            ends_at=end,
            seen_at=0,
            quoted_at=0,
            ids=ids,
            ticks=ids,
            **dict(zip(names, bar, strict=True)),
        )
        fires = partition.process_close(CloseRows(end, ids, bar, {})).signals
        found += [(t, signal) for signal in SignalBatch(batch, universe, fires, (), 0).as_message().signals]
    return found


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("ema_cross", "86b66913c4ca5257"),
        ("opening_range_breakout", "6ccd05e5c4fc6aa3"),
        ("rsi_reversion", "94857a0fbf134276"),
    ],
)
def test_every_signal_is_the_golden_one(name, golden):
    text = "\n".join(f"{t} {row.action} {row.stop_loss} {row.target} {row.inputs}" for t, row in run(name))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == golden, f"{text.count(chr(10)) + 1} signals"


@pytest.mark.parametrize("name", SHIPPED_STRATEGIES)
def test_every_entry_has_a_stop_on_its_losing_side_and_says_why(name):
    entries = [row for _, row in run(name) if Action(row.action).is_entry]
    assert len(entries) >= 2
    for row in entries:
        assert row.stop_loss is not None
        assert (row.stop_loss < row.close) == (row.action == "enter_long")
        assert row.inputs


def test_the_range_breakout_enters_both_ways_and_never_in_the_opening_minutes():
    seen = [(t, row) for t, row in run("opening_range_breakout", minutes=30) if Action(row.action).is_entry]
    assert {row.action for _, row in seen} == {"enter_long", "enter_short"}
    assert all(t % 75 >= 6 for t, _ in seen)
    for _, row in seen:
        assert row.target is not None
        assert (row.target > row.close) == (row.action == "enter_long")


def test_the_cross_alternates_and_needs_a_trend():
    loose = [row.action for _, row in run("ema_cross", trend=0.0)]
    strict = [row.action for _, row in run("ema_cross", trend=30.0)]
    assert 0 < strict.count("enter_long") < loose.count("enter_long")
    assert strict.count("exit_long") == loose.count("exit_long")


def test_the_dip_buyer_enters_only_where_rsi_has_come_back():
    for _, row in run("rsi_reversion"):
        rsi = row.inputs["RSI(close, 4)"]
        assert rsi > 60 if row.action == "exit_long" else rsi > 25
