"""The checker's verdict on one promise."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class PromiseStatus(StrEnum):
    """OK needs evidence; without evidence either way a promise is NOT_SHOWN, which is neither good nor bad."""

    OK = "ok"
    BROKEN = "broken"
    NOT_SHOWN = "not shown"


class PromiseVerdict(NamedTuple):
    """One promise, whether the records show it kept, and the evidence in one sentence."""

    promise: str
    status: PromiseStatus
    evidence: str


def verdict_ok(promise: str, evidence: str) -> PromiseVerdict:
    """Return the verdict that the records show the promise kept."""
    return PromiseVerdict(promise, PromiseStatus.OK, evidence)


def verdict_broken(promise: str, evidence: str) -> PromiseVerdict:
    """Return the verdict that the records show the promise broken."""
    return PromiseVerdict(promise, PromiseStatus.BROKEN, evidence)


def verdict_not_shown(promise: str, evidence: str) -> PromiseVerdict:
    """Return the verdict that the records show it neither kept nor broken."""
    return PromiseVerdict(promise, PromiseStatus.NOT_SHOWN, evidence)


def list_faults(faults: list[str], most: int = 3) -> str:
    """Return the first `most` faults as one clause, with the number of the rest."""
    rest = f"; and {len(faults) - most} more" if len(faults) > most else ""
    return "; ".join(faults[:most]) + rest
