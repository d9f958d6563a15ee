"""What an HTTP answer of Kite means: done, refused for good, not known, access denied or throttled. Pure.

A write may only be called refused when Kite says so in its own envelope and with a known kind of error; everything
else leaves the outcome open, because an order that was thought dead and is alive costs more than a look at the book.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from tradebot.domain.message import Message
from tradebot.domain.order import Refusal
from tradebot.errors import AccessDenied, LinkLost, OutcomeUnknown, SessionLost
from tradebot.venues.kite.fields import WireError, clean, decode
from tradebot.venues.link import Throttled
from tradebot.venues.venue import ACCESS_DENIED, SESSION_LOST, Accepted, Refused, Reply


class Verdict(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # for good; nothing happened
    UNKNOWN = "unknown"  # it may or may not have happened
    DENIED = "denied"  # address or permission; nothing happened, a person must act
    LOGGED_OUT = "logged out"  # the token is dead; nothing happened, a person must log in
    THROTTLED = "throttled"  # too many requests; nothing happened


class Answer(Message, frozen=True):
    """A classified answer: `data` of the envelope when DONE, else `error_type` (may be empty) and `message`."""

    verdict: Verdict
    status: int
    data: Any = None
    error_type: str = ""
    message: str = ""


VENUE_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
TOKEN_DEAD = "TokenException"
DENIALS = frozenset({"PermissionException", "PermissionError", "TwoFAException"})
REFUSALS = frozenset({"OrderException", "InputException", "MarginException", "HoldingException", "UserException"})
NO_SUCH_ROUTE = (404, 405, 410)
# "Order request timed out. Please check the order book and confirm before placing again." comes as a plain 400, and
# such orders have appeared in the book later.
FUNDS = "MarginException"  # its plain text ends with "Check the orderbook for open orders."
OPEN_OUTCOME = re.compile(r"timed?[ -]?out|check the order ?book", re.IGNORECASE)
ADDRESS = re.compile(r"\bIPs?\b|\bip[ -]?address|static ip", re.IGNORECASE)


def classify(status: int, body: bytes) -> Answer:
    """Return what `body` with HTTP `status` means. Never raises.

    `{"status":"success","data":{"order_id":"151220000000000"}}`,
    `{"status":"error","message":"Insufficient funds.","data":null,"error_type":"MarginException"}`
    """
    try:
        envelope = decode(body)
    except WireError as error:
        return Answer(verdict=_without_envelope(status), status=status, message=f"HTTP {status}, {clean(error)}")
    if not isinstance(envelope, dict) or envelope.get("status") not in ("success", "error"):
        return Answer(verdict=_without_envelope(status), status=status, message=f"HTTP {status} without an envelope")
    if 200 <= status < 300 and envelope["status"] == "success" and "data" in envelope:
        return Answer(verdict=Verdict.DONE, status=status, data=envelope["data"])
    name, message = clean(envelope.get("error_type") or ""), clean(envelope.get("message") or f"HTTP {status}")
    return Answer(verdict=_verdict(status, name, message), status=status, error_type=name, message=message)


def _without_envelope(status: int) -> Verdict:
    # A proxy may speak for Kite here; only the throttle is the same from everybody.
    return Verdict.THROTTLED if status == 429 else Verdict.UNKNOWN


def _verdict(status: int, name: str, message: str) -> Verdict:
    if status == 429:
        return Verdict.THROTTLED
    if not 400 <= status < 500 or status == 408:
        return Verdict.UNKNOWN
    if name == TOKEN_DEAD:
        return Verdict.LOGGED_OUT
    if name in DENIALS or status == 401 or ADDRESS.search(message):
        return Verdict.DENIED
    if OPEN_OUTCOME.search(message) and name != FUNDS:
        return Verdict.UNKNOWN
    if status == 403:
        return Verdict.DENIED
    if name in REFUSALS or status in NO_SUCH_ROUTE:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


def reply_of(answer: Answer, venue_order_id: str = "") -> Reply:
    """Return what an answer says of a write, for `venue_order_id` if that is known. Raises OutcomeUnknown.

    A denial is a `Refused` of code ACCESS_DENIED or SESSION_LOST: nothing happened, and only a person can mend it.
    """
    match answer.verdict:
        case Verdict.DONE:
            found = answer.data.get("order_id") if isinstance(answer.data, dict) else None
            if not isinstance(found, str) or not VENUE_ORDER_ID.fullmatch(found):
                raise OutcomeUnknown("Kite says success without an order id")
            if venue_order_id and found != venue_order_id:
                raise OutcomeUnknown(f"Kite answered for order {found} instead of {venue_order_id}")
            return Accepted(venue_order_id=found)
        case Verdict.REFUSED:
            refusal = Refusal.FUNDS if answer.error_type == FUNDS else Refusal.ORDER
            return Refused(reason=answer.message, code=answer.error_type or str(answer.status), refusal=refusal)
        case Verdict.DENIED:
            return Refused(reason=answer.message, code=ACCESS_DENIED)
        case Verdict.LOGGED_OUT:
            return Refused(reason=answer.message, code=SESSION_LOST)
        case Verdict.THROTTLED:
            return Refused(reason=answer.message, code="429")
        case Verdict.UNKNOWN:
            raise OutcomeUnknown(_what(answer))


def failure_of(path: str, answer: Answer) -> LinkLost | AccessDenied:
    """Return the error of a read of `path` that was not DONE."""
    if answer.verdict is Verdict.LOGGED_OUT:
        return SessionLost(f"Kite does not know our login any more: {_what(answer)}; log in again")
    if answer.verdict is Verdict.DENIED:
        return AccessDenied(f"GET {path}: Kite denies access: {_what(answer)}; check the plan and the app's address")
    kind = Throttled if answer.verdict is Verdict.THROTTLED else LinkLost
    return kind(f"GET {path}: {_what(answer)}")


def _what(answer: Answer) -> str:
    return f"{answer.error_type}: {answer.message}" if answer.error_type else answer.message
