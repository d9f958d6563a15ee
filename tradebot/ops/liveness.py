"""The pulse: which parts of the daemon have stopped getting on; the watchdog is fed only while none has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tradebot.clock import SECOND


class Probe(NamedTuple):
    """A part of the daemon. `progress` changes with each piece of work it ends and is None while there is nothing to do.

    `within_s` is how long a piece may take, from the time limits that the part itself works under.
    """

    progress: Callable[[], int | None]
    within_s: float


class Liveness:
    """Looks at the marks of all parts; a part whose mark stays as it was for too long is stuck."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._parts = dict(probes)
        self._seen: dict[str, tuple[int | None, int]] = dict.fromkeys(probes, (None, 0))  # name -> (mark, since)

    def stalled_parts(self, mono: int) -> list[str]:
        """Return the names of the parts that are stuck at monotonic `mono`; to be asked again and again."""
        names = []
        for name, part in self._parts.items():
            mark, (before, since) = part.progress(), self._seen[name]
            if mark is None or mark != before:
                self._seen[name] = mark, mono
            elif mono - since > part.within_s * SECOND:
                names.append(name)
        return names
