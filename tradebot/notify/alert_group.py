"""Events that wait for one message: equal ones are counted, and however many come, the group stays small."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tradebot.notify.alert_choice import LEVELS
from tradebot.ops.events.event import ERROR, Event

MAX_LINES = 100  # kinds of events that a group tells apart; those beyond are counted by name
# Fields that say what an event is about. Events that differ in one of them are told apart.
SUBJECTS = ("symbol", "scope", "strategy", "source", "worker", "control")
TEXTS = ("reason", "error")  # the same of these, but for their numbers


class AlertLine(NamedTuple):
    """Equal events: the first of them, how many came, and when the first and the last came (market ns)."""

    event: Event
    times: int
    first_at: int
    last_at: int


class AlertGroup:
    """The events for one message. None is lost: what has no line of its own is counted under its name."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, ...], AlertLine] = {}
        self._unlisted: Counter[str] = Counter()
        self._urgency = 0

    def __bool__(self) -> bool:
        return bool(self._lines or self._unlisted)

    def add_event(self, event: Event, at: int) -> None:
        """Add an event that came at `at` (market ns)."""
        self._merge(_kind_of(event), AlertLine(event, 1, at, at))

    def take_over(self, other: AlertGroup) -> None:
        """Add everything of `other`, such as a message that was not delivered."""
        for kind, line in other._lines.items():
            self._merge(kind, line)
        self._unlisted += other._unlisted
        self._urgency = max(self._urgency, other._urgency)

    def lines(self) -> Iterator[AlertLine]:
        """Yield the lines, the most urgent first, then in the order in which they began."""
        yield from sorted(self._lines.values(), key=lambda line: (-LEVELS.index(line.event.level), line.first_at))

    @property
    def unlisted(self) -> Mapping[str, int]:
        """Event -> how many have no line of their own."""
        return self._unlisted

    @property
    def counts(self) -> Counter[str]:
        """Event -> how many."""
        found = Counter(self._unlisted)
        for line in self._lines.values():
            found[line.event.name] += line.times
        return found

    @property
    def has_error(self) -> bool:
        """Return whether an event of level error or above is among them."""
        return self._urgency >= LEVELS.index(ERROR)

    @property
    def is_critical(self) -> bool:
        """Return whether a critical event is among them."""
        return self._urgency == len(LEVELS) - 1

    def _merge(self, kind: tuple[str, ...], line: AlertLine) -> None:
        event, times, first_at, last_at = line
        self._urgency = max(self._urgency, LEVELS.index(event.level))
        had = self._lines.get(kind)
        if had is not None:
            first, last = min(had.first_at, first_at), max(had.last_at, last_at)
            self._lines[kind] = AlertLine(had.event, had.times + times, first, last)
        elif len(self._lines) < MAX_LINES:
            self._lines[kind] = line
        else:
            self._unlisted[event.name] += times


def _kind_of(event: Event) -> tuple[str, ...]:
    # Numbers of a reason (prices, seconds) differ each time and make no other fact; those of a symbol do.
    fields: dict[str, Any] = event.log_fields()
    subjects = (str(fields[name]) for name in SUBJECTS if name in fields)
    texts = (re.sub(r"\d+", "0", str(fields[name]))[:200] for name in TEXTS if name in fields)
    return event.name, *subjects, *texts
