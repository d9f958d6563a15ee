"""An analysis with a market of its own, and strategies written for a test."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import numpy as np

from tests.told import Told
from tradebot.clock import SECOND, WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.domain.messages import Signals
from tradebot.ops.events.event import Event
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.trading.analysis.analysis import Analysis

MINUTE = 60 * SECOND
OPENS = 1_766_966_400 * SECOND + 225 * MINUTE
FAST = {"fast": 2, "slow": 5, "trend": 0.0}
WARM, LIVE = 20, 40


def universe(size: int) -> Universe:
    return Universe(Instrument(symbol=f"S{i:02d}") for i in range(size))


def market(size: int, seed: int = 5) -> tuple[list[BarSeries], list[BarBatch]]:
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
        BarSeries(
            symbol=f"S{i:02d}", interval=MINUTE, starts=starts[:WARM], **{n: c[i, :WARM] for n, c in columns.items()}
        )
        for i in range(size)
    ]
    ids = np.arange(size)
    batches = [
        BarBatch(
            interval=MINUTE, ends_at=int(starts[t]) + MINUTE, seen_at=t, quoted_at=t * 7, ids=ids, ticks=ids * 0 + 1,
            **{n: c[:, t] for n, c in columns.items()},
        )
        for t in range(WARM, rows)
    ]  # fmt: skip
    return history, batches


class Bench:
    """An analysis with a history of closes and the faults it reported."""

    def __init__(self, *, size: int, specs: list[StrategySpec], workers: int, deadline_s: float = 5.0) -> None:
        self.faults = Told()
        self.heard = asyncio.Event()
        self.passed: list[BarBatch] = []
        self.history, self.batches = market(size)
        self.analysis = Analysis(
            universe=universe(size), strategies=specs, interval_ns=MINUTE, workers=workers, deadline_s=deadline_s,
            clock=WallClock(), load_closes=lambda: self.recall(), on_fault=self.on_fault,
        )  # fmt: skip

    async def start(self) -> None:
        await self.analysis.start_workers(self.history)

    async def recall(self) -> list[BarBatch]:
        return list(self.passed)

    async def rebuild_amid(self, act: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> None:
        """Kill the second worker, do `act` once its successor has read the closes, and return when it is rebuilt.

        What `act` starts in the group goes on beside the rebuild.
        """
        recall, has_acted = self.recall, False

        async def recall_and_act() -> list[BarBatch]:
            nonlocal has_acted
            closes = await recall()
            if not has_acted:
                has_acted = True
                await act(group)
                await WallClock().sleep(0.05)
            return closes

        self.recall = recall_and_act  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as group:
            os.kill(self.analysis.worker_pids[1], signal.SIGKILL)
            await self.hear("worker_rebuilt")

    def on_fault(self, event: Event) -> None:
        self.faults(event)
        self.heard.set()

    async def hear(self, event: str) -> dict[str, object]:
        async with asyncio.timeout(20):
            while not (found := [fields for name, fields in self.faults if name == event]):
                self.heard.clear()
                await self.heard.wait()
        return found[-1]

    async def step(self, t: int, holdings: dict[str, tuple[Decimal, Decimal]] | None = None) -> Signals:
        self.passed.append(self.batches[t])
        return await self.analysis.compute_message(self.batches[t], holdings or {})


@contextlib.asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as group:
        supervisor = group.create_task(bench.analysis.replace_workers())
        try:
            await bench.start()
            yield bench
        finally:
            supervisor.cancel()
            await bench.analysis.stop_workers()


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


COMPARING = """
class Mine(Strategy):
    def rules(self, bars):
        place = rank(ta.ROC(bars.close, 5))
        return Rules(enter_long=place >= 1.0, exit_long=place <= 0.0)
"""


def comparing(tmp_path: Path, symbols: tuple[str, ...] = ()) -> StrategySpec:
    header = "from tradebot.indicators.expressions import rank, ta\n"
    header += "from tradebot.strategies.strategy import Rules, Strategy\n"
    file = tmp_path / "comparing.py"
    file.write_text(header + COMPARING)
    return load_strategy(f"{file}:Mine", symbols=symbols)
