"""Workers that hang, crash and are killed: what that costs, and that a rebuilt one goes on with the same numbers."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from decimal import Decimal
from multiprocessing import forkserver
from pathlib import Path

import pytest

from tests.trading.analysis.analysis_by_hand import (
    COUNTING,
    FAST,
    LIVE,
    Bench,
    comparing,
    market,
    running,
    told,
    undisturbed,
    written,
)
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Action
from tradebot.strategies.loading import load_strategy

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


@pytest.mark.both_loops
async def test_a_killed_worker_is_replaced_and_goes_on_with_the_same_numbers(tmp_path):
    specs = [load_strategy("ema_cross", FAST), written(tmp_path, COUNTING)]
    expected = await undisturbed(5, specs)
    async with running(Bench(size=5, specs=specs, workers=2)) as bench:
        for t in range(10):
            assert told(await bench.step(t)) == expected[t]
        victim = bench.analysis.worker_pids[1]
        os.kill(victim, signal.SIGKILL)
        missed = await bench.step(10)
        assert set(missed.failed) <= {"S01", "S03"}
        await bench.hear("worker_rebuilt")
        assert victim not in bench.analysis.worker_pids
        after = [told(await bench.step(t)) for t in range(11, LIVE)]
    assert after == expected[11:]


@pytest.mark.both_loops
async def test_a_worker_that_dies_between_closes_is_rebuilt_before_the_next_one():
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(5):
            await bench.step(t)
        os.kill(bench.analysis.worker_pids[0], signal.SIGKILL)
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

        async def slow_recall() -> list[BarBatch]:
            known = list(bench.passed)  # read before the wait: what comes later is made up for from what was missed
            entered.set()
            await release.wait()
            return known

        bench.recall = slow_recall  # type: ignore[method-assign]
        await bench.step(0)
        os.kill(bench.analysis.worker_pids[1], signal.SIGKILL)
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
        bench.passed.append(bench.batches[1])  # journaled already, and still in the queue
        os.kill(bench.analysis.worker_pids[0], signal.SIGKILL)
        assert (await bench.hear("worker_rebuilt"))["closes"] == 1
        assert [told(await bench.analysis.compute_message(bench.batches[t], {})) for t in range(1, LIVE)] == expected[
            1:
        ]


async def test_a_worker_that_hangs_for_ever_is_replaced_three_times_and_then_left_off(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    spec = written(tmp_path, HANGING, at=market(4)[1][1].ends_at, times=99, marks=str(marks))
    async with running(Bench(size=4, specs=[spec], workers=2, deadline_s=0.2)) as bench:
        await bench.step(0)
        await bench.step(1)
        off = await bench.hear("worker_disabled")
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


async def test_a_rehearsal_of_a_worker_that_died_replaces_it(tmp_path):
    specs = [load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        await bench.step(0)
        os.kill(bench.analysis.worker_pids[0], signal.SIGKILL)
        bench.analysis.prewarm_workers()
        await bench.hear("worker_rebuilt")
        bench.analysis.prewarm_workers()
        assert [told(await bench.step(t)) for t in range(1, LIVE)] == expected[1:]


async def test_a_worker_that_compares_symbols_is_rebuilt_to_the_same_signals(tmp_path):
    specs = [comparing(tmp_path), load_strategy("ema_cross", FAST)]
    expected = await undisturbed(4, specs)
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(5):
            assert told(await bench.step(t)) == expected[t]
        os.kill(bench.analysis.worker_pids[1], signal.SIGKILL)
        await bench.hear("worker_rebuilt")
        assert [told(await bench.step(t)) for t in range(5, LIVE)] == expected[5:]


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
        await bench.analysis.start_workers(bench.history)
        took = loop.time() - begun
        watcher.cancel()
    await bench.analysis.stop_workers()
    assert turns > 5
    assert longest < took / 2


@pytest.mark.both_loops
async def test_close_ends_a_worker_that_hangs_within_two_seconds(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    spec = written(tmp_path, HANGING, at=market(2)[1][0].ends_at, times=99, marks=str(marks))
    bench = Bench(size=2, specs=[spec], workers=1, deadline_s=60.0)
    await bench.analysis.start_workers(bench.history)
    fd = os.pidfd_open(bench.analysis.worker_pids[0])
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        stuck = group.create_task(bench.step(0))
        await asyncio.to_thread(hung, marks)
        begun = loop.time()
        await bench.analysis.stop_workers()
        assert loop.time() - begun < 2.0
        await stuck
    assert select.select([fd], [], [], 5)[0], "the worker outlived close()"
    os.close(fd)


def hung(marks: Path) -> None:
    while not list(marks.glob("*")):
        select.select([], [], [], 0.005)


CHILD = """
import asyncio, sys
sys.path.insert(0, ".")
from tests.trading.analysis.analysis_by_hand import Bench, load_strategy

async def main():
    bench = Bench(size=4, specs=[load_strategy("ema_cross")], workers=2)
    await bench.analysis.start_workers(bench.history)
    await bench.step(0)
    print(*bench.analysis.worker_pids, flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="process descriptors are Linux")
def test_workers_die_when_the_daemon_is_killed(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    root = Path(__file__).parents[3]
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
