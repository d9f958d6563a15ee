"""Counts what the gate denied, by control and by strategy, each with the reason of its first denial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tradebot.domain.message import Message


class Denial(Message, frozen=True):
    """How often a control denied orders of a strategy ("" for orders of none), and why the first time."""

    control: str
    strategy: str
    count: int
    reason: str


class Denials:
    """Counts denials, with one entry per pair of control and strategy."""

    def __init__(self, known: Iterable[Denial] = ()) -> None:
        self._found: dict[tuple[str, str], tuple[int, str]] = {}  # (control, strategy) -> (count, first reason)
        self.total = 0
        for one in known:
            self.count_denial(one.control, one.strategy, one.reason, count=one.count)

    def count_denial(self, control: str, strategy: str, reason: str, *, count: int = 1) -> None:
        """Count an order of `strategy` that `control` denied."""
        before, first = self._found.get((control, strategy), (0, reason))
        self._found[control, strategy] = before + count, first
        self.total += count

    def __iter__(self) -> Iterator[Denial]:
        for (control, strategy), (count, reason) in self._found.items():
            yield Denial(control=control, strategy=strategy, count=count, reason=reason)

    @property
    def by_control(self) -> dict[str, int]:
        """Return control -> number of denials, largest first."""
        counts: dict[str, int] = {}
        for (control, _), (count, _) in self._found.items():
            counts[control] = counts.get(control, 0) + count
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))
