"""I31: what is counted by the day is counted by the day, however often the daemon was started on it."""

from __future__ import annotations

from collections import Counter

from tradebot.checker.case import Case
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok
from tradebot.clock import DAY

INDIA = 19_800_000_000_000  # 05:30 h ahead of UTC, in ns
FOR_EXITS = 4  # one of so many orders of a day is kept for exits


def counters_last(case: Case) -> Verdict:
    """I31: no more orders reached the venue on a market day than `orders_per_day` allows, nor more entries."""
    limits = [row.body["limits"]["orders_per_day"] for row in case.journal.of("terms") if row.body.get("limits")]
    if not limits or case.log is None:
        return not_shown("I31", "the records do not hold what a day allows, or not what reached the venue")
    most = max(limits)
    came: Counter[int] = Counter()
    faults = []
    for order in sorted(case.sent, key=lambda order: order.begun.seq):
        if order.order_id not in case.creates:
            continue
        day = (order.begun.at + INDIA) // DAY
        allowed = most - most // FOR_EXITS if order.purpose == "entry" else most
        if came[day] >= allowed:
            faults.append(f"{order.order_id} ({order.purpose}) follows {came[day]} of its day, {most} are allowed")
        came[day] += 1
    if faults:
        return broken("I31", listed(faults))
    return ok("I31", f"at most {max(came.values(), default=0)} of {most} orders a day reached the venue")
