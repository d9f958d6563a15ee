"""I30: one odd row never blinds: a look at the venue's books goes on behind a book that held one.

The books of a look are asked for one after another, and the next only where the one before could be read.
"""

from __future__ import annotations

from typing import Any

from tradebot.checker.case import Case
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

# Rows that a reader may have to leave out, and that keep it from none of the others.
ODD = frozenset(
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
FIRST = "/orders"  # of the books of a look
OK = 200
NEXT = {"orders.list": ("/trades",), "positions": ("/portfolio/holdings", "/user/margins")}


def no_row_blinds(case: Case) -> Verdict:
    """I30: behind a book with an odd row the next book of the look is asked for."""
    if case.log is None:
        return not_shown("I30", "without the exchange's log nobody knows which books were asked for")
    begun = [row.at for row in case.journal.of("run")]
    faults, seen, look = list[str](), 0, StruckLook()
    for at, line in case.log.lines:
        if line.get("kind") == "fault" and line["name"] in ODD and line["where"] in NEXT:
            seen += 1
            look.strike(at, line)
        elif line.get("kind") == "request" and line["method"] == "GET":
            is_cut = look.ends_before(line)
            if is_cut and not any(look.struck_at <= run <= line["at"] for run in begun):
                faults.append(f"the look of line {look.line} ended at {look.name}, the next began in line {at}")
    if faults:
        return broken("I30", listed(faults))
    return ok("I30", f"{seen} books with odd rows were read") if seen else not_shown("I30", "no book held an odd row")


class StruckLook:
    """The last look that met an odd row, until it goes on or ends: line, market time and name of what struck it."""

    def __init__(self) -> None:
        self.line, self.struck_at, self.name = 0, 0, ""
        self._wanted: tuple[str, ...] = ()  # what must be asked for before the next look begins
        self._is_own = False  # the next request is the one that was struck

    def strike(self, at: int, fault: dict[str, Any]) -> None:
        """Wait for the book behind the one that a fault of the log struck."""
        self.line, self.struck_at, self.name = at, fault["at"], fault["name"]
        self._wanted, self._is_own = NEXT[fault["where"]], True

    def ends_before(self, request: dict[str, Any]) -> bool:
        """Take the next request for a book; return whether it begins another look while this one still waits."""
        path = str(request["path"])
        if self._is_own or not self._wanted:
            if request["status"] != OK:
                self._wanted = ()  # it had no rows at all
            self._is_own = False
            return False
        goes_on = path.startswith(self._wanted)
        if not goes_on and path != FIRST:
            return False
        self._wanted = ()
        return not goes_on
