"""Runs many seeds over several processes and counts the outcomes."""

from __future__ import annotations

import gc
import multiprocessing
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.checker.cover_promises import CoverDelay, describe_delays
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.seed_run import SeedOutcome, run_seed

QUEUED_PER_WORKER = 4  # seeds queued per worker
SEEDS_PER_PROCESS = 400  # seeds that one worker process runs before it is replaced
MAX_HALTED_SHARE = 0.05  # of the seeds: a daemon that halts on every bad day is safe but useless
_FIGURE = re.compile(r"\d[\d.,]*")
MIN_JUDGED_SEEDS = 100  # fewer seeds make the share meaningless


class SimulatedDay(NamedTuple):
    """One day to simulate: a seed, the faults that replace those of the seed (None: no replacement), and its kind."""

    seed: int
    faults: str | None = None
    kind: DayKind = DayKind.PLAIN

    def cli_arguments(self) -> str:
        """Return the arguments of `tradebot simulate` that repeat it."""
        more = "" if self.faults is None else f" --faults '{self.faults}'"
        return f"{self.seed}{''.join(f' --{word}' for word in self.kind.words)}{more}"

    def corpus_line(self) -> str:
        """Return its line in a corpus, without a reason."""
        return " ".join(filter(None, (str(self.seed), *self.kind.words, self.faults)))


def run_days(
    days: Iterable[SimulatedDay], *, workers: int, is_enough: Callable[[], bool] = lambda: False
) -> Iterator[SeedOutcome]:
    """Yield the outcome of each day once it is known, until `is_enough`; a session that raised counts as broken."""
    context = multiprocessing.get_context("spawn")
    left = iter(days)
    running: dict[Future[SeedOutcome], SimulatedDay] = {}
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, max_tasks_per_child=SEEDS_PER_PROCESS
    ) as pool:
        while True:
            while (
                len(running) < workers * QUEUED_PER_WORKER and not is_enough() and (day := next(left, None)) is not None
            ):
                running[pool.submit(_play, day)] = day
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: running[future].corpus_line()):
                day = running.pop(future)
                error = future.exception()
                yield (future.result() if error is None else outcome_of_error(day.seed, error)._replace(kind=day.kind))


def outcome_of_error(seed: int, error: BaseException) -> SeedOutcome:
    """Return the broken outcome of a session that raised `error`."""
    text = f"the session raised {error!r}"
    return SeedOutcome(seed=seed, verdict="broken", trace="", orders=0, fills=0, faults={}, halted=None, why=(text,))


def _begin() -> None:
    import tradebot.simulation.session  # noqa: F401  # load all that a session needs before the freeze

    gc.freeze()  # keeps the garbage collector from scanning the loaded modules after each seed


def _play(day: SimulatedDay) -> SeedOutcome:
    try:
        return run_seed(day.seed, kind=day.kind, faults=day.faults)
    finally:
        gc.freeze()  # keeps the collector from scanning what killed daemons left, which is never freed


class OutcomeCounts:
    """Counts outcomes; `broken` keeps the broken ones."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.halts: Counter[str] = Counter()
        self.orders = self.fills = self.kills = self.unexplained = 0
        self.simulated_s = self.longest_s = 0.0
        self.broken: list[SeedOutcome] = []
        self.covers: list[CoverDelay] = []  # how long shares had no stop at the venue, of days of stops

    def add_outcome(self, outcome: SeedOutcome) -> None:
        """Count one outcome."""
        self.verdicts[outcome.verdict] += 1
        self.faults.update(outcome.faults)
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.kills += outcome.kills
        self.simulated_s += outcome.simulated_s
        self.longest_s = max(self.longest_s, outcome.agreed_after_s)
        self.unexplained += outcome.unexplained
        self.covers += outcome.covers
        if outcome.verdict == "broken":
            self.broken.append(outcome)

    @property
    def seed_count(self) -> int:
        """The number of outcomes counted."""
        return self.verdicts.total()

    @property
    def halted_share(self) -> float:
        """The share of the seeds that ended halted without a cause in the table of causes, 0 to 1."""
        return self.unexplained / max(self.seed_count, 1)

    @property
    def halts_too_often(self) -> bool:
        """True when too large a share of enough seeds ended halted without a cause."""
        return self.seed_count >= MIN_JUDGED_SEEDS and self.halted_share > MAX_HALTED_SHARE

    def table_rows(self) -> list[dict[str, Any]]:
        """Return the counts as rows of `what` and `count`."""
        counts = {
            "seeds": self.seed_count,
            "ok": self.verdicts["ok"],
            "halted": self.verdicts["halted"],
            "of them without a cause": f"{self.unexplained} ({self.halted_share:.1%})",
            "broken": self.verdicts["broken"],
            "longest from the last fault until the books agree": f"{self.longest_s:.1f} s",
            "simulated hours": f"{self.simulated_s / 3600:.1f}",
            "orders": self.orders,
            "fills": self.fills,
            "kills of the daemon": self.kills,
            "faults struck": self.faults.total(),
            "kinds of faults": len(self.faults),
            **self._cover_counts(),
        }
        return [{"what": name, "count": str(count)} for name, count in counts.items()]

    def _cover_counts(self) -> dict[str, str]:
        # Of days of stops: from a fill until its stop rests at the venue, and why it took too long.
        if not self.covers:
            return {}
        late = Counter(_FIGURE.sub("#", one.reason) for one in self.covers if one.reason)
        return {
            f"stops that came to rest: {len(self.covers)}": describe_delays([one.delay_ns for one in self.covers]),
            **{f"late, {reason}": str(count) for reason, count in late.most_common()},
        }


def read_corpus(path: Path) -> list[SimulatedDay]:
    """Return the days of a corpus file, one a line: a seed, its kind unless plain, optional faults, `#` and why."""
    if not path.is_file():
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [_read_day(line) for line in lines if line]


def _read_day(line: str) -> SimulatedDay:
    seed, _, more = line.partition(" ")
    word, _, rest = more.strip().partition(" ")
    kind = next((kind for kind in DayKind if word in kind.words), DayKind.PLAIN)
    return SimulatedDay(int(seed), (rest if kind.words else more).strip() or None, kind)


def add_to_corpus(path: Path, outcome: SeedOutcome, faults: str | None = None) -> None:
    """Append the day of a broken outcome unless the corpus has it already."""
    day = SimulatedDay(outcome.seed, faults, outcome.kind)
    if day not in read_corpus(path):
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{day.corpus_line()}  # {' '.join(outcome.why[:1])[:160]}\n")
