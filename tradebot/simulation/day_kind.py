"""The kinds of simulated days: what a day has beside the faults, people and kills that every day may have."""

from __future__ import annotations

from enum import StrEnum


class DayKind(StrEnum):
    """The kind of a day; its value is its word in a corpus and, after two dashes, on the command line."""

    PLAIN = "plain"
    LOGINS = "logins"  # the token dies, and a person logs in late
    STOPS = "stops"  # the stops of positions rest at the venue

    @property
    def words(self) -> tuple[str, ...]:
        """The words that name the kind: none for a plain day."""
        return () if self is DayKind.PLAIN else (self.value,)
