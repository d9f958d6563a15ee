"""Days that a pair of desks lives through: it stands in the daemon of simulated days, and in random days by itself."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from tests.oracle import seam
from tests.oracle.pair import Heard, Look, Pair
from tests.oracle.random_days import play_random_day
from tests.oracle.vendor import seam as frozen_seam
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.seed_batch import QUEUED_PER_WORKER, SEEDS_PER_PROCESS, SimulatedDay, read_corpus
from tradebot.simulation.seed_run import run_seed

CORPUS = Path(__file__).parents[1] / "simulation/corpus.txt"


def old_days() -> list[SimulatedDay]:
    """Return the days of the corpus that the frozen desk can live through: it knows no stop at the venue."""
    return [day for day in read_corpus(CORPUS) if day.kind is not DayKind.STOPS]


class Held(NamedTuple):
    """One day that both desks lived through; `difference` is empty when they said the same."""

    what: str
    difference: str
    pairs: int  # lives of daemons
    messages: dict[str, int]
    outputs: dict[str, int]


def hold_day(day: SimulatedDay) -> Held:
    """Play a day with a pair in the daemon's place for a desk."""
    heard = Heard()

    def stand_in(build: Callable[..., Any], append: Callable[[Any], object], values: dict[str, Any]) -> Any:
        tapes: tuple[list[Any], list[Any]] = [], []

        def both(tape: Any) -> None:
            tapes[0].append(tape)
            append(tape)

        frozen = frozen_seam.build(**values, append=tapes[1].append)
        return seam.Stand(Pair(build(both), frozen, look=values["killed"], heard=heard, tapes=tapes))

    with seam.in_daemon(Look, stand_in), heard.sought():
        run_seed(day.seed, kind=day.kind, faults=day.faults)
    return _held(f"simulate {day.cli_arguments()}", heard)


def hold_random_day(seed: int) -> Held:
    """Give pairs of each way of a desk one random day."""
    heard = Heard()
    with heard.sought():
        play_random_day(seed, heard)
    return _held(f"random day {seed}", heard)


def _held(what: str, heard: Heard) -> Held:
    return Held(what, heard.difference, heard.pairs, dict(heard.messages), dict(heard.outputs))


def hold(days: Iterable[SimulatedDay | int], *, workers: int) -> Iterator[Held]:
    """Yield each day, simulated or random, as it is known."""
    left, running = iter(days), set[Future[Held]]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=SEEDS_PER_PROCESS) as pool:
        while True:
            while len(running) < workers * QUEUED_PER_WORKER and (day := next(left, None)) is not None:
                running.add(pool.submit(hold_random_day, day) if isinstance(day, int) else pool.submit(hold_day, day))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


class Tally:
    """Counts what was held."""

    def __init__(self) -> None:
        self.days = self.pairs = 0
        self.messages: Counter[str] = Counter()
        self.outputs: Counter[str] = Counter()

    def add(self, held: Held) -> None:
        """Count one day."""
        self.days, self.pairs = self.days + 1, self.pairs + held.pairs
        self.messages.update(held.messages)
        self.outputs.update(held.outputs)

    def __str__(self) -> str:
        return (
            f"{self.days} days, {self.pairs} desks, {self.messages.total():,} messages of {len(self.messages)} kinds,"
            f" {self.outputs.total():,} outputs of {len(self.outputs)}"
        )
