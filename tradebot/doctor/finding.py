"""What a check of the doctor found: a colour, a sentence, and what to do about it; and the exit code of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from tradebot.errors import ExitCode


class Colour(StrEnum):
    """How bad a finding is: nothing to do, look at it before long, or do not trade with it."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Finding(NamedTuple):
    """One answer of one check. `remedy` says what to do, "" where nothing is to be done."""

    check: str
    colour: Colour
    what: str
    remedy: str = ""


def green(check: str, what: str) -> Finding:
    """Return a finding with which nothing is to be done."""
    return Finding(check, Colour.GREEN, what)


def yellow(check: str, what: str, remedy: str) -> Finding:
    """Return a finding to look at before long."""
    return Finding(check, Colour.YELLOW, what, remedy)


def red(check: str, what: str, remedy: str) -> Finding:
    """Return a finding that speaks against trading."""
    return Finding(check, Colour.RED, what, remedy)


def exit_code_of(findings: Iterable[Finding]) -> int:
    """Return 1 where one of the findings is red, else 0."""
    return ExitCode.UNEXPECTED if any(one.colour is Colour.RED for one in findings) else ExitCode.OK
