"""The tick size of an Indian share by its price and day, from dated data; ETFs and indices have their own."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from tradebot.markets.calendar import DATA_FOLDER

FUND_PATTERN = re.compile(r"SETF.*|.*(?:BEES|ETF)")  # the usual names of ETFs: NIFTYBEES, SETFNIF50, NIFTYIETF


class TickSteps(NamedTuple):
    """The tick sizes of an exchange's shares from `since` on: ticks[n] up to price up_to[n], ticks[-1] above."""

    since: date
    up_to: tuple[Decimal, ...]
    ticks: tuple[Decimal, ...]


def is_fund(symbol: str) -> bool:
    """Return True for a symbol with the name of an ETF."""
    return FUND_PATTERN.fullmatch(symbol) is not None


def tick_of(symbol: str, price: Decimal, on: date | None = None, *, exchange: str = "NSE") -> Decimal:
    """Return the tick size in rupees of a share or ETF on a day (None: by the newest rule).

    `price` is its last close of the previous month: a split changes the tick size only from the next month on.
    """
    if is_fund(symbol):
        return _funds()
    rules = _rules(exchange if exchange in ("NSE", "BSE") else "NSE")
    steps = next((one for one in reversed(rules) if on is None or one.since <= on), rules[0])
    return steps.ticks[bisect_left(steps.up_to, price)]


def tick_of_index() -> Decimal:
    """Return the step in rupees in which an index is quoted."""
    return Decimal(_file()["indices"])


@lru_cache(maxsize=4)
def _rules(exchange: str) -> tuple[TickSteps, ...]:
    rows = sorted((row for row in _file()["shares"] if row["exchange"] == exchange), key=lambda row: row["from"])
    return tuple(
        TickSteps(row["from"], tuple(map(Decimal, row["up_to"])), tuple(map(Decimal, row["ticks"]))) for row in rows
    )


@lru_cache(maxsize=1)
def _funds() -> Decimal:
    return Decimal(_file()["funds"])


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads((DATA_FOLDER / "ticks.toml").read_text(encoding="utf-8"))
