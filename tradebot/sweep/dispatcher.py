"""Sends trials to an executor and collects every row. A worker that dies or hangs costs only time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message
from tradebot.sweep.executors import TrialExecutor
from tradebot.sweep.trial import SweepTrial, TrialBatch, TrialRow, failed_row

BATCH_S = 0.25  # of work per batch: long compared with its transport, short compared with the last wait
MAX_BATCH_TRIALS = 50
POLL_S = 1.0  # seconds between checks for a hanging worker
ALONE_AFTER, MAX_TRIES = 2, 4  # a trial that lost its worker twice runs alone, which shows whether it is the cause


class TrialsInFlight(Message, frozen=True):
    """Trials that were submitted together, and how often they lost their worker."""

    trials: tuple[SweepTrial, ...]
    tries: int = 0


class TrialDispatcher:
    """Runs trials with an executor; `on_rows` gets the rows of each batch when it is done, in any order.

    When no batch is done for `patience_s`, the workers are taken to hang and are replaced.
    """

    def __init__(
        self,
        executor: TrialExecutor,
        *,
        clock: Clock,
        on_rows: Callable[[Sequence[TrialRow]], None],
        patience_s: float = 600.0,
    ) -> None:
        self._executor, self._clock, self._on_rows, self._patience_s = executor, clock, on_rows, patience_s
        self._waiting: deque[SweepTrial] = deque()
        self._again: deque[TrialsInFlight] = deque()
        self._flying: dict[Future[TrialBatch], TrialsInFlight] = {}
        self._seconds, self._made = 0.0, 0  # seconds of work done, trials done
        self.lost_workers = 0

    def dispatch_trials(self, trials: Iterable[SweepTrial]) -> None:
        """Run the trials and return when each has its row. Raises every error that is not the death of a worker."""
        self._waiting.extend(trials)
        heard = self._clock.monotonic_ns()
        while self._waiting or self._again or self._flying:
            self._send()
            done, _ = wait(self._flying, timeout=POLL_S, return_when=FIRST_COMPLETED)
            if done:
                heard = self._clock.monotonic_ns()
                self._take(done)
            elif self._clock.monotonic_ns() - heard > self._patience_s * SECOND:
                self._lose(f"took longer than {self._patience_s:g} s")
                heard = self._clock.monotonic_ns()

    def _send(self) -> None:
        while len(self._flying) < 2 * self._executor.worker_count:
            alone = any(load.tries >= ALONE_AFTER for load in self._flying.values())
            if self._again:
                load = self._again[0]
                if alone or (load.tries >= ALONE_AFTER and self._flying):
                    return
                self._again.popleft()
            elif self._waiting and not alone:
                load = TrialsInFlight(trials=tuple(self._waiting.popleft() for _ in range(self._size())))
            else:
                return
            try:
                self._flying[self._executor.submit_batch(load.trials)] = load
            except self._executor.worker_errors:
                self._again.appendleft(load)  # it was not sent
                self._lose("lost its worker")
                return

    def _size(self) -> int:
        if not self._made:
            return 1
        fits = int(BATCH_S * self._made / max(self._seconds, 1e-9))
        # The last trials are divided evenly, so that the sweep does not wait for one long batch.
        return max(
            1, min(fits, MAX_BATCH_TRIALS, len(self._waiting) // (2 * self._executor.worker_count), len(self._waiting))
        )

    def _take(self, done: Iterable[Future[TrialBatch]]) -> None:
        is_broken = False
        for future in done:
            load = self._flying.pop(future)
            try:
                batch = future.result(timeout=0)
            except self._executor.worker_errors:
                is_broken = True
                self._flying[future] = load
                continue
            self._seconds += batch.seconds
            self._made += len(batch.rows)
            self._on_rows(batch.rows)
        if is_broken:
            self._lose("lost its worker")

    def _lose(self, reason: str) -> None:
        self.lost_workers += 1
        # Batches that were done before the worker died are kept. The trials of the others are sent again one by one.
        ready = [f for f in self._flying if f.done() and not f.cancelled() and f.exception(timeout=0) is None]
        for future in ready:
            self._flying.pop(future)
            self._on_rows(future.result(timeout=0).rows)
        for load in self._flying.values():
            for trial in load.trials:
                if load.tries + 1 >= MAX_TRIES:
                    self._on_rows((failed_row(trial, f"{reason} {MAX_TRIES} times"),))
                else:
                    self._again.append(TrialsInFlight(trials=(trial,), tries=load.tries + 1))
        self._flying.clear()
        self._again = deque(sorted(self._again, key=lambda load: load.tries))
        self._executor.replace_workers()
