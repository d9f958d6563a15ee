"""A violation: something happened that must not. It becomes an incident, and may halt a scope until a resume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tradebot.domain.commands import EVERYTHING, CommandVerb, HaltExpiry, Scope
from tradebot.domain.messages import Command
from tradebot.domain.order import Order
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import ApplyCommand, Decision

INCIDENT_CONTROL = "incident"  # the control that is named in halts because of a violation


class Violation(NamedTuple):
    """What a person must know. `scope`, if any, may open nothing until a person resumes it."""

    text: str
    scope: Scope | None = None


def report_violations(book: Book, violations: Iterable[Violation], order: Order) -> Iterator[Decision]:
    """Yield an incident for each violation by an order, and the halt of its scope."""
    for violation in violations:
        yield book.make_incident(violation.text, order)
        if violation.scope is not None:
            yield from halt_unless_halted(book, violation.text, violation.scope, control=INCIDENT_CONTROL)


def halt_unless_halted(book: Book, reason: str, scope: Scope, *, control: str) -> Iterator[Decision]:
    """Yield the halt of a scope that has no halt of its own; a wider halt may end before this one."""
    if not book.conditions.halts.has_scope(scope):
        yield halt_scope(reason, scope, control=control)


def halt_scope(
    reason: str, scope: Scope = EVERYTHING, *, control: str, until: HaltExpiry = HaltExpiry.RESUME
) -> ApplyCommand:
    """Return the decision to halt a scope; `control` names the rule that halts it."""
    return ApplyCommand(Command(verb=CommandVerb.HALT, reason=reason, scope=scope, control=control, until=until))
