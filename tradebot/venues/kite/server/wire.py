"""Kite's REST formats on the server side: the envelope and its errors, numbers and times, and order parameters.

A success is `{"status":"success","data":{"order_id":"151220000000000"}}`, a failure
`{"status":"error","message":"Invalid `quantity`.","error_type":"InputException","data":null}` with a 4xx or 5xx code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

import orjson

from tradebot.clock import IST, SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import OrderKind, Side, Validity
from tradebot.exchange.market_protection import automatic_protection
from tradebot.exchange.ticket import STATUS_ON_DISK, BookStatus, Conversion, Ticket
from tradebot.venues.kite.rules import EXCHANGES, PRODUCTS, TAG_LENGTH

VARIETIES = ("regular", "amo", "co", "iceberg", "auction")
TAG_PATTERN = re.compile(f"[A-Za-z0-9]{{0,{TAG_LENGTH}}}")
KITE_STATUSES: dict[BookStatus, str] = STATUS_ON_DISK  # the exchange's log uses Kite's words, so both share one table

Params = Mapping[str, str]
Choice = TypeVar("Choice", bound=StrEnum)


class KiteError(Exception):
    """A response that is not a success; `status` is the HTTP code."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error_type, self.message = status, error_type, message


def input_error(message: str) -> KiteError:
    """Return the error for a missing or bad parameter."""
    return KiteError(400, "InputException", message)


def token_error(message: str) -> KiteError:
    """Return the error for an ended session."""
    return KiteError(403, "TokenException", message)


def permission_error() -> KiteError:
    """Return the error for a call that the plan of the app does not include."""
    return KiteError(403, "PermissionException", "Insufficient permission for that call.")


def render_success(data: Any) -> bytes:
    """Return the envelope of a success."""
    return orjson.dumps({"status": "success", "data": data})


def render_error(error: KiteError) -> bytes:
    """Return the envelope of a failure."""
    return orjson.dumps({"status": "error", "message": error.message, "error_type": error.error_type, "data": None})


def json_number(value: Decimal | None) -> int | float:
    """Return a JSON number; None becomes 0, as Kite writes absent prices.

    A double reproduces every decimal of up to 15 digits exactly, so prices stay exact.
    """
    if value is None:
        return 0
    return int(value) if value == value.to_integral_value() else float(value)


def render_stamp(ns: int) -> str | None:
    """Return `yyyy-mm-dd hh:mm:ss` in IST, or None for 0."""
    if ns <= 0:
        return None
    return datetime.fromtimestamp(ns // SECOND, IST).strftime("%Y-%m-%d %H:%M:%S")


def parse_stamp(text: str, name: str) -> int:
    """Return `yyyy-mm-dd[ hh:mm:ss]` in IST as ns UTC. Raises KiteError that names the parameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise input_error(f"Invalid `{name}` date.") from None
    zoned = moment.replace(tzinfo=IST) if moment.tzinfo is None else moment.astimezone(UTC)
    return int(zoned.timestamp()) * SECOND


def parse_variety(text: str) -> str:
    """Return a variety that this exchange trades. Raises KiteError."""
    if text not in VARIETIES:
        raise input_error("Invalid `variety`.")
    if text != "regular":
        raise input_error(f"Orders of variety `{text}` are not offered here; use `regular`.")
    return text


def parse_ticket(params: Params, *, variety: str, instrument: Instrument, last: Decimal) -> Ticket:
    """Return the requested order as a ticket; `last` is the reference price of automatic protection.

    Raises KiteError for a missing or malformed parameter. The exchange itself decides whether it accepts the order.
    """
    kind = parse_choice(OrderKind, params, "order_type")
    has_price = kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
    has_trigger = kind in (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)
    product = parse_word(params, "product", PRODUCTS)
    tag = params.get("tag", "")
    if not TAG_PATTERN.fullmatch(tag):
        raise input_error(f"Invalid `tag`. It may have up to {TAG_LENGTH} letters and digits.")
    return Ticket(
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        side=parse_choice(Side, params, "transaction_type"),
        kind=kind,
        quantity=parse_quantity(params, "quantity", default=None),
        price=parse_price(params, "price") if has_price else None,
        trigger_price=parse_price(params, "trigger_price") if has_trigger else None,
        validity=parse_choice(Validity, params, "validity") if params.get("validity") else Validity.DAY,
        product=product,
        tag=tag,
        protection_pct=None if has_price else parse_protection(params, instrument, last),
        variety=variety,
        disclosed_quantity=parse_quantity(params, "disclosed_quantity", default=Decimal(0)),
    )


def parse_conversion(params: Params) -> Conversion:
    """Return the requested conversion of a position. Raises KiteError."""
    exchange = parse_word(params, "exchange", EXCHANGES)
    position_type = parse_word(params, "position_type", ("day", "overnight"))
    return Conversion(
        exchange=exchange,
        symbol=required_parameter(params, "tradingsymbol"),
        side=parse_choice(Side, params, "transaction_type"),
        quantity=parse_quantity(params, "quantity", default=None),
        was=required_parameter(params, "old_product"),
        becomes=required_parameter(params, "new_product"),
        is_carried=position_type == "overnight",
    )


def parse_changes(params: Params, *, instrument: Instrument, last: Decimal) -> dict[str, Any]:
    """Return those arguments of `Exchange.modify` that the client gave. Raises KiteError."""
    changes: dict[str, Any] = {}
    if params.get("order_type"):
        changes["kind"] = parse_choice(OrderKind, params, "order_type")
    if params.get("validity"):
        changes["validity"] = parse_choice(Validity, params, "validity")
    if params.get("quantity"):
        changes["quantity"] = parse_quantity(params, "quantity", default=None)
    for name in ("price", "trigger_price"):
        if params.get(name) and (price := parse_price(params, name, zero=True)):
            changes[name] = price
    if (protection := parse_protection(params, instrument, last)) is not None:
        changes["protection_pct"] = protection
    return changes


def required_parameter(params: Params, name: str) -> str:
    """Return a parameter. Raises KiteError if it is missing or empty."""
    if not params.get(name):
        raise input_error(f"Missing or empty field `{name}`.")
    return params[name]


def parse_choice(choices: type[Choice], params: Params, name: str) -> Choice:
    """Return a parameter as one of `choices`. Raises KiteError."""
    text = required_parameter(params, name)
    try:
        return choices(text)
    except ValueError:
        raise input_error(f"Invalid `{name}`.") from None


def parse_word(params: Params, name: str, words: Collection[str]) -> str:
    """Return a parameter that is one of `words`. Raises KiteError."""
    if (text := required_parameter(params, name)) not in words:
        raise input_error(f"Invalid `{name}`.")
    return text


def parse_quantity(params: Params, name: str, *, default: Decimal | None) -> Decimal:
    """Return a whole number >= 0; a default of None makes it required. Raises KiteError."""
    text = params.get(name, "")
    if not text and default is not None:
        return default
    text = required_parameter(params, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise input_error(f"Invalid `{name}`.")
    return Decimal(text)


def parse_price(params: Params, name: str, *, zero: bool = False) -> Decimal:
    """Return a price above 0; `zero` also allows 0. Raises KiteError."""
    price = _decimal(required_parameter(params, name), name)
    if price < 0 or (price == 0 and not zero):
        raise input_error(f"Invalid `{name}`.")
    return price


def parse_protection(params: Params, instrument: Instrument, last: Decimal) -> Decimal | None:
    """Return market protection in percent, with -1 resolved; None if it is absent or 0. Raises KiteError."""
    if not params.get("market_protection"):
        return None
    percent = _decimal(params["market_protection"], "market_protection")
    if percent == 0:
        return None
    if percent == -1:
        return automatic_protection(instrument, last)
    if not 0 < percent <= 100:
        raise input_error("Invalid `market_protection`.")
    return percent


def _decimal(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise input_error(f"Invalid `{name}`.") from None
    if not value.is_finite() or abs(value) >= 10**9:
        raise input_error(f"Invalid `{name}`.")
    return value
