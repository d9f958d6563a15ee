"""What the checker says of one promise."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Ruling(StrEnum):
    """OK needs evidence; where the records hold none the promise is NOT_SHOWN, which is neither good nor bad."""

    OK = "ok"
    BROKEN = "broken"
    NOT_SHOWN = "not shown"


class Verdict(NamedTuple):
    """One promise, what the records say of it, and the evidence in one sentence."""

    promise: str
    ruling: Ruling
    evidence: str


def ok(promise: str, evidence: str) -> Verdict:
    """Return that the records show the promise kept."""
    return Verdict(promise, Ruling.OK, evidence)


def broken(promise: str, evidence: str) -> Verdict:
    """Return that the records show the promise broken."""
    return Verdict(promise, Ruling.BROKEN, evidence)


def not_shown(promise: str, evidence: str) -> Verdict:
    """Return that the records cannot show it either way."""
    return Verdict(promise, Ruling.NOT_SHOWN, evidence)


def listed(faults: list[str], most: int = 3) -> str:
    """Return the first faults as one sentence part, with the number of the rest."""
    rest = f"; and {len(faults) - most} more" if len(faults) > most else ""
    return "; ".join(faults[:most]) + rest
