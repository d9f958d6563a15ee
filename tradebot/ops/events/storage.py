"""Events of what is written: the room of the journal's disk, the journal's own log, and the tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from tradebot.ops.events.event import (
    CRITICAL,
    ERROR,
    INFO,
    WARNING,
    Action,
    Event,
    Kilobytes,
    Megabytes,
    Reason,
)

Free = Annotated[Megabytes, "MB free on the journal's disk"]
Reserve = Annotated[Kilobytes, "KB kept for a full disk"]
Place = Annotated[str, "the database or file"]
Behind = Annotated[int, "rows of the journal that are not in the tables yet"]


class DiskSpaceReduced(Event, frozen=True):
    """The journal's disk has less room than journal.warn_free_mb; nothing is stopped yet."""

    level, was = WARNING, "disk_low"
    do = "Make room today."
    entries_end_below_mb: Annotated[int, "MB, the setting journal.min_free_mb"]
    free_mb: Free
    reserve_kb: Reserve


class DiskSpaceDepleted(Event, frozen=True):
    """The journal's disk has less room than journal.min_free_mb: nothing is opened, exits and cancels go on."""

    level, was = ERROR, "disk_short"
    do = "Make room now; entries come back by themselves."
    reason: Reason
    free_mb: Free
    reserve_kb: Reserve
    action: Action = "no entries; exits and cancels go on, on a full disk in the journal's reserve; make room"


class DiskSpaceExhausted(Event, frozen=True):
    """The journal's disk is full and its reserve is used up: neither entries nor exits leave, cancels do."""

    level, was = CRITICAL, "disk_full"
    do = "Make room at once, and guard open positions in the broker's app until there is some."
    reason: Reason
    free_mb: Free
    reserve_kb: Reserve
    action: Action = "neither entries nor exits leave, cancels do; make room at once"


class DiskSpaceFreed(Event, frozen=True):
    """The journal's disk has room again."""

    level, was = INFO, "disk_has_room"
    do = "Nothing."
    free_mb: Free
    reserve_kb: Reserve


class DiskNotKnown(Event, frozen=True):
    """The journal's disk does not say how much room it has."""

    level = WARNING
    do = "Look at the disk: one that hangs stops the journal, and with it every order."
    reason: Reason


class DiskKnown(Event, frozen=True):
    """The journal's disk answers again."""

    level = INFO
    do = "Nothing."


class JournalLogGrown(Event, frozen=True):
    """The log of the journal's database has grown, since a reader or a slow disk keeps it from starting over."""

    level = WARNING
    do = "End the process that `likely` names, such as a backup or a shell with an open transaction."
    log_mb: Megabytes
    likely: Annotated[str, "what keeps it"]
    action: Action = "end the reader's transaction: while it lasts the log cannot start over"


class JournalLogCut(Event, frozen=True):
    """The log of the journal's database started over."""

    level = INFO
    do = "Nothing."
    log_mb: Megabytes


class StoreOpened(Event, frozen=True):
    """The tables for people are open, and fed from the journal."""

    level = INFO
    do = "Nothing."
    place: Place
    behind: Behind


class StoreMigrated(Event, frozen=True):
    """The tables for people were brought up to date."""

    level = INFO
    do = "Nothing."
    migrations: Annotated[Sequence[str], "what was done"]


class StoreLost(Event, frozen=True):
    """The database of the tables does not answer; trading goes on, and the journal keeps what it misses."""

    level, was = WARNING, "store_down"
    do = "Bring the database back; nothing is lost."
    reason: Reason
    action: Action = "the journal keeps the rows"


class StoreRestored(Event, frozen=True):
    """The database of the tables answers again, and is fed what it missed."""

    level, was = INFO, "store_back"
    do = "Nothing."
    place: Place
    behind: Behind


class RowsNotStored(Event, frozen=True):
    """The run ended before all rows were in the tables."""

    level, was = WARNING, "store_behind"
    do = "Nothing; the next run feeds them, or `tradebot db sync` at once."
    reason: Reason
    action: Action = "the next run feeds the rest"


class StoreRefused(Event, frozen=True):
    """Tables and journal do not belong together or are of another version: they are not fed any more."""

    level = ERROR
    do = "Do what the reason says; trading goes on without the tables."
    reason: Reason
    action: Action = "trading goes on without it"
