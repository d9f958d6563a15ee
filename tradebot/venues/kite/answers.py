"""What an HTTP answer of Kite means: done, refused for good, not known, access denied or throttled. Pure.

A write may only be called refused when Kite says so in its own envelope and with a known kind of error; everything
else leaves the outcome open, because an order that was thought dead and is alive costs more than a look at the book.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from tradebot.domain.message import Message
from tradebot.venues.kite.fields import WireError, clean, decode


class Verdict(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # for good; nothing happened
    UNKNOWN = "unknown"  # it may or may not have happened
    DENIED = "denied"  # session, address or permission; nothing happened, a person must act
    THROTTLED = "throttled"  # too many requests; nothing happened


class Answer(Message, frozen=True):
    """A classified answer: `data` of the envelope when DONE, else `error_type` (may be empty) and `message`."""

    verdict: Verdict
    status: int
    data: Any = None
    error_type: str = ""
    message: str = ""


DENIALS = frozenset({"TokenException", "PermissionException", "PermissionError", "TwoFAException"})
REFUSALS = frozenset({"OrderException", "InputException", "MarginException", "HoldingException", "UserException"})
NO_SUCH_ROUTE = (404, 405, 410)
# "Order request timed out. Please check the order book and confirm before placing again." comes as a plain 400, and
# such orders have appeared in the book later.
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
    if name in DENIALS or status == 401 or ADDRESS.search(message):
        return Verdict.DENIED
    if OPEN_OUTCOME.search(message):
        return Verdict.UNKNOWN
    if status == 403:
        return Verdict.DENIED
    if name in REFUSALS or status in NO_SUCH_ROUTE:
        return Verdict.REFUSED
    return Verdict.UNKNOWN
