"""Closes in, signals out: inline and in worker processes the same, whatever happens to the workers."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from multiprocessing import forkserver
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tradebot.clock import SECOND, WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Close, Series
from tradebot.domain.messages import Action, Signals
from tradebot.errors import ConfigError
from tradebot.stages.analysis import Analysis
from tradebot.strategies.loading import StrategySpec, load_strategy

MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE
FAST = {"fast": 2, "slow": 5, "trend": 0.0}
WARM, LIVE = 20, 40


def universe(size: int) -> Universe:
    return Universe(Instrument(symbol=f"S{i:02d}") for i in range(size))


def market(size: int, seed: int = 5) -> tuple[list[Series], list[Close]]:
    """The bars of `size` symbols: the first WARM as history, the next LIVE as closes."""
    rng = np.random.default_rng(seed)
    rows = WARM + LIVE
    close = 100_000 + np.cumsum(rng.integers(-40, 41, (size, rows)) * 5, axis=1)
    open_ = close + rng.integers(-5, 6, (size, rows)) * 5
    high = np.maximum(open_, close) + rng.integers(0, 9, (size, rows)) * 5
    low = np.minimum(open_, close) - rng.integers(0, 9, (size, rows)) * 5
    volume = rng.integers(1, 1000, (size, rows))
    names = ("open", "high", "low", "close", "volume")
    columns = dict(zip(names, (open_, high, low, close, volume), strict=True))
    starts = OPENS + np.arange(rows) * MINUTE
    history = [
        Series(
            symbol=f"S{i:02d}", interval=MINUTE, starts=starts[:WARM], **{n: c[i, :WARM] for n, c in columns.items()}
        )
        for i in range(size)
    ]
    ids = np.arange(size)
    closes = [
        Close(
            interval=MINUTE, ends_at=int(starts[t]) + MINUTE, seen_at=t, quoted_at=t * 7, ids=ids, ticks=ids * 0 + 1,
            **{n: c[:, t] for n, c in columns.items()},
        )
        for t in range(WARM, rows)
    ]  # fmt: skip
    return history, closes


class Bench:
    """An analysis with a history of closes and the faults it reported."""

    def __init__(self, *, size: int, specs: list[StrategySpec], workers: int, deadline_s: float = 5.0) -> None:
        self.faults: list[tuple[str, dict[str, object]]] = []
        self.heard = asyncio.Event()
        self.passed: list[Close] = []
        self.history, self.closes = market(size)
        self.analysis = Analysis(
            universe=universe(size), strategies=specs, interval=MINUTE, workers=workers, deadline_s=deadline_s,
            clock=WallClock(), recall=self.recall, on_fault=self.on_fault,
        )  # fmt: skip

    async def recall(self) -> list[Close]:
        return list(self.passed)

    def on_fault(self, event: str, fields: dict[str, object]) -> None:
        self.faults.append((event, fields))
        self.heard.set()

    async def hear(self, event: str) -> dict[str, object]:
        async with asyncio.timeout(20):
            while not (found := [fields for name, fields in self.faults if name == event]):
                self.heard.clear()
                await self.heard.wait()
        return found[-1]

    async def step(self, t: int, holdings: dict[str, tuple[Decimal, Decimal]] | None = None) -> Signals:
        self.passed.append(self.closes[t])
        return await self.analysis.step(self.closes[t], holdings or {})


@contextlib.asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as group:
        supervisor = group.create_task(bench.analysis.run())
        try:
            await bench.analysis.start(bench.history)
            yield bench
        finally:
            supervisor.cancel()
            await bench.analysis.close()


def told(signals: Signals) -> list[tuple[object, ...]]:
    return [(s.signal_id, s.close, s.stop_loss, s.target, s.quantity, tuple(s.inputs.items())) for s in signals.signals]


async def undisturbed(size: int, specs: list[StrategySpec]) -> list[list[tuple[object, ...]]]:
    async with running(Bench(size=size, specs=specs, workers=0)) as bench:
        return [told(await bench.step(t)) for t in range(LIVE)]


def written(tmp_path: Path, code: str, **params: object) -> StrategySpec:
    header = "from decimal import Decimal\nimport os, time\nfrom pathlib import Path\n"
    header += "from tradebot.domain.messages import Action\n"
    header += "from tradebot.strategies.strategy import Holding, Intent, Param, Strategy\n"
    file = tmp_path / "mine.py"
    file.write_text(header + code)
    return load_strategy(f"{file}:Mine", params)


COUNTING = """
class Mine(Strategy):
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        return Intent(Action.ENTER_LONG, inputs={"seen": self.seen}) if self.seen % 4 == 0 else None
"""

HANGING = """
class Mine(Strategy):
    symbol = Param("S01")
    at = Param(0)
    times = Param(1)
    marks = Param("")
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        if bar.symbol == self.symbol and now == self.at:
            hangs = len(list(Path(self.marks).glob("*")))
            if hangs < self.times:
                (Path(self.marks) / str(hangs)).touch()
                while True:
                    time.sleep(1)
        return Intent(Action.ENTER_LONG, inputs={"seen": self.seen}) if self.seen % 2 else None
"""


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
        keys = [(bench.analysis.universe.id(s.symbol), s.strategy) for s in answer.signals]
        assert keys == sorted(keys)
    entry = next(s for a in answers for s in a.signals if s.action is Action.ENTER_LONG)
    assert entry.signal_id == f"{entry.strategy}/{entry.symbol}/{entry.bar_at}/enter_long"
    assert set(entry.inputs) == {"EMA(close, 2)", "EMA(close, 5)", "ADX(high, low, close, 14)"}
    assert entry.stop_loss is not None
    assert entry.stop_loss < entry.close
    close = bench.closes[(entry.bar_at - OPENS) // MINUTE - WARM - 1]
    assert (entry.bar_at, entry.quoted_at) == (close.ends_at, close.quoted_at)
    assert entry.made_at > 0


@pytest.mark.both_loops
async def test_a_killed_worker_is_replaced_and_goes_on_with_the_same_numbers(tmp_path):
    specs = [load_strategy("ema_cross", FAST), written(tmp_path, COUNTING)]
    expected = await undisturbed(5, specs)
    async with running(Bench(size=5, specs=specs, workers=2)) as bench:
        for t in range(10):
            assert told(await bench.step(t)) == expected[t]
        victim = bench.analysis.pids[1]
        os.kill(victim, signal.SIGKILL)
        missed = await bench.step(10)
        assert set(missed.failed) <= {"S01", "S03"}
        await bench.hear("worker_rebuilt")
        assert victim not in bench.analysis.pids
        after = [told(await bench.step(t)) for t in range(11, LIVE)]
    assert after == expected[11:]


@pytest.mark.both_loops
async def test_a_worker_that_dies_between_closes_is_rebuilt_before_the_next_one():
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(5):
            await bench.step(t)
        os.kill(bench.analysis.pids[0], signal.SIGKILL)
        assert (await bench.hear("worker_lost"))["reason"] == "worker 0 died"
        await bench.hear("worker_rebuilt")
        got = [await bench.step(t) for t in range(5, LIVE)]
    assert [told(a) for a in got] == expected[5:]
    assert [a.failed for a in got] == [()] * len(got)


@pytest.mark.both_loops
async def test_a_strategy_that_hangs_costs_its_worker_one_close_and_the_others_nothing(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    at = market(4)[1][3].ends_at
    spec = written(tmp_path, HANGING, at=at, marks=str(marks))
    (marks / "0").touch()
    expected = await undisturbed(4, [spec])
    (marks / "0").unlink()
    async with running(Bench(size=4, specs=[spec], workers=2, deadline_s=0.5)) as bench:
        for t in range(3):
            assert told(await bench.step(t)) == expected[t]
        hung = await bench.step(3)
        assert hung.failed == ("S01", "S03")
        others = [signal for signal in expected[3] if "/S01/" not in signal[0] and "/S03/" not in signal[0]]
        assert told(hung) == others
        assert "time limit of 0.5 s" in str((await bench.hear("worker_lost"))["reason"])
        await bench.hear("worker_rebuilt")
        assert [told(await bench.step(t)) for t in range(4, 12)] == expected[4:12]


async def test_closes_that_come_during_a_rebuild_are_missed_and_made_up_for():
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        release, entered = asyncio.Event(), asyncio.Event()

        async def slow_recall() -> list[Close]:
            known = list(bench.passed)  # read before the wait: what comes later is made up for from what was missed
            entered.set()
            await release.wait()
            return known

        bench.analysis._recall = slow_recall
        await bench.step(0)
        os.kill(bench.analysis.pids[1], signal.SIGKILL)
        await entered.wait()
        meanwhile = [await bench.step(t) for t in (1, 2)]
        assert [a.failed for a in meanwhile] == [("S01", "S03")] * 2
        release.set()
        await bench.hear("worker_rebuilt")
        assert [told(await bench.step(t)) for t in range(3, LIVE)] == expected[3:]


async def test_a_close_still_on_its_way_to_step_is_not_fed_twice():
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(2, specs)
    async with running(Bench(size=2, specs=specs, workers=1)) as bench:
        await bench.step(0)
        bench.passed.append(bench.closes[1])  # journaled already, and still in the queue
        os.kill(bench.analysis.pids[0], signal.SIGKILL)
        assert (await bench.hear("worker_rebuilt"))["closes"] == 1
        assert [told(await bench.analysis.step(bench.closes[t], {})) for t in range(1, LIVE)] == expected[1:]


async def test_a_worker_that_hangs_for_ever_is_replaced_three_times_and_then_left_off(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    spec = written(tmp_path, HANGING, at=market(4)[1][1].ends_at, times=99, marks=str(marks))
    async with running(Bench(size=4, specs=[spec], workers=2, deadline_s=0.2)) as bench:
        await bench.step(0)
        await bench.step(1)
        off = await bench.hear("worker_off")
        assert off["names"] == ["S01", "S03"]
        later = await bench.step(2)
    assert len(list(marks.glob("*"))) == 4
    assert later.failed == ("S01", "S03")
    assert {s.symbol for s in later.signals} <= {"S00", "S02"}


async def test_a_worker_out_of_memory_is_replaced(tmp_path):
    code = """
class Mine(Strategy):
    mark = Param("")
    def decide(self, bar, now, position):
        if bar.symbol == "S00" and not os.path.exists(self.mark) and position.quantity == 5:
            open(self.mark, "w").close()
            raise MemoryError
        return Intent(Action.EXIT_LONG) if position.quantity else None
"""
    spec = written(tmp_path, code, mark=str(tmp_path / "mark"))
    async with running(Bench(size=2, specs=[spec], workers=1)) as bench:
        await bench.step(0)
        lost = await bench.step(1, {"S00": (Decimal(5), Decimal("100.05"))})
        assert lost.failed == ("S00", "S01")
        assert str((await bench.hear("worker_lost"))["reason"]) == "worker 0 ran out of memory"
        await bench.hear("worker_rebuilt")
        again = await bench.step(2, {"S00": (Decimal(5), Decimal("100.05"))})
    assert [(s.symbol, s.action) for s in again.signals] == [("S00", Action.EXIT_LONG)]


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
    assert [name for name, _ in bench.faults] == ["strategy_off"]
    reason = "SystemExit: 3" if raised.startswith("System") else "ZeroDivisionError: by zero"
    assert bench.faults[0][1] == {"strategy": "Mine", "symbol": "S01", "reason": f"{reason} (line 10)"}


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
            bench.analysis.rouse()
            bench.analysis.rouse()
            assert told(await bench.step(t)) == expected[t]
    assert bench.faults == []


async def test_a_rehearsal_of_a_worker_that_died_replaces_it(tmp_path):
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        await bench.step(0)
        os.kill(bench.analysis.pids[0], signal.SIGKILL)
        bench.analysis.rouse()
        await bench.hear("worker_rebuilt")
        bench.analysis.rouse()
        assert [told(await bench.step(t)) for t in range(1, LIVE)] == expected[1:]


COMPARING = """
class Mine(Strategy):
    def rules(self, bars):
        place = rank(ta.ROC(bars.close, 5))
        return Rules(enter_long=place >= 1.0, exit_long=place <= 0.0)
"""


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


async def test_a_worker_that_compares_symbols_is_rebuilt_to_the_same_signals(tmp_path):
    specs = [comparing(tmp_path), load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(5):
            assert told(await bench.step(t)) == expected[t]
        os.kill(bench.analysis.pids[1], signal.SIGKILL)
        await bench.hear("worker_rebuilt")
        assert [told(await bench.step(t)) for t in range(5, LIVE)] == expected[5:]


def comparing(tmp_path: Path, symbols: tuple[str, ...] = ()) -> StrategySpec:
    header = "from tradebot.indicators.expressions import rank, ta\n"
    header += "from tradebot.strategies.strategy import Rules, Strategy\n"
    file = tmp_path / "comparing.py"
    file.write_text(header + COMPARING)
    return load_strategy(f"{file}:Mine", symbols=symbols)


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
        ("strategy_off", "ZeroDivisionError: by zero (line 14)")
    ]
    for t, one in enumerate(found):
        for s in one.signals:
            row = WARM + t
            id_ = int(s.symbol[1:])
            past = (
                np.concatenate([bench.history[id_].close, [c.close[id_] for c in bench.closes]])[row - 4 : row + 1]
                / 100
            )
            assert s.close > s.inputs["mean"] == pytest.approx(past.mean())
            assert s.stop_loss is not None


async def test_the_loop_keeps_running_while_workers_start_cold():
    forkserver._forkserver._stop()  # the server of the tests before would hide the cost of the first start
    bench = Bench(size=4, specs=[load_strategy("ema_cross")], workers=2)
    turns, longest = 0, 0.0
    loop = asyncio.get_running_loop()

    async def watch() -> None:
        nonlocal turns, longest
        last = loop.time()
        while True:
            await asyncio.sleep(0.001)
            longest, last, turns = max(longest, loop.time() - last), loop.time(), turns + 1

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        begun = loop.time()
        await bench.analysis.start(bench.history)
        took = loop.time() - begun
        watcher.cancel()
    await bench.analysis.close()
    assert turns > 5
    assert longest < took / 2


@pytest.mark.both_loops
async def test_close_ends_a_worker_that_hangs_within_two_seconds(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    spec = written(tmp_path, HANGING, at=market(2)[1][0].ends_at, times=99, marks=str(marks))
    bench = Bench(size=2, specs=[spec], workers=1, deadline_s=60.0)
    await bench.analysis.start(bench.history)
    fd = os.pidfd_open(bench.analysis.pids[0])
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        stuck = group.create_task(bench.step(0))
        await asyncio.to_thread(hung, marks)
        begun = loop.time()
        await bench.analysis.close()
        assert loop.time() - begun < 2.0
        await stuck
    assert select.select([fd], [], [], 5)[0], "the worker outlived close()"
    os.close(fd)


def hung(marks: Path) -> None:
    while not list(marks.glob("*")):
        select.select([], [], [], 0.005)


CHILD = """
import asyncio, sys
sys.path.insert(0, "tests/stages")
from test_analysis import Bench, load_strategy

async def main():
    bench = Bench(size=4, specs=[load_strategy("ema_cross")], workers=2)
    await bench.analysis.start(bench.history)
    await bench.step(0)
    print(*bench.analysis.pids, flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="process descriptors are Linux")
def test_workers_die_when_the_daemon_is_killed(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": str(root)}
    child = subprocess.Popen([sys.executable, script], cwd=root, stdout=subprocess.PIPE, env=env)
    assert child.stdout is not None
    with child, child.stdout:
        fds = [os.pidfd_open(int(pid)) for pid in child.stdout.readline().split()]
        child.kill()
    assert len(fds) == 2
    for fd in fds:
        assert select.select([fd], [], [], 5)[0], "a worker outlived its parent"
        os.close(fd)


def test_a_worker_imports_no_more_than_it_needs():
    code = "import sys, tradebot.stages.worker_preload as p; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "talib"} <= set(loaded)
    assert {"aiohttp", "pandas", "pydantic", "polars", "structlog", "click"} & set(loaded) == set()
