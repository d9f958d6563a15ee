"""Closes in, signals out: inline and in worker processes the same, in a fixed order, and what a strategy may do."""

import os
import subprocess
import sys
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from tests.trading.analysis.analysis_by_hand import (
    FAST,
    LIVE,
    MINUTE,
    OPENS,
    WARM,
    Bench,
    comparing,
    market,
    running,
    told,
    undisturbed,
    written,
)
from tradebot.domain.messages import Action
from tradebot.errors import ConfigError
from tradebot.strategies.loading import load_strategy


async def test_workers_and_inline_give_the_same_signals_and_some_fire():
    specs = [load_strategy("ema_cross", FAST), load_strategy("rsi_reversion", {"period": 3, "average": 10})]
    expected = await undisturbed(5, specs)
    async with running(Bench(size=5, specs=specs, workers=2)) as bench:
        got = [told(await bench.step(t)) for t in range(LIVE)]
    assert got == expected
    assert sum(map(len, expected)) > 20
    assert bench.faults == []


async def test_signals_are_ordered_by_symbol_id_and_strategy_and_carry_what_explains_them():
    specs = [load_strategy("ema_cross", FAST, name="b"), load_strategy("ema_cross", FAST, name="a")]
    async with running(Bench(size=7, specs=specs, workers=2)) as bench:
        answers = [await bench.step(t) for t in range(LIVE)]
    for answer in answers:
        keys = [(bench.analysis.universe.id_of(s.symbol), s.strategy) for s in answer.signals]
        assert keys == sorted(keys)
    entry = next(s for a in answers for s in a.signals if s.action is Action.ENTER_LONG)
    assert entry.signal_id == f"{entry.strategy}/{entry.symbol}/{entry.bar_at}/enter_long"
    assert set(entry.inputs) == {"EMA(close, 2)", "EMA(close, 5)", "ADX(high, low, close, 14)"}
    assert entry.stop_loss is not None
    assert entry.stop_loss < entry.close
    batch = bench.batches[(entry.bar_at - OPENS) // MINUTE - WARM - 1]
    assert (entry.bar_at, entry.quoted_at) == (batch.ends_at, batch.quoted_at)
    assert entry.made_at > 0


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("raised", ["ZeroDivisionError('by\\nzero')", "SystemExit(3)"])
async def test_a_strategy_that_raises_is_switched_off_for_that_symbol_only(tmp_path, workers, raised):
    code = f"""
class Mine(Strategy):
    def decide(self, bar, now, position):
        if bar.symbol == "S01" and now == {market(4)[1][1].ends_at}:
            raise {raised}
        return Intent(Action.ENTER_LONG, stop_loss=bar.low, quantity=Decimal(3))
"""
    specs = [written(tmp_path, code), load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, [specs[1]])
    async with running(Bench(size=4, specs=specs, workers=workers)) as bench:
        answers = [await bench.step(t) for t in range(4)]
    symbols = [[s.symbol for s in a.signals if s.strategy == "Mine"] for a in answers]
    assert symbols == [["S00", "S01", "S02", "S03"]] + [["S00", "S02", "S03"]] * 3
    assert [told(a) for a in answers] != expected
    assert [[x for x in told(a) if x[0].startswith("ema")] for a in answers] == expected[:4]
    assert [name for name, _ in bench.faults] == ["strategy_disabled"]
    reason = "SystemExit: 3" if raised.startswith("System") else "ZeroDivisionError: by zero"
    assert bench.faults[0][1] == {
        "level": "error",
        "strategy": "Mine",
        "symbol": "S01",
        "reason": f"{reason} (line 10)",
    }


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_strategy_trades_only_the_symbols_it_was_given(tmp_path, workers):
    code = """
class Mine(Strategy):
    def __init__(self):
        self.seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        return Intent(Action.ENTER_LONG)
"""
    rules = load_strategy("ema_cross", FAST, symbols=["S01", "S02"])
    mine = msgspec.structs.replace(written(tmp_path, code), symbols=("S00",))
    async with running(Bench(size=4, specs=[rules, mine], workers=workers)) as bench:
        seen = {(s.strategy, s.symbol) for t in range(LIVE) for s in (await bench.step(t)).signals}
    assert seen == {("ema_cross", "S01"), ("ema_cross", "S02"), ("Mine", "S00")}


def test_two_strategies_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="same name: ema_cross, ema_cross"):
        Bench(size=2, specs=[load_strategy("ema_cross")] * 2, workers=0)


async def test_decide_is_told_its_position_and_flat_during_warm_up(tmp_path):
    code = """
class Mine(Strategy):
    flat = 0
    def decide(self, bar, now, position):
        self.flat += position.is_flat
        inputs = {"flat": self.flat, "quantity": float(position.quantity), "average": float(position.average_price)}
        return Intent(Action.EXIT_SHORT, inputs=inputs)
"""
    async with running(Bench(size=2, specs=[written(tmp_path, code)], workers=1)) as bench:
        first = await bench.step(0, {"S01": (Decimal(-7), Decimal("99.95"))})
    assert first.signals[0].inputs == {"flat": WARM + 1, "quantity": 0.0, "average": 0.0}
    assert first.signals[1].inputs == {"flat": WARM, "quantity": -7.0, "average": 99.95}


@pytest.mark.parametrize("workers", [0, 1, 2])
async def test_a_rehearsal_before_a_close_changes_nothing_and_calls_no_strategy(tmp_path, workers):
    code = """
class Mine(Strategy):
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        return Intent(Action.EXIT_SHORT, inputs={"seen": self.seen})
"""
    ranked = msgspec.structs.replace(comparing(tmp_path), name="Ranked")
    specs = [load_strategy("ema_cross", FAST), ranked, written(tmp_path, code)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=workers)) as bench:
        for t in range(12):
            bench.analysis.prewarm_workers()
            bench.analysis.prewarm_workers()
            assert told(await bench.step(t)) == expected[t]
    assert bench.faults == []


@pytest.mark.parametrize("workers", [0, 1, 3])
async def test_a_strategy_that_compares_symbols_sees_all_of_its_own_in_one_worker(tmp_path, workers):
    specs = [comparing(tmp_path), load_strategy("ema_cross", FAST)]
    expected = await undisturbed(6, specs)
    async with running(Bench(size=6, specs=specs, workers=workers)) as bench:
        found = [await bench.step(t) for t in range(LIVE)]
    assert [told(signals) for signals in found] == expected
    best = [
        [s.symbol for s in signals.signals if s.action == "enter_long" and s.strategy == "Mine"] for signals in found
    ]
    assert sum(len(names) == 1 for names in best) > LIVE // 2
    assert len({name for names in best for name in names}) > 1


@pytest.mark.parametrize("workers", [0, 2])
async def test_it_is_compared_among_the_symbols_it_trades(tmp_path, workers):
    spec = comparing(tmp_path, symbols=("S01", "S04"))
    async with running(Bench(size=6, specs=[spec], workers=workers)) as bench:
        found = [await bench.step(t) for t in range(LIVE)]
    seen = [sorted(s.symbol for s in signals.signals) for signals in found]
    assert set(map(tuple, seen)) <= {("S01", "S04"), ()}
    assert ["S01", "S04"] in seen


FRAMED = """
import os
from tradebot.strategies.frame_strategy import FrameStrategy

class Mine(FrameStrategy):
    window = 12
    def signals(self, df):
        df["mean"] = df["close"].rolling(5).mean()
        df["pid"] = os.getpid()
        df["rows"] = len(df)
        df["enter_long"] = df["close"] > df["mean"]
        df["stop_loss"] = df["low"]
        if df.attrs["symbol"] == "S01" and len(df) and df.index[-1].value == AT:
            raise ZeroDivisionError("by zero")
        return df
"""


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_strategy_in_pandas_runs_in_a_worker_always(tmp_path, workers):
    file = tmp_path / "framed.py"
    file.write_text(FRAMED.replace("AT", str(market(3)[1][4].starts_at)))
    async with running(Bench(size=3, specs=[load_strategy(f"{file}:Mine")], workers=workers)) as bench:
        found = [await bench.step(t) for t in range(LIVE)]
    signals = [s for one in found for s in one.signals]
    assert os.getpid() not in {s.inputs["pid"] for s in signals}
    assert {s.inputs["rows"] for s in signals} == {12.0}
    assert {s.symbol for s in found[-1].signals} <= {"S00", "S02"}
    assert [(name, fields["reason"]) for name, fields in bench.faults] == [
        ("strategy_disabled", "ZeroDivisionError: by zero (line 14)")
    ]
    for t, one in enumerate(found):
        for s in one.signals:
            row = WARM + t
            id_ = int(s.symbol[1:])
            past = (
                np.concatenate([bench.history[id_].close, [c.close[id_] for c in bench.batches]])[row - 4 : row + 1]
                / 100
            )
            assert s.close > s.inputs["mean"] == pytest.approx(past.mean())
            assert s.stop_loss is not None


def test_a_worker_imports_no_more_than_it_needs():
    code = "import sys, tradebot.trading.analysis.worker_preload\n"
    code += "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "talib"} <= set(loaded)
    assert {"aiohttp", "pandas", "pydantic", "polars", "structlog", "click"} & set(loaded) == set()
