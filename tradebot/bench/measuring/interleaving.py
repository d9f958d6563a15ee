"""Rivals in turns: each runs once per repeat, so that a busy moment of the machine slows all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import NamedTuple

from tradebot.clock import SECOND, Clock


class Cost(NamedTuple):
    """Seconds per unit of work: elapsed, and of the processor in this process with its threads, without children."""

    elapsed_s: float
    cpu_s: float


def interleave_rivals(clock: Clock, rivals: Mapping[str, Callable[[], int]], repeats: int) -> dict[str, Cost]:
    """Run each rival once per repeat, in turns, and return its median cost per unit of work.

    A rival returns the number of units it did. Because they take turns, a busy moment of the machine slows them all.
    """
    found: dict[str, list[Cost]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, run in rivals.items():
            begin, cpu = clock.monotonic_ns(), process_time()
            units = run()
            found[name].append(Cost((clock.monotonic_ns() - begin) / SECOND / units, (process_time() - cpu) / units))
    return {name: Cost(*map(median, zip(*costs, strict=True))) for name, costs in found.items()}
