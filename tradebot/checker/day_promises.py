"""Promise I31: limits per day hold for the market day, however often the daemon is restarted on it."""

from __future__ import annotations

from collections import Counter

from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok
from tradebot.clock import DAY

INDIA_OFFSET_NS = 19_800_000_000_000  # 05:30 h ahead of UTC
EXIT_RESERVE_PART = 4  # one order in four of the daily limit is reserved for exits


def daily_counters_last(records: RunRecords) -> PromiseVerdict:
    """I31: orders at the venue per market day stay within `orders_per_day`, entries within their share of it."""
    limits = [
        row.body["limits"]["orders_per_day"]
        for row in records.journal.rows_of_kinds("terms", "limits")  # of a start, and of a reload
        if row.body.get("limits")
    ]
    if not limits or records.log is None:
        return verdict_not_shown("I31", "the records do not hold what a day allows, or not what reached the venue")
    most = max(limits)
    came: Counter[int] = Counter()
    faults = []
    for order in sorted(records.sent_orders, key=lambda order: order.first_row.seq):
        if order.order_id not in records.create_requests:
            continue
        day = (order.first_row.at + INDIA_OFFSET_NS) // DAY
        allowed = most - most // EXIT_RESERVE_PART if order.purpose == "entry" else most
        if came[day] >= allowed:
            faults.append(f"{order.order_id} ({order.purpose}) follows {came[day]} of its day, {most} are allowed")
        came[day] += 1
    if faults:
        return verdict_broken("I31", list_faults(faults))
    return verdict_ok("I31", f"at most {max(came.values(), default=0)} of {most} orders a day reached the venue")
