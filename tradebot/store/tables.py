"""The tables as the program knows them: columns with their kinds, keys, and how a line replaces an older one. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple


class ColumnKind(StrEnum):
    """What a column holds. Money travels as digits, so that both databases keep and return every digit."""

    TEXT = "text"
    WHOLE = "bigint"
    MONEY = "numeric"
    REAL = "double precision"
    JSON = "jsonb"


class StoreTable(NamedTuple):
    """One table. With `is_view` a line replaces an older one of its key; otherwise a second one changes nothing.

    Lines of a view carry `seq`: the later one stays, in whatever order they are written.
    """

    name: str
    columns: Mapping[str, ColumnKind]
    key: tuple[str, ...]
    is_view: bool = False

    @property
    def replaced_columns(self) -> tuple[str, ...]:
        """Return the columns that a later line replaces."""
        return tuple(name for name in self.columns if name not in self.key)


def _table(name: str, key: str, columns: str, *, is_view: bool = False) -> StoreTable:
    letters = {
        "t": ColumnKind.TEXT,
        "w": ColumnKind.WHOLE,
        "m": ColumnKind.MONEY,
        "r": ColumnKind.REAL,
        "j": ColumnKind.JSON,
    }
    pairs = (column.split(":") for column in columns.split())
    return StoreTable(name, {column: letters[kind] for column, kind in pairs}, tuple(key.split()), is_view)


TABLES = {
    table.name: table
    for table in (
        _table(
            "runs",
            "journal run",
            "journal:t run:t seq:w at:w wall:w account:t mode:t venue:t symbols:j config_hash:t versions:j pid:w"
            " ended_at:w end_reason:t summary:j",
            is_view=True,
        ),
        _table(
            "orders",
            "journal order_id",
            "journal:t order_id:t run:t seq:w account:t symbol:t exchange:t side:t kind:t quantity:m price:m"
            " trigger_price:m validity:t product:t purpose:t strategy:t signal_id:t state:t reason:t venue_order_id:t"
            " filled:m value:m average_price:m late_fills:w begun_at:w changed_at:w",
            is_view=True,
        ),
        _table(
            "order_events",
            "journal seq",
            "journal:t seq:w run:t order_id:t event:t state:t at:w mono:w wall:w reason:t venue_order_id:t checks:j"
            " inputs:j",
        ),
        _table(
            "fills",
            "journal seq",
            "journal:t seq:w run:t account:t order_id:t execution_id:t venue_order_id:t symbol:t exchange:t side:t"
            " quantity:m price:m charges:m product:t strategy:t traded_at:w",
        ),
        _table(
            "positions",
            "journal account exchange symbol product owner",
            "journal:t account:t exchange:t symbol:t product:t owner:t seq:w at:w quantity:m cost:m realized:m"
            " charges:m bought:m sold:m mark:m",
            is_view=True,
        ),
        _table(
            "equity",
            "journal seq",
            "journal:t seq:w run:t account:t at:w cash:m realized:m charges:m unrealized:m net:m exposure:m",
        ),
        _table(
            "signals",
            "journal seq place",
            "journal:t seq:w place:w run:t signal_id:t strategy:t symbol:t action:t bar_at:w close:r quantity:r"
            " stop_loss:r trail_by:r target:r inputs:j",
        ),
        _table(
            "bars",
            "journal run exchange symbol interval_ns starts_at",
            "journal:t run:t exchange:t symbol:t interval_ns:w starts_at:w ends_at:w seq:w open:m high:m low:m close:m"
            " volume:m ticks:w",
            is_view=True,
        ),
    )
}


def to_cell(kind: ColumnKind, value: Any) -> Any:
    """Return `value` as both databases take it: money and JSON as text."""
    return _PUT[kind](value)


def without_nul(text: str) -> str:
    """Return a text without NUL, the one character that PostgreSQL cannot hold."""
    return str(text).replace("\0", "\ufffd")


def _text(value: Any) -> Any:
    if type(value) is str and "\0" not in value:
        return value
    return None if value is None else without_nul(value)


def _whole(value: Any) -> Any:
    return value if value is None or type(value) is int else int(value)


def _money(value: Any) -> Any:
    if value is None:
        return None
    return format(value if value else value.copy_abs(), "f")  # PostgreSQL knows no negative zero


def _real(value: Any) -> Any:
    # SQLite stores no NaN, so both databases store NULL for a value that is not finite.
    return None if value is None or not math.isfinite(value) else float(value)


def _json(value: Any) -> Any:
    if not value and type(value) in EMPTY_JSON:
        return EMPTY_JSON[type(value)]
    return None if value is None else _dump(_finite(value))


EMPTY_JSON: dict[type, str] = {tuple: "[]", list: "[]", dict: "{}"}
_dump = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=str).encode
_PUT: dict[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.TEXT: _text,
    ColumnKind.WHOLE: _whole,
    ColumnKind.MONEY: _money,
    ColumnKind.REAL: _real,
    ColumnKind.JSON: _json,
}
CELL_CONVERTERS = {
    name: tuple((column, _PUT[kind]) for column, kind in table.columns.items()) for name, table in TABLES.items()
}
"""Table -> its columns in order, each with what makes a value one that either database takes, as `to_cell` does."""


def from_cell(kind: ColumnKind, found: Any) -> Any:
    """Return a value of a database as the program's own: Decimal for money, the content of JSON."""
    if found is None:
        return None
    match kind:
        case ColumnKind.MONEY:
            # asyncpg reads 5000 as 5E+3, which is equal but prints differently.
            return Decimal(format(found, "f") if isinstance(found, Decimal) else found)
        case ColumnKind.JSON:
            return json.loads(found)
    return found


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case Mapping():
            return {without_nul(k): _finite(v) for k, v in value.items()}
        case list() | tuple():
            return [_finite(v) for v in value]
        case str():
            return without_nul(value)
        case Decimal():
            return format(value, "f")
    return value
