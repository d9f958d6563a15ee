"""Processor time and memory of a process and its children, read from /proc; None where the system has none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
USER, SYSTEM = 11, 12  # utime and stime of proc(5), counted after the name, which may contain spaces


class CpuSeconds(NamedTuple):
    """Processor seconds, summed over cores: of a process itself, and of the living processes below it."""

    own: float
    below: float

    def used_since(self, before: CpuSeconds) -> CpuSeconds:
        """Return the seconds used after `before`."""
        return CpuSeconds(self.own - before.own, self.below - before.below)


def cpu_seconds(pid: int) -> CpuSeconds | None:
    """Return the processor seconds of a process since its start, None without /proc."""
    try:
        own, *below = (_ticks(one) / os.sysconf("SC_CLK_TCK") for one in _family(pid))
    except (OSError, ValueError, IndexError):
        return None
    return CpuSeconds(own, sum(below))


def peak_memory_mb(pid: int) -> float | None:
    """Return the peak resident memory of one process without its children, in MB, None without /proc."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


def _ticks(pid: int) -> int:
    fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[USER]) + int(fields[SYSTEM])


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        for child in children.read_text(encoding="utf-8").split():
            yield from _family(int(child))


def family_memory() -> tuple[float, float]:
    """Return the memory in MB of this process and those below it: shared pages in parts (PSS), and in full each (RSS).

    Both are 0 where the system has no smaps_rollup.
    """
    found = {"Pss:": 0.0, "Rss:": 0.0}
    for pid in _family(os.getpid()):
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            name, *rest = line.split()
            if name in found:
                found[name] += int(rest[0]) / 1024
    return found["Pss:"], found["Rss:"]
