"""Which events become alerts: those from a level on, with single names added or left out."""

from __future__ import annotations

from typing import NamedTuple

from tradebot.ops.events import notify
from tradebot.ops.events.catalogue import EVENTS, declared_events
from tradebot.ops.events.event import CRITICAL, DEBUG, ERROR, INFO, WARNING, Event, LogLevel
from tradebot.ops.events.process import LibraryFailed, LibraryWarned, LogLinesDropped
from tradebot.ops.events.run import DaySummarized

LEVELS: tuple[LogLevel, ...] = (DEBUG, INFO, WARNING, ERROR, CRITICAL)  # the least urgent first
# Alerts about alerts would feed themselves.
NEVER = frozenset(event.name for event in declared_events(notify))
# These are made by the log itself, behind the bus: they are lines of the log and nothing else.
LOG_ONLY = frozenset(event.name for event in (LibraryFailed, LibraryWarned, LogLinesDropped))


class AlertChoice(NamedTuple):
    """The events that become alerts. `with_summary` adds the figures of the day."""

    level: LogLevel = ERROR
    add: frozenset[str] = frozenset()
    leave_out: frozenset[str] = frozenset()
    with_summary: bool = True

    def is_wanted(self, event: Event) -> bool:
        """Return whether this event becomes an alert."""
        name = event.name
        if name in NEVER or name in self.leave_out:
            return False
        if name in self.add or (self.with_summary and name == DaySummarized.name):
            return True
        return LEVELS.index(event.level) >= LEVELS.index(self.level)


def unusable_name_reason(name: str) -> str:
    """Return why a name cannot be added or left out, "" where it can; an unknown name gives `is no event`."""
    if name not in EVENTS:
        return "is no event"
    if name in NEVER:
        return "is about alerts themselves and never becomes one"
    return "is a line of the log alone and never becomes an alert" if name in LOG_ONLY else ""
