"""I30: one odd row never blinds: a look at the venue's books goes on behind a book that held one.

The books of a look are asked for one after another, and the next only where the one before could be read.
"""

from __future__ import annotations

from tradebot.checker.case import Case
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

# Rows that a reader may have to leave out, and that keep it from none of the others.
ODD = frozenset({
    "foreign-rows", "huge-row", "repeated-rows", "reordered-rows", "odd-fields", "other-words", "broken-row",
    "rounded-price",
})  # fmt: skip
FIRST = "/orders"  # of the books of a look
NEXT = {"orders.list": ("/trades",), "positions": ("/portfolio/holdings", "/user/margins")}


def no_row_blinds(case: Case) -> Verdict:
    """I30: behind a book with an odd row the next book of the look is asked for."""
    if case.log is None:
        return not_shown("I30", "without the exchange's log nobody knows which books were asked for")
    begun = [row.at for row in case.journal.of("run")]
    faults, seen = list[str](), 0
    wanted: tuple[str, ...] = ()  # what must be asked for before the next look begins
    struck: tuple[int, int, str] = (0, 0, "")  # line, market time and name of the odd row that is waited for
    is_own = False  # the next request is the one that was struck
    for at, line in case.log.lines:
        if line.get("kind") == "fault" and line["name"] in ODD and line["where"] in NEXT:
            seen += 1
            wanted, struck, is_own = NEXT[line["where"]], (at, line["at"], line["name"]), True
        elif line.get("kind") == "request" and line["method"] == "GET":
            path = str(line["path"])
            if is_own or not wanted:
                is_own = False
            elif path.startswith(wanted):
                wanted = ()
            elif path == FIRST:
                if not any(struck[1] <= run <= line["at"] for run in begun):
                    faults.append(f"the look of line {struck[0]} ended at {struck[2]}, the next began in line {at}")
                wanted = ()
    if faults:
        return broken("I30", listed(faults))
    return ok("I30", f"{seen} books with odd rows were read") if seen else not_shown("I30", "no book held an odd row")
