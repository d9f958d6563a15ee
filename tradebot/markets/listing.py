"""The listing of the simulated exchange: instruments for any symbols, with tokens, tick sizes and first prices."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.markets import indices
from tradebot.markets.calendar import DATA_FOLDER
from tradebot.markets.indices import has_derivatives
from tradebot.markets.ticks import tick_of, tick_of_index

INDEX_TOKENS = {"NIFTY 50": 256265, "NIFTY BANK": 260105, "INDIA VIX": 264969, "NIFTY FIN SERVICE": 257801}
INDEX_PRICES = {"NIFTY 50": 25000.0, "NIFTY BANK": 56000.0, "INDIA VIX": 13.0, "NIFTY FIN SERVICE": 26500.0}
EQUITY_SEGMENT = 1  # the low byte of a Kite token: 1 NSE, 9 indices
INDEX_SEGMENT = 9
SEGMENTS = {"BSE": 4}
FIRST_INVENTED = 1 << 20  # the real numbers of the exchange are far lower
MAX_UNKNOWN_NAMED = 3  # the number of unknown symbols that a refusal names
# The largest number is 2 << 20 plus 1 << 22. It stays below 1 << 23, so that a token fits a signed 32-bit integer.
INVENTED_NUMBERS = 1 << 22


class ListingRow(NamedTuple):
    price: float
    number: int | None


def universe_for(symbols: Iterable[str], *, on: date | None = None, paise: Mapping[str, int] | None = None) -> Universe:
    """Return instruments for `symbols` in their order, with the tick sizes of the day `on` (None: the newest rule).

    `paise` holds prices by symbol that determine the tick sizes, where they are better than those of the listing. A
    symbol is on NSE unless it begins with another exchange. A token is a pure function of its symbol, unless two
    unknown symbols of one universe have the same hash; the later one then takes the next free number. Raises ValueError
    for a symbol given twice.
    """
    taken: set[int] = set()
    return Universe(_instrument(symbol, on, taken, (paise or {}).get(symbol)) for symbol in symbols)


def synthetic_universe(n: int) -> Universe:
    """Return `n` equities for load tests: real symbols, most traded first, then SYM0001, SYM0002 and so on."""
    real = list(_listing())[:n]
    return universe_for([*real, *(f"SYM{k:04d}" for k in range(1, n - len(real) + 1))])


def reference_price(symbol: str) -> float:
    """Return a plausible price in rupees: a recent one for a known symbol, else 60 to 6,000 by the symbol's hash."""
    if symbol in INDEX_PRICES:
        return INDEX_PRICES[symbol]
    listed = _listing().get(symbol)
    return listed.price if listed else float(round(60.0 * 100.0 ** (_hash(symbol, b"price") / 2**32), 2))


def unknown_shares(symbols: Iterable[str]) -> str:
    """Return one sentence about the unknown `symbols`, with suggestions; "" if all are known.

    The names of `synthetic_universe` count as known: a user who writes SYM0001 wants an invented share.
    """
    known = {*_listing(), *INDEX_TOKENS, *indices.known_shares()}
    unknown = [
        symbol for symbol in symbols if (bare := symbol.rpartition(":")[2]) not in known and not _is_numbered(bare)
    ]
    names = ", ".join(_with_hint(symbol, known) for symbol in unknown[:MAX_UNKNOWN_NAMED])
    more = f" and {len(unknown) - MAX_UNKNOWN_NAMED} more" if len(unknown) > MAX_UNKNOWN_NAMED else ""
    return f"no list here knows {names}{more}" if unknown else ""


def turnover_rank(symbol: str) -> float:
    """Return the rank of a symbol by turnover, from 0 (least) to 1 (most), by the listing's order or else by a hash."""
    order = _order().get(symbol)
    if order is not None:
        return 1.0 - 0.45 * order / len(_order())
    return 0.55 * _hash(symbol, b"turnover") / 2**32


def _instrument(symbol: str, on: date | None, taken: set[int], paise: int | None = None) -> Instrument:
    exchange, _, symbol = symbol.rpartition(":")
    if symbol in INDEX_TOKENS:
        return Instrument(
            symbol=symbol,
            token=INDEX_TOKENS[symbol],
            kind=InstrumentKind.INDEX,
            tick_size=tick_of_index(),
            name=symbol,
            has_derivatives=has_derivatives(symbol),
        )
    listed = _listing().get(symbol)
    number = listed.number if listed and listed.number else _invented(symbol)
    while number in taken:
        number += 1
    taken.add(number)
    price = Decimal(str(reference_price(symbol))) if paise is None else Decimal(paise).scaleb(-2)
    return Instrument(
        symbol=symbol,
        exchange=exchange or "NSE",
        token=number * 256 + SEGMENTS.get(exchange, EQUITY_SEGMENT),
        tick_size=tick_of(symbol, price, on, exchange=exchange or "NSE"),
        name=symbol,
        has_derivatives=has_derivatives(symbol),
    )


def _is_numbered(symbol: str) -> bool:
    return symbol.startswith("SYM") and symbol[3:].isdigit()


def _with_hint(symbol: str, known: Iterable[str]) -> str:
    near = get_close_matches(symbol.rpartition(":")[2], [*indices.index_names(), *known], n=1, cutoff=0.75)
    return f"{symbol} (did you mean {near[0]}?)" if near else symbol


def _invented(symbol: str) -> int:
    if _is_numbered(symbol):
        return FIRST_INVENTED + int(symbol[3:]) % FIRST_INVENTED
    return 2 * FIRST_INVENTED + _hash(symbol, b"number") % INVENTED_NUMBERS


def _hash(symbol: str, salt: bytes) -> int:
    return zlib.crc32(symbol.encode() + b"/" + salt)  # `hash()` differs between processes


@lru_cache(maxsize=1)
def _listing() -> dict[str, ListingRow]:
    rows = (
        line.split()
        for line in (DATA_FOLDER / "listing.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    return {symbol: ListingRow(float(price), None if number == "-" else int(number)) for symbol, price, number in rows}


@lru_cache(maxsize=1)
def _order() -> dict[str, int]:
    return {symbol: k for k, symbol in enumerate(_listing())}
