"""The analysis stage: closes in, signals out; the math runs in worker processes that may hang, crash and be replaced.

Each worker owns a fixed share of the symbols (id modulo workers), gets one job per close, answers with a few columns. A
strategy that compares symbols lives whole in one worker. A worker that is lost is rebuilt in the background from the
warm-up and the closes since: the same state, bit for bit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np

from tradebot.clock import SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Ints, Series
from tradebot.domain.messages import Signals
from tradebot.errors import ConfigError, DataError
from tradebot.stages import worker
from tradebot.stages.parts import Part, parts
from tradebot.stages.share import Past, Setup, Share, Slice
from tradebot.stages.volley import Answer, Fires, Volley
from tradebot.stages.worker_process import START_S, Lost, WorkerProcess, outcome
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy

REPLACEMENTS = 3  # a crash that comes back this often is not bad luck
WINDOW_NS = 600 * SECOND
HELD_CLOSES = 20_000  # two weeks of minutes; `recall` goes back to the start of the daemon at most
WARM_SYMBOLS = 50  # histories per warm-up job: some MB, so that pickling does not stall the loop

Holdings = Mapping[str, tuple[Decimal, Decimal]]  # symbol -> (quantity, average price)
Held = dict[int, tuple[Decimal, Decimal]]  # id -> the same, flat symbols left out


class WorkerState(StrEnum):
    BUILDING = "building"
    READY = "ready"
    OFF = "off"


class Worker:
    """One worker with its parts of the work and its record; `is_ours` is a mask over the universe."""

    def __init__(self, number: int, parts: Sequence[Part], size: int) -> None:
        self.number, self.parts = number, parts
        self.is_ours = np.zeros(size, dtype=bool)
        for ids, _ in parts:
            self.is_ours[ids] = True
        self.ids = np.flatnonzero(self.is_ours)
        self.state = WorkerState.BUILDING
        self.process: WorkerProcess | None = None
        self.asked: Close | None = None  # the close it has not answered yet
        self.missed: list[Close] = []  # closes that came while it was not ready
        self.replaced_at: list[int] = []  # monotonic ns


class Analysis:
    """Runs strategies over closes; see `start`, `run`, `ask`, `close` in this order.

    `recall` returns every close since the end of the warm-up, oldest first; `on_fault` hears of everything that went
    wrong, as an event name and its fields. With `workers` 0 the same code runs inline, without isolation, except that
    strategies over frames get a worker always. Raises ConfigError when two strategies have one name or one needs bars
    that cannot be made, DataError when one cannot be loaded.
    """

    def __init__(
        self,
        *,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval: int,
        workers: int,
        deadline_s: float,
        clock: Clock,
        recall: Callable[[], Awaitable[Sequence[Close]]],
        on_fault: Callable[[str, dict[str, Any]], None],
    ) -> None:
        names = [spec.name for spec in strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"two strategies have the same name: {', '.join(sorted(names))}")
        self.universe, self.strategies, self.interval = universe, tuple(strategies), interval
        self.deadline_s, self.clock = deadline_s, clock
        self._recall, self._on_fault = recall, on_fault
        needed = int(any(spec.load().takes_frames for spec in strategies))  # pandas never runs in the loop
        count = min(max(workers, needed), len(universe))
        self._parts = parts(universe, self.strategies, interval, max(1, count))
        self._workers = [Worker(n, mine, len(universe)) for n, mine in enumerate(self._parts[:count]) if mine]
        self._threads = ThreadPoolExecutor(max(1, 2 * count), thread_name_prefix="analysis")
        self._inline: list[Share] = []
        self._pasts: dict[int, Series] = {}  # by symbol id; kept for a worker that is rebuilt
        self._held: dict[int, Held] = {}  # ends_at -> what was held then; a rebuilt `decide` is told the same
        self._is_deciding = any(spec.load().decide is not Strategy.decide for spec in strategies)
        self._last: Close | None = None  # the newest, sent again to rehearse
        self._latest = 0  # ends_at of the newest close given to `step`
        self._off: set[tuple[str, int]] = set()
        self._repairs: asyncio.Queue[Worker] = asyncio.Queue()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return tuple(w.process.pid for w in self._workers if w.process and w.state is WorkerState.READY)

    async def start(self, warmup: Sequence[Series]) -> None:
        """Start all workers at once and feed them the past; nothing is signalled. Raises DataError of a strategy.

        A worker that is lost on the way is left to `run`.
        """
        for series in warmup:
            self._pasts[self.universe.id(series.symbol)] = series
        if not self._workers:
            for setup in self._setups(self._parts[0]):
                share = Share(setup)
                self._inline.append(share)
                for some in self._warmup(np.arange(len(self.universe))):
                    self._report(share.warm(some))
                share.settle()
            return
        try:
            async with asyncio.TaskGroup() as group:
                for w in self._workers:
                    group.create_task(self._build(w), name=f"analysis-start-{w.number}")
        except BaseExceptionGroup as group_fault:
            raise group_fault.exceptions[0] from None  # they all have the same cause, and the first says it

    async def run(self) -> None:
        """Replace lost workers until cancelled; without it a lost worker stays lost."""
        async with asyncio.TaskGroup() as group:
            while True:
                w = await self._repairs.get()
                group.create_task(self._build(w), name=f"analysis-rebuild-{w.number}")

    async def step(self, close: Close, holdings: Holdings) -> Signals:
        """Return the signals of a close in one message; see `ask`."""
        return (await self.ask(close, holdings)).whole()

    async def ask(self, close: Close, holdings: Holdings) -> Volley:
        """Return what fired at a close, by (symbol id, strategy); at most `deadline_s` and a little later.

        `failed` names the symbols of the close that got no answer.
        """
        assert close.interval == self.interval, f"close of {close.interval} ns given to analysis of {self.interval} ns"
        self._latest, self._last = close.ends_at, close
        held = {self.universe.id(symbol): held for symbol, held in holdings.items() if held[0] != 0}
        if held and self._is_deciding:
            self._held[close.ends_at] = held
            if len(self._held) > HELD_CLOSES:
                del self._held[next(iter(self._held))]
        fires: list[Fires] = []
        failed: set[int] = set()
        if self._inline:
            piece = self._slice(close, None)
            for share in self._inline:
                answer = share.step(piece)
                self._report(answer)
                fires.extend(answer.fires)
        else:
            await self._ask_all(close, fires, failed)
        return Volley(close, self.universe, fires, sorted(failed), self.clock.monotonic())

    def rouse(self) -> None:
        """Wake the workers for a close that is about to come; waits for nothing and changes nothing.

        A worker that slept for a minute finds the caches of its core full of others' work, and takes twice as long.
        """
        if (close := self._last) is None:
            return
        for w in self._workers:
            share = self._of(w, close)
            if w.state is WorkerState.READY and w.process is not None and w.asked is None and len(share):
                try:
                    job = w.process.submit(worker.rouse, self._slice(close, share))
                except Lost as fault:
                    self._lose(w, w.process, str(fault))
                    continue
                job.add_done_callback(self._rehearse)

    def _rehearse(self, job: asyncio.Future[Answer]) -> None:
        if not job.cancelled() and job.exception() is None and self._last is not None:
            fires = [f._replace(ids=self._last.ids[:1].repeat(len(f.ids))) for f in job.result().fires]
            next(Volley(self._last, self.universe, fires, (), 0).pieces())

    async def close(self) -> None:
        """End all workers within two seconds, killing what hangs."""
        for w in self._workers:
            w.state = WorkerState.OFF
        async with asyncio.TaskGroup() as group:
            for w in self._workers:
                if w.process is not None:
                    group.create_task(w.process.close(), name=f"analysis-close-{w.number}")
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask_all(self, close: Close, fires: list[Fires], failed: set[int]) -> None:
        waiting: dict[Worker, tuple[WorkerProcess, asyncio.Future[Answer]]] = {}
        shares = {w: self._of(w, close) for w in self._workers}
        for w, share in shares.items():
            if not len(share):
                continue
            if w.state is not WorkerState.READY or w.process is None:
                if w.state is WorkerState.BUILDING:
                    w.missed.append(close)
                failed.update(close.ids[share].tolist())
                continue
            try:
                w.asked = close
                waiting[w] = w.process, w.process.submit(worker.step, self._slice(close, share))
            except Lost as fault:
                failed.update(close.ids[share].tolist())
                self._lose(w, w.process, str(fault))
        if waiting:
            await asyncio.wait([future for _, future in waiting.values()], timeout=self.deadline_s)
        for w, (process, future) in waiting.items():
            try:
                answer: Answer = outcome(future, self.deadline_s)
            except Lost as fault:
                failed.update(close.ids[shares[w]].tolist())
                self._lose(w, process, str(fault))
                continue
            w.asked = None
            self._report(answer)
            fires.extend(answer.fires)

    def _of(self, w: Worker, close: Close) -> Ints:
        return np.flatnonzero(w.is_ours[close.ids])

    def _lose(self, w: Worker, process: WorkerProcess, reason: str) -> None:
        # The death of a process is seen by its descriptor and by its job; the second is no news.
        if w.state is WorkerState.READY and w.process is process:
            self._replace(w, reason)

    def _replace(self, w: Worker, reason: str) -> None:
        if w.process is not None:
            w.process.kill()
        if w.asked is not None:
            w.missed.append(w.asked)
            w.asked = None
        now = self.clock.monotonic()
        w.replaced_at = [at for at in w.replaced_at if now - at < WINDOW_NS]
        fields = {"worker": w.number, "symbols": len(w.ids), "reason": f"worker {w.number} {reason}"}
        if len(w.replaced_at) >= REPLACEMENTS:
            w.state = WorkerState.OFF
            w.missed.clear()
            names = [self.universe[int(id_)].symbol for id_ in w.ids]
            self._on_fault("worker_off", fields | {"replacements": REPLACEMENTS, "names": names})
            return
        w.state = WorkerState.BUILDING
        w.replaced_at.append(now)
        self._on_fault("worker_lost", fields)
        self._repairs.put_nowait(w)

    async def _build(self, w: Worker) -> None:
        is_first = not w.replaced_at
        process = w.process = WorkerProcess(self._threads, on_death=lambda: self._lose(w, process, "died"))
        try:
            await process.open()
            await process.ask(worker.load, self._setups(w.parts), within_s=START_S)
            under_way: list[asyncio.Future[Answer]] = []
            for some in self._warmup(w.ids):  # the next one is packed while the worker is busy with one
                under_way.append(process.submit(worker.warm, some))
                if len(under_way) > 1:
                    self._report(await process.result(under_way.pop(0), within_s=START_S))
            for last in under_way:
                self._report(await process.result(last, within_s=START_S))
            await process.ask(worker.settle, within_s=START_S)
            process.hurry()
            replayed = 0 if is_first else await self._replay(w, process)
        except (Lost, DataError) as fault:
            if is_first and isinstance(fault, DataError):
                raise
            if w.state is WorkerState.BUILDING:
                self._replace(w, str(fault))
            return
        if w.state is WorkerState.BUILDING:
            w.state = WorkerState.READY
            if not is_first:
                self._on_fault("worker_rebuilt", {"worker": w.number, "symbols": len(w.ids), "closes": replayed})

    async def _replay(self, w: Worker, process: WorkerProcess) -> int:
        # What `recall` holds beyond `_latest` is still on its way to `step`, which will feed it.
        closes = [close for close in await self._recall() if close.ends_at <= self._latest]
        at, count = 0, 0
        while closes:
            for close in closes:
                share = self._of(w, close)
                if close.ends_at > at and len(share):
                    piece = self._slice(close, share)
                    self._report(await process.ask(worker.step, piece, within_s=self.deadline_s))
                    count += 1
                at = max(at, close.ends_at)
            closes, w.missed = w.missed, []
        return count

    def _warmup(self, ids: Ints) -> Iterator[list[Past]]:
        known = [(id_, self._pasts[id_]) for id_ in ids.tolist() if id_ in self._pasts]
        for first in range(0, len(known), WARM_SYMBOLS):
            yield [
                Past(id_, s.starts, np.stack([s.open, s.high, s.low, s.close, s.volume]))
                for id_, s in known[first : first + WARM_SYMBOLS]
            ]

    def _setups(self, mine: Sequence[Part]) -> list[Setup]:
        off = frozenset(self._off)
        return [
            Setup(tuple(ids.tolist()), tuple(self.universe[id_] for id_ in ids.tolist()), specs, self.interval, off)
            for ids, specs in mine
        ]

    def _slice(self, close: Close, share: Ints | None) -> Slice:
        ids, wanted = close.ids, [close.open, close.high, close.low, close.close, close.volume]
        if share is not None and len(share) < len(ids):
            ids, wanted = ids[share], [column[share] for column in wanted]
        columns = np.empty((len(wanted), len(ids)), dtype=np.int64)
        for i, column in enumerate(wanted):
            columns[i] = column
        held = self._held.get(close.ends_at)
        mine = {id_: held[id_] for id_ in ids.tolist() if id_ in held} if held else {}
        return Slice(close.ends_at, ids, columns, mine)

    def _report(self, answer: Answer) -> None:
        for strategy, id_, reason in answer.faults:
            if (strategy, id_) not in self._off:
                self._off.add((strategy, id_))
                symbol = self.universe[id_].symbol
                self._on_fault("strategy_off", {"strategy": strategy, "symbol": symbol, "reason": reason})
