"""The past that the analysis is fed: bars from the venue before the first close, closes from the journal afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from tradebot.clock import DAY, SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Series
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.journal.closes import closes
from tradebot.journal.writer import Journal
from tradebot.ops.events.analysis import (
    CandlesNotRead,
    WarmupBarsNotRead,
    WarmupCompleted,
    WarmupDenied,
    WarmupStarted,
)
from tradebot.ops.events.event import Tell
from tradebot.venues.venue import Broker

WITHIN_S = 60.0  # a venue that allows three history requests a second warms up 180 symbols in this time
SESSION_S = 300 * 60  # the shortest session that is counted on


async def past_bars(
    broker: Broker,
    universe: Universe,
    *,
    count: int,
    interval: int,
    clock: Clock,
    tell: Tell,
    known: Sequence[Series] = (),
) -> list[Series]:
    """Return the venue's newest `count` complete bars of each instrument, of as many as can be had in `WITHIN_S`.

    What is `known` is not asked for. None where the account has no right to them: the strategies start cold. Raises
    SessionLost.
    """
    if not count:
        return []
    held = {series.symbol: series for series in known}
    now = clock.market_ns()
    sessions = count * interval // (SESSION_S * SECOND) + 1
    start = now - (2 * sessions + 6) * DAY  # weekends and holidays lie between
    found: list[Series] = []
    tell(WarmupStarted(symbols=len(universe), bars=count, at_most_s=WITHIN_S, from_journal=len(held)))
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            for instrument in universe:
                if instrument.symbol in held:
                    continue
                try:
                    series = await broker.fetch_history(instrument, interval=interval, start=start, end=now)
                except LinkLost as error:
                    tell(WarmupBarsNotRead(symbol=instrument.symbol, reason=str(error)))
                    continue
                except LoginLost:
                    raise
                except AccessDenied as error:
                    tell(WarmupDenied(reason=str(error)))
                    break
                if len(series.odd):
                    tell(CandlesNotRead(symbol=instrument.symbol, candles=len(series.odd)))
                found.append(series.cut(slice(-count, None)))
    held |= {series.symbol: series for series in found}
    found = [held[symbol] for symbol in universe.symbols if symbol in held]
    tell(WarmupCompleted(symbols=len(found), of=len(universe), bars=sum(map(len, found))))
    return found


async def past_closes(journal: Journal, *, run: str, interval: int) -> list[Close]:
    """Return every close of `run` so far, oldest first, from its journal."""
    await journal.durable()
    return await asyncio.to_thread(lambda: [close for _, close in closes(journal.path, interval, run=run)])
