"""Kite's instrument lists, one CSV an exchange: what is asked for is found there, and which shares have derivatives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from functools import partial
from typing import TypeVar

import msgspec

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.errors import DataError, LinkLost
from tradebot.markets.indices import contract_name
from tradebot.venues.kite.answers import classify, failure_of
from tradebot.venues.kite.wire import WireError, parse_instruments, parse_underlyings

Parsed = TypeVar("Parsed")

CONTRACTS = "NFO"  # whose list names the underlying of each contract; BSE's contracts are on the same shares
HAS_CONTRACTS = frozenset({"NSE", "BSE"})


class Dumps:
    """Reads instrument lists with `get`, which returns status and body of a path. Raises LinkLost or AccessDenied."""

    def __init__(self, get: Callable[[str], Awaitable[tuple[int, bytes]]]) -> None:
        self._get = get

    async def instruments(self, symbols: Sequence[str]) -> list[Instrument]:
        """Return the instruments of `symbols` in their order. Raises DataError naming every unknown symbol."""
        names = [(exchange or "NSE", name) for exchange, _, name in (symbol.rpartition(":") for symbol in symbols)]
        found: dict[tuple[str, str], Instrument] = {}
        hints: dict[tuple[str, str], str] = {}
        for exchange in dict.fromkeys(exchange for exchange, _ in names):
            wanted = {name for asked, name in names if asked == exchange}
            rows, similar = await self._read(exchange, partial(_search, wanted=wanted))
            found |= {(exchange, row.symbol): row for row in rows}
            hints |= {(exchange, name): hint for name, hint in similar.items()}
        unknown = [f"{exchange}:{name}{hints[exchange, name]}" for exchange, name in names if (exchange, name) in hints]
        if unknown:
            raise DataError(f"Kite does not list {', '.join(unknown)}")
        return await self._with_derivatives([found[name] for name in names])

    async def _with_derivatives(self, instruments: list[Instrument]) -> list[Instrument]:
        if not any(map(_may_have_contracts, instruments)):
            return instruments
        underlyings = await self._read(CONTRACTS, parse_underlyings)
        if not underlyings:
            return instruments  # a list without futures says nothing of the shares
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
            raise failure_of(path, classify(status, body))
        try:
            # A dump of 100,000 rows takes longer than the loop may stand still.
            return await asyncio.to_thread(lambda: parse(body.decode()))
        except (UnicodeDecodeError, WireError) as error:
            raise LinkLost(f"GET {path}: {error}") from error


def _may_have_contracts(instrument: Instrument) -> bool:
    is_cash = instrument.kind in (InstrumentKind.EQUITY, InstrumentKind.INDEX)
    return is_cash and instrument.exchange in HAS_CONTRACTS


def _search(dump: str, wanted: AbstractSet[str]) -> tuple[list[Instrument], dict[str, str]]:
    rows = parse_instruments(dump, wanted=wanted)
    unknown = wanted - {row.symbol for row in rows}
    listed = [row.symbol for row in parse_instruments(dump)] if unknown else []
    similar = {name: get_close_matches(name, listed, n=1) for name in sorted(unknown)}
    return rows, {name: f" (did you mean {near[0]}?)" if near else "" for name, near in similar.items()}
