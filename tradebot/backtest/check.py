"""The outcome of one honesty check: verdict and sentence. The report and the command line show it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from tradebot.domain.message import Message


class CheckVerdict(StrEnum):
    """What a check found; `NONE` where there is nothing to judge."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    NONE = "none"


class Check(Message, frozen=True):
    """A check by `name`, with its `title` for people, its verdict, one plain sentence, and the values behind it."""

    name: str
    title: str
    verdict: CheckVerdict
    text: str
    values: dict[str, Any] = {}

    def json_values(self) -> dict[str, Any]:
        """Return the check as values ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "verdict": self.verdict.value,
            "text": self.text,
            "values": self.values,
        }


def verdict_at_least(value: float, *, passes: float, warns: float) -> CheckVerdict:
    """Return PASS for a value from `passes` on, WARN from `warns` on, else FAIL."""
    return CheckVerdict.PASS if value >= passes else CheckVerdict.WARN if value >= warns else CheckVerdict.FAIL


def worst_verdict(checks: Iterable[Check]) -> CheckVerdict:
    """Return the worst verdict; NONE where no check could judge."""
    order = (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.PASS)
    found = {check.verdict for check in checks}
    return next((verdict for verdict in order if verdict in found), CheckVerdict.NONE)
