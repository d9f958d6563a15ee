"""Classifies HTTP responses from Kite: done, refused, unknown, access denied, logged out or throttled. Pure.

An access token that is expired or invalid is recognised in `_error_kind`, by Kite's error type TokenException. The
response is then LOGGED_OUT: a write returns `Refused` with code LOGIN_LOST, a read raises LoginLost.

A write counts as refused only if Kite says so in its own envelope with a known type of error. Every other response
leaves the outcome unknown. An order that counts as refused while it is open costs more than one more query of the
order list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from tradebot.domain.message import Message
from tradebot.domain.order import Refusal
from tradebot.errors import AccessDenied, LinkLost, LoginLost, OutcomeUnknown
from tradebot.venues.kite.fields import WireError, clean_text, decode_json
from tradebot.venues.link import Throttled
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, Refused, Reply


class ResponseKind(StrEnum):
    """The kinds of a response. Only DONE and UNKNOWN may have had an effect."""

    DONE = "done"
    REFUSED = "refused"  # final; the request had no effect
    UNKNOWN = "unknown"  # the request may or may not have had an effect
    DENIED = "denied"  # the address or a permission is wrong; a person must act
    LOGGED_OUT = "logged out"  # the access token has expired or is invalid; a person must log in
    THROTTLED = "throttled"  # too many requests


class KiteResponse(Message, frozen=True):
    """A classified response: `data` of the envelope when DONE, else `error_type` (may be empty) and `message`."""

    kind: ResponseKind
    status: int
    data: Any = None
    error_type: str = ""
    message: str = ""


VENUE_ORDER_ID_PATTERN = re.compile(r"[0-9A-Za-z_-]{1,64}")
DEAD_TOKEN_ERROR = "TokenException"  # the access token has expired (each morning), or a newer login ended it
DENIED_ERRORS = frozenset({"PermissionException", "PermissionError", "TwoFAException"})
REFUSED_ERRORS = frozenset({"OrderException", "InputException", "MarginException", "HoldingException", "UserException"})
NO_ROUTE_STATUSES = (404, 405, 410)
# "N quantity needs authorisation at depository.": the shares may not leave the demat account, so nothing was placed. It
# comes as a HoldingException; its status says the same under any other name.
NOT_AUTHORISED_STATUS = 428
NO_FUNDS_ERROR = "MarginException"  # its usual text ends with "Check the orderbook for open orders."
# "Order request timed out. Please check the order book and confirm before placing again." arrives as a plain 400, and
# such orders have appeared in the order list later.
UNKNOWN_OUTCOME_TEXT = re.compile(r"timed?[ -]?out|check the order ?book", re.IGNORECASE)
ADDRESS_REFUSED_TEXT = re.compile(r"\bIPs?\b|\bip[ -]?address|static ip", re.IGNORECASE)


def classify_response(status: int, body: bytes) -> KiteResponse:
    """Return the classified response for `body` and HTTP `status`. Never raises.

    `{"status":"success","data":{"order_id":"151220000000000"}}`,
    `{"status":"error","message":"Insufficient funds.","data":null,"error_type":"MarginException"}`
    """
    try:
        envelope = decode_json(body)
    except WireError as error:
        return KiteResponse(
            kind=_without_envelope(status), status=status, message=f"HTTP {status}, {clean_text(error)}"
        )
    if not isinstance(envelope, dict) or envelope.get("status") not in ("success", "error"):
        return KiteResponse(kind=_without_envelope(status), status=status, message=f"HTTP {status} without an envelope")
    if 200 <= status < 300 and envelope["status"] == "success" and "data" in envelope:
        return KiteResponse(kind=ResponseKind.DONE, status=status, data=envelope["data"])
    name, message = (
        clean_text(envelope.get("error_type") or ""),
        clean_text(envelope.get("message") or f"HTTP {status}"),
    )
    return KiteResponse(kind=_error_kind(status, name, message), status=status, error_type=name, message=message)


def _without_envelope(status: int) -> ResponseKind:
    # A proxy may have sent this. Only 429 (too many requests) means the same from a proxy and from Kite.
    return ResponseKind.THROTTLED if status == 429 else ResponseKind.UNKNOWN


def _error_kind(status: int, name: str, message: str) -> ResponseKind:
    if status == 429:
        return ResponseKind.THROTTLED
    # A status outside 4xx, or 408 (timeout), says nothing about the effect of the request.
    if not 400 <= status < 500 or status == 408:
        return ResponseKind.UNKNOWN
    if name == DEAD_TOKEN_ERROR:
        return ResponseKind.LOGGED_OUT
    if name in DENIED_ERRORS or status == 401 or ADDRESS_REFUSED_TEXT.search(message):
        return ResponseKind.DENIED
    if UNKNOWN_OUTCOME_TEXT.search(message) and name != NO_FUNDS_ERROR:
        return ResponseKind.UNKNOWN
    # Any other 403. It comes after the test of the text, because a text about a timeout may come with any status.
    if status == 403:
        return ResponseKind.DENIED
    if name in REFUSED_ERRORS or status in NO_ROUTE_STATUSES or status == NOT_AUTHORISED_STATUS:
        return ResponseKind.REFUSED
    return ResponseKind.UNKNOWN


def written_order_id(data: object) -> str | None:
    """Return the order id in the reply to a write, None if it has none. `{"order_id":"151220000000000"}`"""
    found = data.get("order_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and VENUE_ORDER_ID_PATTERN.fullmatch(found) else None


def is_not_offered(response: KiteResponse) -> bool:
    """Return whether the response to a read says that the venue or the account does not have what was asked for."""
    is_final = response.kind in (ResponseKind.REFUSED, ResponseKind.DENIED)
    return is_final or response.status in NO_ROUTE_STATUSES


def reply_of_write(
    response: KiteResponse, venue_order_id: str = "", *, id_of: Callable[[object], str | None] = written_order_id
) -> Reply:
    """Return the reply to a write, for `venue_order_id` if that is known. Raises OutcomeUnknown.

    `id_of` finds the id of what was written in the data of the response. A denial is a `Refused` with code
    ACCESS_DENIED or LOGIN_LOST: it had no effect, and only a person can fix it.
    """
    match response.kind:
        case ResponseKind.DONE:
            found = id_of(response.data)
            if found is None:
                raise OutcomeUnknown("Kite says success without an order id")
            if venue_order_id and found != venue_order_id:
                raise OutcomeUnknown(f"Kite answered for order {found} instead of {venue_order_id}")
            return Accepted(venue_order_id=found)
        case ResponseKind.REFUSED:
            refusal = Refusal.FUNDS if response.error_type == NO_FUNDS_ERROR else Refusal.ORDER
            return Refused(reason=response.message, code=response.error_type or str(response.status), refusal=refusal)
        case ResponseKind.DENIED:
            return Refused(reason=response.message, code=ACCESS_DENIED)
        case ResponseKind.LOGGED_OUT:
            return Refused(reason=response.message, code=LOGIN_LOST)
        case ResponseKind.THROTTLED:
            return Refused(reason=response.message, code="429")
        case ResponseKind.UNKNOWN:
            raise OutcomeUnknown(_what(response))


def failure_of_read(path: str, response: KiteResponse) -> LinkLost | AccessDenied:
    """Return the error to raise for a read of `path` whose response is not DONE."""
    if response.kind is ResponseKind.LOGGED_OUT:
        return LoginLost(f"Kite does not know our login any more: {_what(response)}; log in again")
    if response.kind is ResponseKind.DENIED:
        return AccessDenied(f"GET {path}: Kite denies access: {_what(response)}; check the plan and the app's address")
    kind = Throttled if response.kind is ResponseKind.THROTTLED else LinkLost
    return kind(f"GET {path}: {_what(response)}")


def _what(answer: KiteResponse) -> str:
    return f"{answer.error_type}: {answer.message}" if answer.error_type else answer.message
