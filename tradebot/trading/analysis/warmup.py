"""The warm-up of the analysis: bars from the venue, symbols that join with theirs, later closes from the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from tradebot.clock import DAY, SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.journal.recorded_bars import read_bar_batches
from tradebot.journal.writer import Journal
from tradebot.ops.events.analysis import (
    CandlesNotRead,
    WarmupBarsNotRead,
    WarmupCompleted,
    WarmupDenied,
    WarmupStarted,
)
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.repaired_bars import apply_repairs
from tradebot.venues.venue import Broker

WARMUP_WITHIN_S = 60.0  # wall seconds; at three history requests a second, 180 symbols are warmed up in this time
MIN_SESSION_S = 300 * 60  # market seconds of the shortest session expected


class JoiningSymbols(NamedTuple):
    """Symbols that join the analysis between two closes, with the past bars of those that have some."""

    symbols: tuple[str, ...]
    series: tuple[BarSeries, ...]


async def fetch_warmup_bars(
    broker: Broker,
    universe: Universe,
    *,
    bar_count: int,
    interval_ns: int,
    clock: Clock,
    tell: EventListener,
    known_bars: Sequence[BarSeries] = (),
) -> list[BarSeries]:
    """Return the newest `bar_count` complete bars of each instrument, for those read within `WARMUP_WITHIN_S`.

    Instruments with `known_bars` are not requested. Without the right to history only these are returned, and other
    symbols start cold. The order is that of the universe; `interval_ns` is market ns. Raises LoginLost.
    """
    if not bar_count:
        return []
    held = {series.symbol: series for series in known_bars}
    now = clock.market_ns()
    start = now - warmup_span_ns(bar_count, interval_ns)
    found: list[BarSeries] = []
    tell(WarmupStarted(symbols=len(universe), bars=bar_count, at_most_s=WARMUP_WITHIN_S, from_journal=len(held)))
    with suppress(TimeoutError):
        async with asyncio.timeout(WARMUP_WITHIN_S):
            for instrument in universe:
                if instrument.symbol in held:
                    continue
                try:
                    series = await broker.fetch_history(instrument, interval=interval_ns, start=start, end=now)
                except LinkLost as error:
                    tell(WarmupBarsNotRead(symbol=instrument.symbol, reason=str(error)))
                    continue
                except LoginLost:
                    raise
                except AccessDenied as error:
                    tell(WarmupDenied(reason=str(error)))
                    break
                if len(series.unread_starts):
                    tell(CandlesNotRead(symbol=instrument.symbol, candles=len(series.unread_starts)))
                found.append(series.select_bars(slice(-bar_count, None)))
    held |= {series.symbol: series for series in found}
    found = [held[symbol] for symbol in universe.symbols if symbol in held]
    warm, bars = sum(len(series) > 0 for series in found), sum(map(len, found))
    tell(WarmupCompleted(symbols=len(found), of=len(universe), bars=bars, cold=len(universe) - warm))
    return found


def warmup_span_ns(bar_count: int, interval_ns: int) -> int:
    """Return how far back (market ns) so many bars of `interval_ns` reach at most, weekends and holidays included."""
    sessions = bar_count * interval_ns // (MIN_SESSION_S * SECOND) + 1
    return (2 * sessions + 6) * DAY


async def load_journaled_closes(journal: Journal, *, run: str, interval_ns: int) -> list[BarBatch]:
    """Return every close of `run` so far from its journal, oldest first, with repaired bars in their places."""
    await journal.wait_durable()

    def read() -> list[BarBatch]:
        closes, repairs = (
            [batch for _, batch in read_bar_batches(journal.path, interval_ns, run=run, kinds=(kind,))]
            for kind in ("close", "repaired")
        )
        return apply_repairs(closes, repairs)

    return await asyncio.to_thread(read)
