"""The worker pool of the analysis: starts workers, gives them each close, replaces those that hang or die.

A lost worker is replaced in the background by a new process. It gets the warm-up bars and all closes since then, and so
reaches exactly the state that the lost one had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

import numpy as np

from tradebot.clock import SECOND, Clock
from tradebot.domain.market import BarBatch, Ints
from tradebot.errors import DataError
from tradebot.ops.events.analysis import WorkerDisabled, WorkerLost, WorkerRebuilt
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis import worker
from tradebot.trading.analysis.partitioning import Assignment
from tradebot.trading.analysis.signal_batch import SignalBatch, SignalColumns, WorkerResult
from tradebot.trading.analysis.worker_inputs import WorkerInputs
from tradebot.trading.analysis.worker_process import START_WITHIN_S, WorkerGone, WorkerProcess, job_result

MAX_REPLACEMENTS = 3  # a worker that is lost more often than this within the window is turned off
REPLACEMENT_WINDOW_NS = 600 * SECOND
JOIN_WITHIN_S = 5.0  # for one job of a join, during which closes wait; a strategy that takes longer hangs
REBUILD_WITHIN_S, REBUILD_POLL_S = 5.0, 0.01  # closes wait as long for workers that are rebuilt on purpose


class WorkerState(StrEnum):
    """The state of a worker: BUILDING starts or rebuilds its process, READY computes, OFF is turned off for good."""

    BUILDING = "building"
    READY = "ready"
    OFF = "off"


class Worker:
    """One worker with its assignments and its history of failures; `is_ours` (n,) marks its symbols of the universe."""

    def __init__(self, number: int, assignments: Sequence[Assignment], size: int) -> None:
        self.number, self.assignments = number, assignments
        self.is_ours = np.zeros(size, dtype=bool)
        for ids, _ in assignments:
            self.is_ours[ids] = True
        self.ids = np.flatnonzero(self.is_ours)
        self.state = WorkerState.BUILDING
        self.process: WorkerProcess | None = None
        self.unanswered: BarBatch | None = None  # the close it has not answered yet, if any
        self.missed_closes: list[BarBatch] = []  # closes that came while it was not ready
        self.joining: list[Ints] = []  # ids that joined while it was not ready
        self.replaced_mono: list[int] = []  # monotonic ns
        self.was_ready = self.is_lost = False  # whether it ever was ready; whether it was lost since
        self.is_outdated = False  # whether bars were repaired or parameters changed since its process began

    def own_rows(self, batch: BarBatch) -> Ints:
        """Return the row numbers of a close that belong to this worker."""
        return np.flatnonzero(self.is_ours[batch.ids])


class WorkerPool:
    """The workers of the analysis, one for each non-empty item of `assignments`.

    `Analysis` in `analysis.py` explains `deadline_s`, `load_closes` and `on_fault`.
    """

    def __init__(
        self,
        assignments: Sequence[Sequence[Assignment]],
        inputs: WorkerInputs,
        *,
        deadline_s: float,
        clock: Clock,
        load_closes: Callable[[], Awaitable[Sequence[BarBatch]]],
        on_fault: EventListener,
    ) -> None:
        self._inputs, self._deadline_s, self._clock = inputs, deadline_s, clock
        self._load_closes, self._on_fault = load_closes, on_fault
        self._workers = [Worker(n, mine, len(inputs.universe)) for n, mine in enumerate(assignments) if mine]
        self._threads = ThreadPoolExecutor(max(1, 2 * len(assignments)), thread_name_prefix="analysis")
        self._newest: BarBatch | None = None  # the newest close given to the workers; reused to warm caches
        self._repairs: asyncio.Queue[Worker] = asyncio.Queue()

    @property
    def is_empty(self) -> bool:
        """True when there is no worker process."""
        return not self._workers

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return tuple(w.process.pid for w in self._workers if w.process and w.state is WorkerState.READY)

    async def start_workers(self) -> None:
        """Start all workers at once and give them the warm-up bars. Raises DataError of a strategy.

        A worker that is lost meanwhile is left to `replace_workers`.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for w in self._workers:
                    group.create_task(self._build(w), name=f"analysis-start-{w.number}")
        except BaseExceptionGroup as group_fault:
            raise group_fault.exceptions[0] from None  # all have the same cause, so the first one is enough

    async def replace_workers(self) -> None:
        """Replace lost workers until cancelled. Nothing else replaces them."""
        async with asyncio.TaskGroup() as group:
            while True:
                w = await self._repairs.get()
                group.create_task(self._build(w), name=f"analysis-rebuild-{w.number}")

    async def compute_signals(self, batch: BarBatch) -> tuple[list[SignalColumns], set[int]]:
        """Return the signals of a close as columns, and the symbol ids without an answer in time.

        Returns at most a little after `deadline_s`. A worker that does not answer by then is killed and replaced.
        """
        self._newest = batch
        columns: list[SignalColumns] = []
        failed: set[int] = set()
        waiting: dict[Worker, tuple[WorkerProcess, asyncio.Future[WorkerResult]]] = {}
        shares = {w: w.own_rows(batch) for w in self._workers}
        for w, share in shares.items():
            if not len(share):
                continue
            if w.state is not WorkerState.READY or w.process is None:
                # A worker that is building gets this close before it is ready; one that is off never does.
                if w.state is WorkerState.BUILDING:
                    w.missed_closes.append(batch)
                failed.update(batch.ids[share].tolist())
                continue
            try:
                w.unanswered = batch
                waiting[w] = (
                    w.process,
                    w.process.submit_job(worker.process_close, self._inputs.rows_of_close(batch, share)),
                )
            except WorkerGone as fault:
                failed.update(batch.ids[share].tolist())
                self._on_worker_lost(w, w.process, str(fault))
        if waiting:
            await asyncio.wait([future for _, future in waiting.values()], timeout=self._deadline_s)
        for w, (process, future) in waiting.items():
            # Raises WorkerGone for a job that is not done, so a worker that missed the deadline counts as lost.
            try:
                answer: WorkerResult = job_result(future, self._deadline_s)
            except WorkerGone as fault:
                failed.update(batch.ids[shares[w]].tolist())
                self._on_worker_lost(w, process, str(fault))
                continue
            w.unanswered = None
            if answer.faults:
                self._inputs.disable_strategies(answer.faults)
            columns.extend(answer.signals)
        return columns, failed

    async def join_symbols(self, ids: Ints) -> None:
        """Let waiting ids join in their workers; their histories are in the inputs. No close may be under way.

        A worker that is building gets them before it is ready, one that is lost meanwhile when it is rebuilt.
        """
        for w in self._workers:
            own = ids[w.is_ours[ids]]
            if not len(own):
                continue
            if w.state is WorkerState.BUILDING:
                w.joining.append(own)
            elif w.state is WorkerState.READY and w.process is not None:
                try:
                    await self._join(w, w.process, own)
                except WorkerGone as fault:
                    self._on_worker_lost(w, w.process, str(fault))

    async def _join(self, w: Worker, process: WorkerProcess, ids: Ints) -> None:
        for some, histories in self._inputs.join_jobs(ids):
            self._disable(w, await process.run_job(worker.join_symbols, some, histories, within_s=JOIN_WITHIN_S))

    def _disable(self, w: Worker, answer: WorkerResult) -> None:
        # What an outdated worker fails at may be over with other bars or parameters; the next build says what is not.
        if not w.is_outdated:
            self._inputs.disable_strategies(answer.faults)

    def set_assignments(self, assignments: Sequence[Sequence[Assignment]]) -> None:
        """Set what the workers compute from their next rebuild on; each keeps its symbols."""
        for w in self._workers:
            w.assignments = assignments[w.number]

    async def rebuild_workers(self) -> None:
        """Rebuild all workers over the closes so far; wait for them at most `REBUILD_WITHIN_S`.

        No close may be under way. A worker that takes longer misses closes, as one that was lost does.
        """
        for w in self._workers:
            if w.state is WorkerState.READY and w.process is not None:
                w.state = WorkerState.BUILDING
                w.process.kill()
                self._repairs.put_nowait(w)
            w.is_outdated = w.state is WorkerState.BUILDING
        until = self._clock.monotonic_ns() + int(REBUILD_WITHIN_S * SECOND)
        while any(w.state is WorkerState.BUILDING for w in self._workers) and self._clock.monotonic_ns() < until:
            await self._clock.sleep(REBUILD_POLL_S)

    def prewarm_workers(self) -> None:
        """Let the workers warm their caches before a close. Waits for nothing and changes no state."""
        if (batch := self._newest) is None:
            return
        for w in self._workers:
            share = w.own_rows(batch)
            if w.state is WorkerState.READY and w.process is not None and w.unanswered is None and len(share):
                try:
                    job = w.process.submit_job(worker.warm_caches, self._inputs.rows_of_close(batch, share))
                except WorkerGone as fault:
                    self._on_worker_lost(w, w.process, str(fault))
                    continue
                job.add_done_callback(self._warm_loop_caches)

    async def stop_workers(self) -> None:
        """End all workers within two seconds; those that hang are killed."""
        for w in self._workers:
            w.state = WorkerState.OFF
        async with asyncio.TaskGroup() as group:
            for w in self._workers:
                if w.process is not None:
                    group.create_task(w.process.close_process(), name=f"analysis-close-{w.number}")
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _warm_loop_caches(self, job: asyncio.Future[WorkerResult]) -> None:
        # The event loop warms its own caches too: it builds one message from the result of a worker's `warm_caches`.
        if not job.cancelled() and job.exception() is None and (batch := self._newest) is not None:
            # The ids of the result are of invented symbols, so one of the universe takes their place.
            columns = [f._replace(ids=batch.ids[:1].repeat(len(f.ids))) for f in job.result().signals]
            next(SignalBatch(batch, self._inputs.universe, columns, (), 0).message_chunks())

    def _on_worker_lost(self, w: Worker, process: WorkerProcess, reason: str) -> None:
        # A death is reported twice: by the process descriptor, and by the job that fails. Only the first report counts.
        if w.state is WorkerState.READY and w.process is process:
            self._replace(w, reason)

    def _replace(self, w: Worker, reason: str) -> None:
        if w.process is not None:
            w.process.kill()
        if w.unanswered is not None:  # the close it was lost at: the new process computes it again
            w.missed_closes.append(w.unanswered)
            w.unanswered = None
        now = self._clock.monotonic_ns()
        w.replaced_mono = [at for at in w.replaced_mono if now - at < REPLACEMENT_WINDOW_NS]
        number, symbols, why = w.number, len(w.ids), f"worker {w.number} {reason}"
        if len(w.replaced_mono) >= MAX_REPLACEMENTS:
            w.state = WorkerState.OFF
            w.missed_closes.clear()
            names = [self._inputs.universe[int(id_)].symbol for id_ in w.ids]
            disabled = WorkerDisabled(
                worker=number, symbols=symbols, reason=why, replacements=MAX_REPLACEMENTS, names=names
            )
            self._on_fault(disabled)
            return
        w.state, w.is_lost = WorkerState.BUILDING, True
        w.replaced_mono.append(now)
        self._on_fault(WorkerLost(worker=number, symbols=symbols, reason=why))
        self._repairs.put_nowait(w)

    async def _build(self, w: Worker) -> None:
        # Start a process for a worker and bring it up to date. A start raises DataError of a strategy; a rebuild that
        # fails leads to another one.
        is_first = not (w.was_ready or w.replaced_mono)
        w.is_outdated = False
        process = w.process = WorkerProcess(self._threads, on_death=lambda: self._on_worker_lost(w, process, "died"))
        try:
            await process.open_process()
            # Who joins from here on comes through `joining`; who joined before is part of the setups.
            setups, waiting, w.joining = self._inputs.setups_for(w.assignments), list(self._inputs.waiting), []
            await process.run_job(worker.build_partitions, setups, within_s=START_WITHIN_S)
            await self._warm(w, process, np.setdiff1d(w.ids, waiting))
            replayed = 0 if is_first else await self._replay(w, process)
        except (WorkerGone, DataError) as fault:
            if is_first and isinstance(fault, DataError):
                raise
            if w.state is WorkerState.BUILDING:
                self._replace(w, str(fault))
            return
        if w.state is not WorkerState.BUILDING:  # `stop_workers` came meanwhile
            return
        if w.is_outdated:  # it may have read closes or parameters that changed after that
            process.kill()
            self._repairs.put_nowait(w)
            return
        was_lost, w.is_lost = w.is_lost, False
        w.state, w.was_ready = WorkerState.READY, True
        if was_lost:
            self._on_fault(WorkerRebuilt(worker=w.number, symbols=len(w.ids), closes=replayed))

    async def _warm(self, w: Worker, process: WorkerProcess, ids: Ints) -> None:
        pending: list[asyncio.Future[WorkerResult]] = []
        # Two jobs at a time: the next one is pickled here while the worker computes the one before.
        for histories in self._inputs.history_jobs(ids):
            pending.append(process.submit_job(worker.load_histories, histories))
            if len(pending) > 1:
                self._disable(w, await process.wait_result(pending.pop(0), within_s=START_WITHIN_S))
        for job in pending:
            self._disable(w, await process.wait_result(job, within_s=START_WITHIN_S))
        await process.run_job(worker.finish_warmup, within_s=START_WITHIN_S)
        process.open_socket_channel()

    async def _replay(self, w: Worker, process: WorkerProcess) -> int:
        # Give a rebuilt worker the closes since the warm-up; return how many. Closes that come meanwhile are in
        # `missed_closes`, symbols that join in `joining`, and the loop ends once no more have come.
        journaled = await self._load_closes()
        # The journal may have closes that are newer than `_newest`. They are still on their way to `compute_signals`,
        # which will give them to this worker.
        newest = 0 if self._newest is None else self._newest.ends_at
        batches = [batch for batch in journaled if batch.ends_at <= newest]
        last_end, count = 0, 0
        while batches or w.joining:
            for batch in batches:
                share = w.own_rows(batch)
                if batch.ends_at > last_end and len(share):
                    rows = self._inputs.rows_of_close(batch, share)
                    answer = await process.run_job(worker.process_close, rows, within_s=self._deadline_s)
                    self._disable(w, answer)
                    count += 1
                last_end = max(last_end, batch.ends_at)
            joining, w.joining = w.joining, []
            for ids in joining:
                await self._join(w, process, ids)
            batches, w.missed_closes = w.missed_closes, []
        return count
