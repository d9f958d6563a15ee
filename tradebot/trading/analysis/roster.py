"""The roster of the analysis: its workers, started together, asked at each close, replaced when they hang or die.

A worker that is lost is rebuilt in the background from the warm-up and the closes since: the same state, bit for bit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

import numpy as np

from tradebot.clock import SECOND, Clock
from tradebot.domain.market import Close, Ints
from tradebot.errors import DataError
from tradebot.ops.events.analysis import WorkerDisabled, WorkerLost, WorkerRebuilt
from tradebot.ops.events.event import Tell
from tradebot.trading.analysis import worker
from tradebot.trading.analysis.briefing import Briefing
from tradebot.trading.analysis.parts import Part
from tradebot.trading.analysis.volley import Answer, Fires, Volley
from tradebot.trading.analysis.worker_process import START_S, Lost, WorkerProcess, outcome

REPLACEMENTS = 3  # a crash that comes back this often is not bad luck
WINDOW_NS = 600 * SECOND


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

    def rows(self, close: Close) -> Ints:
        """Return the rows of a close that are its own."""
        return np.flatnonzero(self.is_ours[close.ids])


class Roster:
    """The workers; `parts` holds the work of each. See `Analysis` for `deadline_s`, `recall` and `on_fault`."""

    def __init__(
        self,
        parts: Sequence[Sequence[Part]],
        briefing: Briefing,
        *,
        deadline_s: float,
        clock: Clock,
        recall: Callable[[], Awaitable[Sequence[Close]]],
        on_fault: Tell,
    ) -> None:
        self._briefing, self._deadline_s, self._clock = briefing, deadline_s, clock
        self._recall, self._on_fault = recall, on_fault
        self._workers = [Worker(n, mine, len(briefing.universe)) for n, mine in enumerate(parts) if mine]
        self._threads = ThreadPoolExecutor(max(1, 2 * len(parts)), thread_name_prefix="analysis")
        self._newest: Close | None = None  # that was asked about; sent again to rehearse
        self._repairs: asyncio.Queue[Worker] = asyncio.Queue()

    @property
    def is_empty(self) -> bool:
        """Whether there is no work for a worker process."""
        return not self._workers

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return tuple(w.process.pid for w in self._workers if w.process and w.state is WorkerState.READY)

    async def start(self) -> None:
        """Start all workers at once and feed them the past. Raises DataError of a strategy.

        A worker that is lost on the way is left to `run`.
        """
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

    async def ask(self, close: Close) -> tuple[list[Fires], set[int]]:
        """Return what fired at a close and the ids that got no answer in time."""
        self._newest = close
        fires: list[Fires] = []
        failed: set[int] = set()
        waiting: dict[Worker, tuple[WorkerProcess, asyncio.Future[Answer]]] = {}
        shares = {w: w.rows(close) for w in self._workers}
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
                waiting[w] = w.process, w.process.submit(worker.step, self._briefing.slice(close, share))
            except Lost as fault:
                failed.update(close.ids[share].tolist())
                self._lose(w, w.process, str(fault))
        if waiting:
            await asyncio.wait([future for _, future in waiting.values()], timeout=self._deadline_s)
        for w, (process, future) in waiting.items():
            try:
                answer: Answer = outcome(future, self._deadline_s)
            except Lost as fault:
                failed.update(close.ids[shares[w]].tolist())
                self._lose(w, process, str(fault))
                continue
            w.asked = None
            if answer.faults:
                self._briefing.switch_off(answer.faults)
            fires.extend(answer.fires)
        return fires, failed

    def rouse(self) -> None:
        """Wake the workers for a close that is about to come; waits for nothing and changes nothing."""
        if (close := self._newest) is None:
            return
        for w in self._workers:
            share = w.rows(close)
            if w.state is WorkerState.READY and w.process is not None and w.asked is None and len(share):
                try:
                    job = w.process.submit(worker.rouse, self._briefing.slice(close, share))
                except Lost as fault:
                    self._lose(w, w.process, str(fault))
                    continue
                job.add_done_callback(self._rehearse)

    async def close(self) -> None:
        """End all workers within two seconds, killing what hangs."""
        for w in self._workers:
            w.state = WorkerState.OFF
        async with asyncio.TaskGroup() as group:
            for w in self._workers:
                if w.process is not None:
                    group.create_task(w.process.close(), name=f"analysis-close-{w.number}")
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _rehearse(self, job: asyncio.Future[Answer]) -> None:
        # The loop's own part of a close, with the answer of a worker that rehearsed.
        if not job.cancelled() and job.exception() is None and (close := self._newest) is not None:
            fires = [f._replace(ids=close.ids[:1].repeat(len(f.ids))) for f in job.result().fires]
            next(Volley(close, self._briefing.universe, fires, (), 0).pieces())

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
        now = self._clock.monotonic_ns()
        w.replaced_at = [at for at in w.replaced_at if now - at < WINDOW_NS]
        number, symbols, why = w.number, len(w.ids), f"worker {w.number} {reason}"
        if len(w.replaced_at) >= REPLACEMENTS:
            w.state = WorkerState.OFF
            w.missed.clear()
            names = [self._briefing.universe[int(id_)].symbol for id_ in w.ids]
            disabled = WorkerDisabled(
                worker=number, symbols=symbols, reason=why, replacements=REPLACEMENTS, names=names
            )
            self._on_fault(disabled)
            return
        w.state = WorkerState.BUILDING
        w.replaced_at.append(now)
        self._on_fault(WorkerLost(worker=number, symbols=symbols, reason=why))
        self._repairs.put_nowait(w)

    async def _build(self, w: Worker) -> None:
        is_first = not w.replaced_at
        process = w.process = WorkerProcess(self._threads, on_death=lambda: self._lose(w, process, "died"))
        try:
            await process.open()
            await process.ask(worker.load, self._briefing.setups(w.parts), within_s=START_S)
            await self._warm(w, process)
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
                self._on_fault(WorkerRebuilt(worker=w.number, symbols=len(w.ids), closes=replayed))

    async def _warm(self, w: Worker, process: WorkerProcess) -> None:
        under_way: list[asyncio.Future[Answer]] = []
        for some in self._briefing.past(w.ids):  # the next one is packed while the worker is busy with one
            under_way.append(process.submit(worker.warm, some))
            if len(under_way) > 1:
                self._briefing.switch_off((await process.result(under_way.pop(0), within_s=START_S)).faults)
        for last in under_way:
            self._briefing.switch_off((await process.result(last, within_s=START_S)).faults)
        await process.ask(worker.settle, within_s=START_S)
        process.hurry()

    async def _replay(self, w: Worker, process: WorkerProcess) -> int:
        recalled = await self._recall()
        # What it holds beyond the newest close is still on its way to `ask`, which will feed it.
        newest = 0 if self._newest is None else self._newest.ends_at
        closes = [close for close in recalled if close.ends_at <= newest]
        at, count = 0, 0
        while closes:
            for close in closes:
                share = w.rows(close)
                if close.ends_at > at and len(share):
                    piece = self._briefing.slice(close, share)
                    answer = await process.ask(worker.step, piece, within_s=self._deadline_s)
                    self._briefing.switch_off(answer.faults)
                    count += 1
                at = max(at, close.ends_at)
            closes, w.missed = w.missed, []
        return count
