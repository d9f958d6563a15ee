"""The crash history in the journal, read at a start: after the third crash in ten minutes no position is opened.

A run counts as crashed if it reconciled with the venue, so that it could send orders, and no `end` row closes it: after
SIGKILL, a power cut, an exit 70 or 73. A start that fails before that has sent nothing and does not count; the
supervisor limits how often it is repeated. The time of a crash is the wall time of the run's last row. A `resume` of
everything clears the history, because a person has looked at it.
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
MAX_RUNS = 100  # only the last runs are checked; ten minutes hold no more


class CrashedRun(NamedTuple):
    """A run that may have sent orders and did not end; `last_wall_at` is the wall time (ns) of its last row."""

    run_id: str
    last_wall_at: int


class CrashHistory:
    """The runs of a journal in order; `crashed_runs` returns those that did not end properly."""

    def __init__(self) -> None:
        self._begun: list[tuple[int, str]] = []  # (seq of the first row, run id), since the last resume of everything
        self._may_send: set[int] = set()  # first rows of the runs that reconciled with the venue

    def apply_row(self, row: JournalRow, message: Message) -> None:
        """Apply the next row of the journal. Rows that do not start, reconcile or resume a run change nothing."""
        match message:
            case RunRecord():
                self._begun.append((row.seq, message.run_id))
            case ReconciliationResult() if self._begun:
                self._may_send.add(self._begun[-1][0])
            case Command(verb=CommandVerb.RESUME) if message.scope.is_account_wide:
                del self._begun[:-1]

    def crashed_runs(self, path: Path, *, last: int) -> tuple[CrashedRun, ...]:
        """Return the crashed runs among the last hundred, oldest first; `last` is the seq of the last row that counts.

        Raises StateError, also when the last row of a run was changed.
        """
        begun = self._begun[-MAX_RUNS:]
        ends = [seq - 1 for seq, _ in begun[1:]] + [last]
        found = []
        connection = connect_reader(path)
        try:
            # Not strict: without any run there still is one end, `last`.
            for (seq, run_id), end in zip(begun, ends, strict=False):
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
    """Return why a start at `now` (wall ns) must not open positions: `max_crashes` runs crashed in ten minutes.

    Returns "" when it may, and always with `max_crashes` 0. A crash that seems to be later than `now` counts, because
    the clock was set back and it is not known how long ago the crash was. After a clock was set forward, the crashes
    before that seem too old to count; those after it count.
    """
    recent = [run for run in crashed if now - run.last_wall_at <= CRASH_WINDOW_NS]
    if not max_crashes or len(recent) < max_crashes:
        return ""
    runs = "1 run was" if len(recent) == 1 else f"{len(recent)} runs were"
    return (
        f"{runs} cut off within {CRASH_WINDOW_NS // MINUTE} minutes, the last one {recent[-1].run_id}:"
        " find the cause at the end of its log, then `tradebot resume`"
    )
