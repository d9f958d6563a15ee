"""The causes that justify a halt, and the halts in force at the end of a journal without such a cause.

A halt is safe but useless. A halt by a rule of the daemon needs a cause in the records that the rule exists for: an
injected fault, a request of the operator, a killed process.
"""

from __future__ import annotations

from tradebot.checker.evidence import HALT_KINDS, EvidenceRow
from tradebot.checker.run_records import RunRecords

ANY_FAULT = frozenset({"*"})
REFUSAL_FAULTS = frozenset(
    {
        "definite-reject",
        "closed-market-reject",
        "unknown-refusal-text",
        "accept-then-unknown-text",
        "error-200",
        "accepted-then-rejected",
        "trading-halt",
        "barred-symbol",
        "refuse-then-fill",
        "429",
        "lost-timeout",
        "408-after-accept",
        "cancel-unknown",
    }
)
FALSE_REPORT_FAULTS = frozenset(
    {  # faults with which the venue reports something untrue of an order, or acts without a request
        "wrong-order-id",
        "ignored-cancel",
        "fill-after-cancel",
        "cancel-unknown",
        "overfill",
        "changed-trade",
        "twin-trade",
        "refuse-then-fill",
        "late-accept",
        "stale-orders",
        "empty-orders",
        "truncated-list",
        "lagging-trades",
        "empty-trades",
        "text-numbers",
        "rewritten-order",
        "broken-row",
        "partial-fill-only",
        "mass-cancel",
        "square-off",
        "manual-cancel",
        "manual-order",
        "owner-cancels",
        "owner-exits",
        "owner-converts",
        "owner-sells",
        "owner-buys",
        "risk-reduces",
        "risk-squares-off",
        "operator-kills",
        "rounded-price",
        "other-words",
    }
)
QUOTE_FAULTS = frozenset(
    {
        "zero-quote",
        "negative-quote",
        "tenfold-quote",
        "hundredth-quote",
        "wrong-token",
        "crossed-quote",
        "frozen-quote",
        "zero-rest-quotes",
    }
)
DISK_FAULTS = frozenset({"host-disk-full", "host-disk-fails", "host-disk-slow"})
FAULTS_BY_CONTROL: dict[str, frozenset[str]] = {  # control that halted -> faults; one of them must have struck
    "daily_loss": ANY_FAULT,  # the market alone can cause a loss
    "access": frozenset({"token-death", "token-replaced", "address-refused"}),
    "rejections": REFUSAL_FAULTS,
    "incident": FALSE_REPORT_FAULTS | QUOTE_FAULTS,
    "kill": frozenset({"operator-kills"}),
    "disk": DISK_FAULTS,
    "crash_loop": frozenset({"operator-kill-9", "host-lock-held"}) | DISK_FAULTS,
    "quotes": QUOTE_FAULTS,
    "two_daemons": frozenset(),  # no fault is a second daemon: in a simulated day such a halt is a mistake
}


def unexplained_halts(records: RunRecords) -> list[str]:
    """Return the halts in force at the end without a cause in the table, one sentence each."""
    struck = {line["name"] for _, line in records.log.lines_of_kind("fault")} if records.log else set()
    standing: dict[str, EvidenceRow] = {}
    for row in records.journal.rows:
        scope = str(row.body.get("scope", "all"))
        if row.kind in HALT_KINDS:
            standing[scope] = row
        elif row.kind == "resume" and not scope.startswith(("symbol:", "strategy:")):
            standing.clear()
        elif row.kind == "resume":
            standing.pop(scope, None)
    return [
        f"row {row.seq} halts {scope}: {row.body.get('reason')}"
        for scope, row in standing.items()
        if not _is_caused(str(row.body.get("control", "")), struck)
    ]


def _is_caused(control: str, struck: set[str]) -> bool:
    allowed = FAULTS_BY_CONTROL.get(control, frozenset())
    return allowed is ANY_FAULT or not allowed.isdisjoint(struck)
