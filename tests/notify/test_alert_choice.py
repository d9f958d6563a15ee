"""Which events become alerts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradebot.notify.alert_choice import LOG_ONLY, NEVER, AlertChoice, unusable_name_reason
from tradebot.ops.events.desk import HaltEnded, HaltRaised
from tradebot.ops.events.event import WARNING, Event
from tradebot.ops.events.notify import AlertsStopped
from tradebot.ops.events.run import CautionRaised, DaemonFailed, DaySummarized

HALT = HaltRaised(reason="loss", scope="all")
FAILED = DaemonFailed(reason="x", error="Y", exit_code=1, open_positions={})
CAUTION = CautionRaised(reason="x")
ENDED = HaltEnded(scope="all", reason="x")
STOPPED = AlertsStopped(part="chat", reason="a bug")
SUMMARY = DaySummarized(
    day="2026-11-30", is_over=True, pnl_net=Decimal(1), charges=Decimal(1), orders=1, fills=1, open_positions={}
)


@pytest.mark.parametrize(
    ("choice", "event", "is_wanted"),
    [
        (AlertChoice(), HALT, True),
        (AlertChoice(), FAILED, True),
        (AlertChoice(), CAUTION, False),
        (AlertChoice(level=WARNING), CAUTION, True),
        (AlertChoice(add=frozenset({"halt_ended"})), ENDED, True),
        (AlertChoice(leave_out=frozenset({"halt_raised"})), HALT, False),
        (AlertChoice(), SUMMARY, True),
        (AlertChoice(with_summary=False), SUMMARY, False),
        (AlertChoice(), STOPPED, False),
        (AlertChoice(add=frozenset({"alerts_stopped"})), STOPPED, False),
    ],
)
def test_level_and_names_choose_and_alerts_about_alerts_are_never_chosen(
    choice: AlertChoice, event: Event, is_wanted: bool
) -> None:
    assert choice.is_wanted(event) is is_wanted


def test_a_name_that_cannot_be_chosen_says_why() -> None:
    assert unusable_name_reason("halt_raised") == ""
    assert unusable_name_reason("halt_rised") == "is no event"
    assert all("never becomes" in unusable_name_reason(name) for name in NEVER | LOG_ONLY)
