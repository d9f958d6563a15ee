"""Promise I30: a row that a fault made odd in one of the venue's lists does not stop the poll of the other lists.

A poll requests the lists one after another, and the next one only if the one before could be read.
"""

from __future__ import annotations

from typing import Any

from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok

# Faults that put odd rows into a list. A reader may skip such a row but must read the others.
ODD_ROW_FAULTS = frozenset(
    {
        "foreign-rows",
        "huge-row",
        "repeated-rows",
        "reordered-rows",
        "odd-fields",
        "other-words",
        "broken-row",
        "rounded-price",
    }
)
FIRST_BOOK_PATH = "/orders"  # the first list of a poll
HTTP_OK = 200
NEXT_BOOK_PATHS = {"orders.list": ("/trades",), "positions": ("/portfolio/holdings", "/user/margins")}


def odd_rows_are_skipped(records: RunRecords) -> PromiseVerdict:
    """I30: after a list with an odd row the poll requests the next list."""
    if records.log is None:
        return verdict_not_shown("I30", "without the exchange's log nobody knows which books were asked for")
    begun = [row.at for row in records.journal.rows_of_kinds("run")]
    faults, seen, poll = list[str](), 0, PollWithOddRow()
    for at, line in records.log.lines:
        if line.get("kind") == "fault" and line["name"] in ODD_ROW_FAULTS and line["where"] in NEXT_BOOK_PATHS:
            seen += 1
            poll.note_fault(at, line)
        elif line.get("kind") == "request" and line["method"] == "GET":
            is_cut = poll.is_abandoned_by(line)
            if is_cut and not any(poll.fault_at <= run <= line["at"] for run in begun):
                faults.append(f"the look of line {poll.line} ended at {poll.fault_name}, the next began in line {at}")
    if faults:
        return verdict_broken("I30", list_faults(faults))
    return (
        verdict_ok("I30", f"{seen} books with odd rows were read")
        if seen
        else verdict_not_shown("I30", "no book held an odd row")
    )


class PollWithOddRow:
    """The last poll that met an odd row, until it goes on or ends: line, market ns and name of the fault."""

    def __init__(self) -> None:
        self.line, self.fault_at, self.fault_name = 0, 0, ""
        self._awaited_paths: tuple[str, ...] = ()  # one of these must be requested before the next poll begins
        self._is_own = False  # the next request is the one that the fault struck

    def note_fault(self, at: int, fault: dict[str, Any]) -> None:
        """Wait for the list after the one that a fault in line `at` of the log struck."""
        self.line, self.fault_at, self.fault_name = at, fault["at"], fault["name"]
        self._awaited_paths, self._is_own = NEXT_BOOK_PATHS[fault["where"]], True

    def is_abandoned_by(self, request: dict[str, Any]) -> bool:
        """Take the next request for a list; return whether it begins another poll while this one still waits."""
        path = str(request["path"])
        if self._is_own or not self._awaited_paths:
            if request["status"] != HTTP_OK:
                self._awaited_paths = ()  # the answer had no rows at all
            self._is_own = False
            return False
        goes_on = path.startswith(self._awaited_paths)
        if not goes_on and path != FIRST_BOOK_PATH:
            return False
        self._awaited_paths = ()
        return not goes_on
