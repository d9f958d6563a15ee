"""Parses every field that comes from Kite: each function returns an exact value or raises a WireError with its name."""

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
# Above any price, quantity or sum of a retail account; it keeps integers inside 64 bits.
MAX_MAGNITUDE = Decimal(10) ** 15
MAX_NAME_LENGTH = 64  # characters of an id or a symbol in an unread row
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class WireError(ValueError):
    """Data from Kite, or for Kite, violates the protocol; the text names the field."""


def decode_json(data: bytes | str) -> Any:
    """Return the JSON value, with numbers that have a point or exponent as exact Decimal. Raises WireError."""
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise WireError(f"not JSON: {error or type(error).__name__}") from error


_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def clean_text(text: object) -> str:
    """Return text from outside as one line of at most 300 characters without control characters."""
    return CONTROL_CHARACTERS.sub(" ", str(text))[:300].strip()


def describe_value(value: object) -> str:
    """Return a short description of a bad value for an error message, never all of it: it may be a megabyte."""
    return repr(value[:80]) if isinstance(value, str) else "null" if value is None else f"a {type(value).__name__}"


def record_of(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object. Raises WireError for any other value."""
    if not isinstance(value, dict):
        raise WireError(f"{what}: {describe_value(value)} is not an object")
    return value


def rows_of(value: object, what: str) -> list[Any]:
    """Return a JSON list. Raises WireError for any other value."""
    if not isinstance(value, list):
        raise WireError(f"{what}: {describe_value(value)} is not a list")
    return value


def own_fields(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one in place of any other value."""
    return value if isinstance(value, dict) else {}


def read_rows(
    value: object,
    book: str,
    parse: Callable[[object], Row],
    *,
    key_of: Callable[[Row], object] | None = None,
    names_of: Callable[[object], Mapping[str, Any]] = own_fields,
) -> VenueRows[Row]:
    """Return the rows of a JSON list, each by `parse`; a malformed row becomes an `UnreadRow` and affects no other.

    `key_of` returns the identity of a row. A row that appears twice is then read once. If the two differ, the second
    one is an `UnreadRow`, so that neither counts as known. `names_of` returns the names of an unread row by the keys of
    an order's row; they are its own fields by default. Raises WireError unless `value` is a list.
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
            unread.append(_unread(names_of(row), book, str(error)))
    return VenueRows(read, unread)


def _unread(fields: Mapping[str, Any], book: str, reason: str) -> UnreadRow:
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
    """Return the first tag of an order's row, or "" without one."""
    tags = row.get("tags")
    tag = row.get("tag") or (tags[0] if isinstance(tags, list) and tags else "")
    return tag if isinstance(tag, str) else ""


def field_of(row: Mapping[str, Any], key: str) -> Any:
    """Return a required field of any type. Raises WireError if it is missing."""
    try:
        return row[key]
    except KeyError:
        raise WireError(f"{key}: missing") from None


def text_of(row: Mapping[str, Any], key: str) -> str:
    """Return a required text of at least one character. Raises WireError."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise WireError(f"{key}: {describe_value(value)} is not a text")
    return value


def choice_of(row: Mapping[str, Any], key: str, kinds: type[Choice]) -> Choice:
    """Return a text field as one of `kinds`. Raises WireError."""
    try:
        return kinds(str(row.get(key)))
    except ValueError:
        raise WireError(f"{key}: {describe_value(row.get(key))} is none of {', '.join(kinds)}") from None


def exact_decimal(value: object, key: str) -> Decimal:
    """Return a JSON number exactly as written. Raises WireError for a magnitude from 1e15 or, except 0, below 1e-15."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise WireError(f"{key}: {describe_value(value)} is not a number")
    number = Decimal(value)
    if not -MAX_MAGNITUDE < number < MAX_MAGNITUDE or (number and number.adjusted() < -15):
        raise WireError(f"{key}: {number:.3e} is out of range")
    return number


def number_of(row: Mapping[str, Any], key: str, *, optional: bool = False) -> Decimal:
    """Return a number field; an optional one that is absent or null is 0. Raises WireError."""
    value = row.get(key)
    return ZERO if value is None and optional else exact_decimal(value, key)


def time_of(row: Mapping[str, Any], key: str) -> int:
    """Return a time field as ns UTC, or 0 where it is absent or null. Raises WireError."""
    value = row.get(key)
    if not value:
        return 0
    if not isinstance(value, str):
        raise WireError(f"{key}: {describe_value(value)} is not a time")
    return parse_time(value, key)


def parse_time(text: str, key: str) -> int:
    """Return an ISO-8601 text as ns UTC; it is in IST unless it names its zone. Raises WireError."""
    try:
        at = parse_iso(text, IST)
    except (ValueError, OverflowError) as error:
        raise WireError(f"{key}: {describe_value(text)} is not a time") from error
    if not 0 <= at < 1 << 63:
        raise WireError(f"{key}: {describe_value(text)} is out of range")
    return at
