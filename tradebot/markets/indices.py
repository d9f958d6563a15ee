"""The members of each index, and the symbols with derivatives, from the files in data/; for the config and the app."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from typing import Any

from tradebot.markets.calendar import DATA_FOLDER

CONTRACT_NAMES = {  # index -> its name in the symbols of its futures and options
    "NIFTY 50": "NIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
}


def index_members(name: str) -> tuple[str, ...]:
    """Return the symbols of index `name`, sorted; case and spaces do not matter. Raises KeyError if it is unknown."""
    return _members()[_canonical(name)]


def is_index(name: str) -> bool:
    """Return True if `index_members` knows the name."""
    return _canonical(name) in _members()


def index_names() -> tuple[str, ...]:
    """Return every name that `index_members` accepts, sorted; for suggestions after a misspelling."""
    return tuple(sorted({*_members(), *_file()["aliases"]}))


def lists_date() -> date:
    """Return the date of the lists."""
    day: date = _file()["as_of"]
    return day


def has_derivatives(symbol: str) -> bool:
    """Return True if the shipped lists give the share or index futures or options; its session may then end early."""
    return symbol in CONTRACT_NAMES or symbol in _with_derivatives()


def known_shares() -> frozenset[str]:
    """Return every share in an index or in the list of derivatives."""
    return _with_derivatives()


def contract_name(symbol: str) -> str:
    """Return the name of a share or index in the symbols of its contracts; for a share it is its symbol."""
    return CONTRACT_NAMES.get(symbol, symbol)


def _canonical(name: str) -> str:
    plain = "".join(name.upper().split())
    alias: str = _file()["aliases"].get(plain, plain)
    return alias


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads((DATA_FOLDER / "indices.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _members() -> dict[str, tuple[str, ...]]:
    file = _file()
    lists = {name: tuple(sorted(text.split())) for name, text in file["members"].items()}
    for name, parts in file["unions"].items():
        lists[name] = tuple(sorted({symbol for part in parts for symbol in lists[part]}))
    return lists


@lru_cache(maxsize=1)
def _with_derivatives() -> frozenset[str]:
    lines = (DATA_FOLDER / "derivatives.txt").read_text(encoding="utf-8").splitlines()
    listed = {symbol for line in lines if not line.startswith("#") for symbol in line.split()}
    return frozenset(listed.union(*_members().values()))
