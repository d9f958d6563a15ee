"""The types of settings: durations, money, symbols, times of day and others, each with its validation."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from tradebot.domain.products import Product as Product
from tradebot.errors import DataError
from tradebot.markets.symbols import parse_symbols
from tradebot.printable import make_printable

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_seconds(text: str) -> float:
    """Return the seconds of a duration such as `250ms`, `90s`, `5m`, `2h` or `1d`. Raises ValueError for other text."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", text.strip())
    if match is None or (value := float(match[1]) * UNIT_SECONDS[match[2]]) <= 0:
        raise ValueError(f"should be a duration such as 90s, 5m or 2h, not {text!r}")
    return value


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"should be a number, not {str(value).lower()}")
    return value


def _duration_or_never(text: str) -> str:
    if text != "never":
        parse_seconds(text)
    return text


def _interval(text: str) -> str:
    length = parse_seconds(text)
    if not 1 <= length <= 86400 or not length.is_integer() or 86400 % length:
        raise ValueError(f"should divide a day into whole bars of 1s to 1d, not {text!r}")
    return text


def _workers(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 64:
        raise ValueError(f"should be 'auto' or a whole number from 0 to 64, not {value!r}")
    return value


def _reserve(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65_536:
        raise ValueError(f"should be 'auto' or a whole number from 0 to 65536, not {value!r}")
    return value


def _symbols(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return parse_symbols(value, cwd=Path.cwd()) if value.strip() else ()
        if isinstance(value, list | tuple):
            return parse_symbols(",".join(str(v) for v in value), cwd=Path.cwd()) if value else ()
    except DataError as error:
        raise ValueError(make_printable(error)) from error
    return value


def split_list(value: Any) -> Any:
    """Return a text with commas as a tuple of its parts, as the environment has lists; any other value unchanged."""
    return tuple(v.strip() for v in value.split(",")) if isinstance(value, str) else value


def _clock_time(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f"should be a time of day such as 15:10, not {text!r}")
    return text


def _day(text: str) -> str:
    if text not in ("", "today") and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", text):
        raise ValueError(f"should be a date such as 2026-11-23, today, or empty, not {text!r}")
    return text


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool)]
Money = Annotated[Decimal, BeforeValidator(_no_bool), Field(gt=0, max_digits=18, decimal_places=4)]
Percent = Annotated[Decimal, BeforeValidator(_no_bool), Field(gt=0, max_digits=8, decimal_places=4)]
Symbols = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_symbols)]
ClockTime = Annotated[str, AfterValidator(_clock_time)]
Day = Annotated[str, AfterValidator(_day)]
Interval = Annotated[str, AfterValidator(_interval)]
DurationOrNever = Annotated[str, AfterValidator(_duration_or_never)]
Reserve = Annotated[int | Literal["auto"], BeforeValidator(_reserve)]
Workers = Annotated[int | Literal["auto"], BeforeValidator(_workers)]
Products = Annotated[tuple[Product, ...], NoDecode, BeforeValidator(split_list)]
CRORE = Decimal(10_000_000)
