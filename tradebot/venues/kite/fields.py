"""The checks of every field that comes from Kite: each gives an exact value or a WireError that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from tradebot.clock import IST, parse_iso
from tradebot.domain.venue_rows import UnreadRow, VenueRows

Choice = TypeVar("Choice", bound=StrEnum)
Row = TypeVar("Row")

ZERO = Decimal(0)
MAX_MAGNITUDE = Decimal(10) ** 15  # above any price, quantity or sum of a retail account; keeps integers inside 64 bits
MAX_NAME_LENGTH = 64  # of an id or a symbol that is kept of a row that cannot be read
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class WireError(ValueError):
    """Kite sent, or we were about to send, something outside the protocol; the text names the field."""


def decode_json(data: bytes | str) -> Any:
    """Return the JSON value; numbers with a point or exponent as exact Decimal. Raises WireError."""
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise WireError(f"not JSON: {error or type(error).__name__}") from error


_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def clean_text(text: object) -> str:
    """Return text from outside as one line of at most 300 characters without control characters."""
    return CONTROL_CHARACTERS.sub(" ", str(text))[:300].strip()


def describe_value(value: object) -> str:
    """Return a short name of a bad value for an error; never the whole of it, which may be a megabyte deep."""
    return repr(value[:80]) if isinstance(value, str) else "null" if value is None else f"a {type(value).__name__}"


def record_of(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise WireError(f"{what}: {describe_value(value)} is not an object")
    return value


def rows_of(value: object, what: str) -> list[Any]:
    """Return a JSON list."""
    if not isinstance(value, list):
        raise WireError(f"{what}: {describe_value(value)} is not a list")
    return value


def read_rows(
    value: object, book: str, parse: Callable[[object], Row], *, key_of: Callable[[Row], object] | None = None
) -> VenueRows[Row]:
    """Return the rows of a JSON list, each by `parse`; one that is odd is kept as `UnreadRow` and spoils no other.

    With `key_of`, which names what a row is of, a row that stands twice is read once; if the two differ neither is known.
    """
    read: list[Row] = []
    unread: list[UnreadRow] = []
    first: dict[object, Row] = {}
    for row in rows_of(value, book):
        try:
            parsed = parse(row)
            if key_of is None or (known := first.setdefault(key_of(parsed), parsed)) is parsed:
                read.append(parsed)
            elif known != parsed:
                raise WireError(f"{book}: another row of the same holds something else")
        except WireError as error:
            unread.append(_unread(row, book, str(error)))
    return VenueRows(read, unread)


def _unread(row: object, book: str, reason: str) -> UnreadRow:
    fields: Mapping[str, Any] = row if isinstance(row, dict) else {}

    def name(key: str) -> str:
        value = fields.get(key)
        is_name = isinstance(value, str | int) and not isinstance(value, bool)
        return clean_text(value)[:MAX_NAME_LENGTH] if is_name else ""

    return UnreadRow(
        book=book,
        reason=clean_text(reason),
        venue_order_id=name("order_id"),
        tag=tag_of(fields)[:MAX_NAME_LENGTH],
        exchange=name("exchange"),
        symbol=name("tradingsymbol"),
        product=name("product"),
    )


def tag_of(row: Mapping[str, Any]) -> str:
    """Return the first tag of an order's row, "" without one."""
    tags = row.get("tags")
    tag = row.get("tag") or (tags[0] if isinstance(tags, list) and tags else "")
    return tag if isinstance(tag, str) else ""


def field_of(row: Mapping[str, Any], key: str) -> Any:
    """Return a field that must be there, whatever it is."""
    try:
        return row[key]
    except KeyError:
        raise WireError(f"{key}: missing") from None


def text_of(row: Mapping[str, Any], key: str) -> str:
    """Return a text of at least one character."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise WireError(f"{key}: {describe_value(value)} is not a text")
    return value


def choice_of(row: Mapping[str, Any], key: str, kinds: type[Choice]) -> Choice:
    """Return a text that is one of `kinds`."""
    try:
        return kinds(str(row.get(key)))
    except ValueError:
        raise WireError(f"{key}: {describe_value(row.get(key))} is none of {', '.join(kinds)}") from None


def exact_decimal(value: object, key: str) -> Decimal:
    """Return a JSON number as it was written; below 1e15 and not finer than 1e-15."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise WireError(f"{key}: {describe_value(value)} is not a number")
    number = Decimal(value)
    if not -MAX_MAGNITUDE < number < MAX_MAGNITUDE or (number and number.adjusted() < -15):
        raise WireError(f"{key}: {number:.3e} is out of range")
    return number


def number_of(row: Mapping[str, Any], key: str, *, optional: bool = False) -> Decimal:
    """Return a number; an optional one that is absent or null is 0."""
    value = row.get(key)
    return ZERO if value is None and optional else exact_decimal(value, key)


def time_of(row: Mapping[str, Any], key: str) -> int:
    """Return a time as ns UTC, 0 where absent or null."""
    value = row.get(key)
    if not value:
        return 0
    if not isinstance(value, str):
        raise WireError(f"{key}: {describe_value(value)} is not a time")
    return parse_time(value, key)


def parse_time(text: str, key: str) -> int:
    """Return an ISO-8601 text as ns UTC, in IST unless it names its zone."""
    try:
        at = parse_iso(text, IST)
    except (ValueError, OverflowError) as error:
        raise WireError(f"{key}: {describe_value(text)} is not a time") from error
    if not 0 <= at < 1 << 63:
        raise WireError(f"{key}: {describe_value(text)} is out of range")
    return at
