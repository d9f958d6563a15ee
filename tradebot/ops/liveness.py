"""Liveness: finds parts of the daemon that make no progress. While there are any, the watchdog is not fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tradebot.clock import SECOND


class Probe(NamedTuple):
    """A probe of one part of the daemon.

    `progress` returns a number that changes with each finished piece of work, and None while there is no work.
    `within_s` is the wall seconds that a piece may take, derived from the time limits of the part itself.
    """

    progress: Callable[[], int | None]
    within_s: float


class Liveness:
    """Checks the progress of all parts. A part whose number stays the same for too long is stalled."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._parts = dict(probes)
        # name -> (progress, monotonic ns since when it is the same)
        self._seen: dict[str, tuple[int | None, int]] = dict.fromkeys(probes, (None, 0))

    def stalled_parts(self, mono: int) -> list[str]:
        """Return the names of the parts that are stalled at `mono` (monotonic ns). To be called regularly."""
        names = []
        for name, part in self._parts.items():
            mark, (before, since) = part.progress(), self._seen[name]
            if mark is None or mark != before:
                self._seen[name] = mark, mono
            elif mono - since > part.within_s * SECOND:
                names.append(name)
        return names
