"""Runs that were cut off, counted out of the journal at a start: after the third in ten minutes nothing is opened.

A run counts once it had compared its books with the venue's, for from then on it may send, and when no `end` row closes
it: SIGKILL, a power cut, an exit 70 or 73. A start that gives up before sends nothing and is left to the supervisor's
own limit. Its time is the wall time of its last row, the last that is known of it. A resume of everything forgets the
runs before: a person has looked at them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, ReconciliationResult
from tradebot.errors import StateError
from tradebot.journal.rows import JournalRow, RunRecord
from tradebot.journal.schema import connect_reader

CRASH_WINDOW_NS = 600 * SECOND
ROW_QUERY = "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows WHERE seq = ?"
MAX_RUNS = 100  # the last ones, which are looked at; ten minutes hold no more


class CrashedRun(NamedTuple):
    """A run that may have sent and did not end; `wall` is when our wall clock (ns) last saw it alive."""

    run_id: str
    last_wall_at: int


class CrashHistory:
    """The runs of a journal in the order of their rows; `cut_off` says which did not end as they should."""

    def __init__(self) -> None:
        self._begun: list[tuple[int, str]] = []  # (seq of its first row, run id) since everything was last resumed
        self._may_send: set[int] = set()  # those of the first rows, of runs that compared their books

    def apply_row(self, row: JournalRow, message: Message) -> None:
        """Take the next row of the journal; those that say nothing of a run's life change nothing."""
        match message:
            case RunRecord():
                self._begun.append((row.seq, message.run_id))
            case ReconciliationResult() if self._begun:
                self._may_send.add(self._begun[-1][0])
            case Command(verb=CommandVerb.RESUME) if message.scope.is_account_wide:
                del self._begun[:-1]

    def crashed_runs(self, path: Path, *, last: int) -> tuple[CrashedRun, ...]:
        """Return the cut off ones among the last hundred runs, oldest first; `last` is the seq of the last row that
        counts. Raises StateError, also for a row whose time was changed."""
        begun = self._begun[-MAX_RUNS:]
        ends = [seq - 1 for seq, _ in begun[1:]] + [last]
        found = []
        connection = connect_reader(path)
        try:
            for (seq, run_id), end in zip(begun, ends, strict=False):  # no runs, but an end
                row = JournalRow._make(connection.execute(ROW_QUERY, (end,)).fetchone())
                if row.kind == "end" or seq not in self._may_send:
                    continue
                if not row.has_valid_hash:
                    raise StateError(f"{path}: row {end} was changed; `tradebot verify` tells more")
                found.append(CrashedRun(run_id, row.wall_at))
        except sqlite3.Error as error:
            raise StateError(f"{path}: the journal cannot be read: {error}") from error
        finally:
            connection.close()
        return tuple(found)


def crash_loop_reason(crashed: Sequence[CrashedRun], *, now: int, max_crashes: int) -> str:
    """Return why a start at `now` (wall ns) must open nothing: `max_crashes` runs were cut off in the last ten minutes.

    Empty when it may trade, and always with `max_crashes` 0. A run that lived later than `now` counts, as a clock that was set
    back hides how long ago that was; one set forward hides the crashes before it, and none after.
    """
    recent = [run for run in crashed if now - run.last_wall_at <= CRASH_WINDOW_NS]
    if not max_crashes or len(recent) < max_crashes:
        return ""
    runs = "1 run was" if len(recent) == 1 else f"{len(recent)} runs were"
    return (
        f"{runs} cut off within {CRASH_WINDOW_NS // MINUTE} minutes, the last one {recent[-1].run_id}:"
        " find the cause at the end of its log, then `tradebot resume`"
    )
