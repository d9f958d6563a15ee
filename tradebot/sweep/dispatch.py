"""Sends trials to a crew and brings every row home: a worker that dies or hangs costs time and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message
from tradebot.sweep.crew import Crew
from tradebot.sweep.trial import Batch, Row, Trial, given_up

BATCH_S = 0.25  # of work: long against the way to a worker, short against the wait for the last one
MOST_IN_BATCH = 50
LOOK_S = 1.0  # how often to look whether a worker hangs
ALONE, TRIES = 2, 4  # a trial that lost its worker twice runs alone, so that it can be told from its neighbours


class Load(Message, frozen=True):
    """Trials on their way together, and how often they lost their worker."""

    trials: tuple[Trial, ...]
    tries: int = 0


class Dispatch:
    """Carries trials out with a crew; `on_rows` gets the rows of each batch as it comes, in any order.

    A crew that gives nothing back for `patience_s` is taken to hang and is replaced.
    """

    def __init__(
        self, crew: Crew, *, clock: Clock, on_rows: Callable[[Sequence[Row]], None], patience_s: float = 600.0
    ) -> None:
        self._crew, self._clock, self._on_rows, self._patience_s = crew, clock, on_rows, patience_s
        self._waiting: deque[Trial] = deque()
        self._again: deque[Load] = deque()
        self._flying: dict[Future[Batch], Load] = {}
        self._seconds, self._made = 0.0, 0  # of work, trials
        self.lost_workers = 0

    def carry_out(self, trials: Iterable[Trial]) -> None:
        """Return when every trial has its row; an error that is not a worker's death is raised as it is."""
        self._waiting.extend(trials)
        heard = self._clock.monotonic_ns()
        while self._waiting or self._again or self._flying:
            self._send()
            done, _ = wait(self._flying, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            if done:
                heard = self._clock.monotonic_ns()
                self._take(done)
            elif self._clock.monotonic_ns() - heard > self._patience_s * SECOND:
                self._lose(f"took longer than {self._patience_s:g} s")
                heard = self._clock.monotonic_ns()

    def _send(self) -> None:
        while len(self._flying) < 2 * self._crew.width:
            alone = any(load.tries >= ALONE for load in self._flying.values())
            if self._again:
                load = self._again[0]
                if alone or (load.tries >= ALONE and self._flying):
                    return
                self._again.popleft()
            elif self._waiting and not alone:
                load = Load(trials=tuple(self._waiting.popleft() for _ in range(self._size())))
            else:
                return
            try:
                self._flying[self._crew.submit(load.trials)] = load
            except self._crew.broken:
                self._again.appendleft(load)  # it never left
                self._lose("lost its worker")
                return

    def _size(self) -> int:
        if not self._made:
            return 1
        fits = int(BATCH_S * self._made / max(self._seconds, 1e-9))
        # The end of a sweep is shared out evenly, so that nobody waits for one long batch.
        return max(1, min(fits, MOST_IN_BATCH, len(self._waiting) // (2 * self._crew.width), len(self._waiting)))

    def _take(self, done: Iterable[Future[Batch]]) -> None:
        is_broken = False
        for future in done:
            load = self._flying.pop(future)
            try:
                batch = future.result(timeout=0)
            except self._crew.broken:
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
        # What was ready before the worker died is kept; all else that flew is sent again, one by one.
        ready = [f for f in self._flying if f.done() and not f.cancelled() and f.exception(timeout=0) is None]
        for future in ready:
            self._flying.pop(future)
            self._on_rows(future.result(timeout=0).rows)
        for load in self._flying.values():
            for trial in load.trials:
                if load.tries + 1 >= TRIES:
                    self._on_rows((given_up(trial, f"{reason} {TRIES} times"),))
                else:
                    self._again.append(Load(trials=(trial,), tries=load.tries + 1))
        self._flying.clear()
        self._again = deque(sorted(self._again, key=lambda load: load.tries))
        self._crew.renew()
