"""Kite's instrument files, one CSV per exchange: finds the wanted instruments, and the shares with derivatives.

A malformed row does not affect the others. If its symbol is wanted, the error names that symbol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import DataError, LinkLost
from tradebot.markets.indices import contract_name
from tradebot.venues.kite.responses import classify_response, failure_of_read
from tradebot.venues.kite.wire import WireError, parse_instruments, parse_underlyings

Parsed = TypeVar("Parsed")

CONTRACTS_EXCHANGE = "NFO"  # its file names the underlying of each contract; BSE's contracts have the same underlyings
CASH_EXCHANGES = frozenset({"NSE", "BSE"})


class InstrumentFiles:
    """Reads instrument files with `get`, which returns the HTTP status and body of a path.

    Raises LinkLost or AccessDenied.
    """

    def __init__(self, get: Callable[[str], Awaitable[tuple[int, bytes]]]) -> None:
        self._get = get

    async def find_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the instruments of `symbols` in their order, and as `unread` the malformed rows of other symbols.

        Raises DataError that names every symbol that is unknown, is listed twice or has a malformed row.
        """
        names = [(exchange or "NSE", name) for exchange, _, name in (symbol.rpartition(":") for symbol in symbols)]
        found: dict[tuple[str, str], Instrument] = {}
        faults: dict[tuple[str, str], str] = {}
        unread: list[UnreadRow] = []
        for exchange in dict.fromkeys(exchange for exchange, _ in names):
            wanted = {name for asked, name in names if asked == exchange}
            page = await self._read(exchange, partial(_search, wanted=wanted))
            found |= {(exchange, row.symbol): row for row in page.rows}
            faults |= {(exchange, name): fault for name, fault in page.faults.items()}
            unread += page.unread
        if wrong := [
            f"{exchange}:{name} {faults[exchange, name]}" for exchange, name in names if (exchange, name) in faults
        ]:
            raise DataError(f"Kite's instrument list: {'; '.join(wrong)}")
        return VenueRows(await self._with_derivatives([found[name] for name in names]), unread)

    async def _with_derivatives(self, instruments: list[Instrument]) -> list[Instrument]:
        if not any(map(_may_have_contracts, instruments)):
            return instruments
        underlyings = await self._read(CONTRACTS_EXCHANGE, parse_underlyings)
        if not underlyings:
            return instruments  # a file without futures does not show which shares have derivatives
        return [
            msgspec.structs.replace(i, has_derivatives=contract_name(i.symbol) in underlyings)
            if _may_have_contracts(i)
            else i
            for i in instruments
        ]

    async def _read(self, exchange: str, parse: Callable[[str], Parsed]) -> Parsed:
        path = f"/instruments/{exchange}"
        status, body = await self._get(path)
        if status != 200:
            raise failure_of_read(path, classify_response(status, body))
        try:
            # A file of 100,000 rows takes longer to parse than the event loop may be blocked.
            return await asyncio.to_thread(lambda: parse(body.decode()))
        except (UnicodeDecodeError, WireError) as error:
            raise LinkLost(f"GET {path}: {error}") from error


def _may_have_contracts(instrument: Instrument) -> bool:
    is_cash = instrument.kind in (InstrumentKind.EQUITY, InstrumentKind.INDEX)
    return is_cash and instrument.exchange in CASH_EXCHANGES


class _SearchResult(NamedTuple):
    rows: VenueRows[Instrument]
    faults: dict[str, str]  # wanted symbol -> what is wrong with it
    unread: tuple[UnreadRow, ...]


def _search(dump: str, wanted: AbstractSet[str]) -> _SearchResult:
    rows = parse_instruments(dump, wanted=wanted)
    faults = {row.symbol: f"cannot be read: {row.reason}" for row in rows.unread if row.symbol in wanted}
    seen: dict[str, Instrument] = {}
    for row in rows:
        if seen.setdefault(row.symbol, row) != row:
            faults[row.symbol] = f"is listed twice, with the tokens {seen[row.symbol].token} and {row.token}"
    unknown = wanted - seen.keys() - faults.keys()
    listed = [row.symbol for row in parse_instruments(dump)] if unknown else []
    odd = f"; {len(rows.unread)} of its rows cannot be read" if rows.unread else ""
    for name in unknown:
        near = get_close_matches(name, listed, n=1)
        faults[name] = f"is not listed{f' (did you mean {near[0]}?)' if near else ''}{odd}"
    return _SearchResult(rows, faults, tuple(row for row in rows.unread if row.symbol not in wanted))
