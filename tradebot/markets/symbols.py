"""Parses `--symbols`: a comma-separated list, `@file` with one symbol per line, or an index name; before the run.

A symbol is on NSE unless it begins with its exchange: `BSE:INFY`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tradebot.errors import DataError
from tradebot.markets import indices

MAX_SYMBOLS = 10_000  # three streaming connections take 3,000 each; a longer list is a wrong file
DEFAULT_EXCHANGE = "NSE"  # the exchange of a symbol without one
_SYMBOL = re.compile(r"(?:[A-Z]{2,8}:)?[A-Z0-9][A-Z0-9&_.-]{0,31}")
_LISTED_WITH_SPACE = frozenset({"NIFTY 50", "NIFTY BANK", "INDIA VIX"})
_BAD = re.compile(r"[^A-Z0-9&_.-]")


def parse_symbols(text: str, *, cwd: Path) -> tuple[str, ...]:
    """Return the symbols in `text`, in upper case, in their order, without repetitions.

    `@file` is relative to `cwd`. Raises DataError that names the first word that cannot be a symbol, and its place.
    """
    named: list[str] = []
    for start, part in _parts(text):
        if part.startswith("@"):
            named += _from_file(cwd, part[1:])
        else:
            named += _expand(part, f"symbols, character {start + 1}")
    symbols = tuple(dict.fromkeys(named))
    if not symbols:
        raise DataError("no symbol is named; give one such as RELIANCE")
    if len(symbols) > MAX_SYMBOLS:
        raise DataError(f"{len(symbols)} symbols are named; at most {MAX_SYMBOLS} can be traded in one run")
    return symbols


def _parts(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for raw in text.split(","):
        part = raw.strip()
        if part:
            yield start + raw.index(part), part
        elif text.strip():
            raise DataError(f"symbols, character {start + 1}: a symbol is missing between the commas")
        start += len(raw) + 1


def _from_file(cwd: Path, name: str) -> list[str]:
    path = cwd / Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"symbol file {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"symbol file {path}: is not UTF-8 text") from error
    named: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word:
            named += _expand(word, f"{path}:{number}")
    if not named:
        raise DataError(f"symbol file {path}: names no symbol")
    return named


def _expand(word: str, place: str) -> Iterable[str]:
    exchange, colon, name = word.upper().partition(":")
    symbol = name if colon and exchange == DEFAULT_EXCHANGE else word.upper()
    if symbol in _LISTED_WITH_SPACE:
        return (symbol,)
    has_exchange = bool(colon) and exchange.isascii() and exchange.isalpha()
    bad = _BAD.search(word.upper(), len(exchange) + 1 if has_exchange else 0)
    if bad is not None:
        found = word.upper()[bad.start()]
        raise DataError(f"{place}: {word[:40]!r} is not a symbol: character {bad.start() + 1} is {found!r}")
    try:
        return indices.index_members(symbol)
    except KeyError:
        pass
    if not _SYMBOL.fullmatch(symbol):
        raise DataError(
            f"{place}: {word[:40]!r} is not a symbol: it must start with a letter or digit, 32 at most,"
            " with its exchange before it where that is not NSE: BSE:INFY"
        )
    return (symbol,)
