"""Matches the columns of a file to ours by the names that other programs use, and lists unread columns. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

PRICE_COLUMNS = ("open", "high", "low", "close")
TIME_COLUMNS = ("stamp", "date", "time")
COLUMN_SYNONYMS = {
    "symbol": ("symbol", "ticker", "tradingsymbol", "trading_symbol", "tckrsymb", "instrument", "scrip", "name"),
    "series": ("series", "sctysrs"),
    # A count since 1970 is an instant. It wins over a date column, whose zone is unknown.
    "stamp": (
        "unix",
        "epoch",
        "epoch_time",
        "unix_timestamp",
        "unix_time",
        "timestamp",
        "datetime",
        "date_time",
        "ts",
        "starts",
        "start",
        "start_time",
        "open_time",
        "opentime",
        "bar_time",
        "time_key",
        "gmt_time",
        "local_time",
    ),
    "date": ("date", "day", "trade_date", "date1", "traddt", "dtyyyymmdd", "tradedate"),
    "time": ("time", "time_of_day"),
    "open": ("open", "o", "open_price", "opnpric"),
    "high": ("high", "h", "high_price", "hghpric"),
    "low": ("low", "l", "low_price", "lwpric"),
    "close": ("close", "c", "close_price", "clspric"),
    "volume": (
        "volume",
        "v",
        "vol",
        "qty",
        "quantity",
        "traded_volume",
        "total_traded_quantity",
        "tottrdqty",
        "ttl_trd_qnty",
        "ttltradgvol",
        "shares_traded",
        "traded_quantity",
        "no_of_shares",
        "volume_traded",
        "base_volume",
    ),
    "ticks": ("tickvol", "tick_volume", "tickvolume"),
}
INDEX_NAMES = ("", "index", "index_level_0", "unnamed:_0", "t")  # hold the times when no other column does
COIN_VOLUME = re.compile(r"volume_(?!ma|sma|ema|avg|pct|chg|usd)[a-z]{2,5}")
UNIT_PATTERN = re.compile(r"[(\[].*[)\]]")


class TableColumns(NamedTuple):
    """The columns of a table: position -> our name for the columns to read, and the names of the others."""

    names_by_position: dict[int, str]
    unread: list[str]

    def position_of(self, ours: str) -> int | None:
        """Return the position of the column with our name `ours`, None when the table has none."""
        return next((place for place, name in self.names_by_position.items() if name == ours), None)


def normalized_name(name: str) -> str:
    """Return a column's name in lower case, without unit and punctuation.

    `<OPEN>`, `Open (INR)` and ` open ` all give `open`.
    """
    plain = UNIT_PATTERN.sub("", name.encode("ascii", "ignore").decode().strip().lower().strip("<>"))
    return re.sub(r"[\s\-./_]+", "_", plain.strip()).strip("_")


def match_columns(names: Sequence[str]) -> TableColumns | None:
    """Return the columns that a header names, None when it lacks one that a bar needs.

    Of two columns with the same name the first counts.
    """
    found = _matched(names)
    return found if not missing_columns(found) else None


def missing_columns(found: TableColumns) -> list[str]:
    """Return the parts of a bar that have no column."""
    has = set(found.names_by_position.values())
    lacks = [name for name in PRICE_COLUMNS if name not in has]
    return lacks if has & {"stamp", "date", "time"} else ["time (timestamp, datetime, date, ts)", *lacks]


def describe_missing(names: Sequence[str]) -> str:
    """Return in words why a header does not describe bars."""
    found = _matched(names)
    lacks, has = missing_columns(found), set(found.names_by_position.values())
    shown = ", ".join(names)[:120] or "none"
    single = {normalized_name(name) for name in names} & {"price", "ltp", "last", "bid", "ask", "last_price", "close"}
    if single and not has & {"open", "high", "low"}:
        kind = "closes alone" if "close" in has else "ticks or of single prices"
        return f"holds no bars: it is a file of {kind}, without {', '.join(PRICE_COLUMNS[:3])}; its columns are {shown}"
    return f"no column for {', '.join(lacks)}; its columns are {shown}"


def _matched(names: Sequence[str]) -> TableColumns:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(normalized_name(name), place)
    found: dict[int, str] = {}
    for ours, synonyms in COLUMN_SYNONYMS.items():
        theirs = next((places[s] for s in synonyms if s in places), None)
        if theirs is not None:
            found.setdefault(theirs, ours)
    has = set(found.values())
    if {"open", "high", "low"} <= has and "close" not in has and "price" in places:
        found[places["price"]] = "close"
    if "volume" not in has and (coin := next((n for n in places if COIN_VOLUME.fullmatch(n)), "")):
        found[places[coin]] = "volume"
    if "stamp" in has:
        found = {place: ours for place, ours in found.items() if ours not in ("date", "time")}
    elif not has & {"date", "time"} and (nameless := next((n for n in INDEX_NAMES if n in places), None)) is not None:
        found[places[nameless]] = "stamp"
    unread = [name.strip() for place, name in enumerate(names) if place not in found and name.strip()]
    return TableColumns(dict(sorted(found.items())), unread)
