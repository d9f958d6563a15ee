"""The plan of a warm-up: whose past bars are at hand, and what to ask the venue for in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.daemon.warmup.local_bars import LocalBars
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.history.held_bars import BarsWanted, HeldBars, doubt_of_price, last_bar_end
from tradebot.markets.hours import hours_class_of
from tradebot.ops.events.analysis import HeldBarsDoubted
from tradebot.ops.events.event import EventListener
from tradebot.venues.venue import Broker

PRICE_TRIES, PRICE_PAUSE_S = 3, 1.0  # without prices of today held bars are not trusted, and the venue is asked for all


class WarmupRequest(NamedTuple):
    """A symbol to ask the venue for: bars after the `held` ones, or all where nothing is held; `tries` so far."""

    instrument: Instrument
    held: BarSeries | None = None
    tries: int = 0


class WarmupPlan(NamedTuple):
    """What is at hand, by symbol, and what is asked for, in this order.

    `doubted` are the symbols whose held bars are not trusted.
    """

    from_journal: Mapping[str, BarSeries]
    from_history: Mapping[str, BarSeries]
    requests: tuple[WarmupRequest, ...]
    doubted: tuple[str, ...] = ()

    @property
    def at_hand(self) -> list[BarSeries]:
        """Return the bars that need no request."""
        return [*self.from_journal.values(), *self.from_history.values()]


class WarmupPlanner:
    """Makes the plan of one run. `local_bars` is the history, `suspect` notes a lost login."""

    def __init__(
        self, broker: Broker, local_bars: LocalBars, clock: Clock, *, suspect: Callable[[], None], tell: EventListener
    ) -> None:
        self._broker, self._local_bars, self._clock = broker, local_bars, clock
        self._suspect, self._tell = suspect, tell

    async def make_plan(
        self, universe: Universe, wanted: BarsWanted, journaled: Sequence[BarSeries], first: Collection[str]
    ) -> WarmupPlan:
        """Return the plan for bars that start before `wanted.end_at`; `journaled` are the journal's bars of today.

        Symbols `first`, those with positions or orders, are asked for before the others.
        """
        from_journal = {series.symbol: series for series in journaled}
        others = [i for i in universe if i.symbol not in from_journal]
        held = await asyncio.to_thread(self._local_bars.read_bars, others, wanted) if others else {}
        doubts = {symbol: past.doubt for symbol, past in held.items() if past.doubt}
        held = {symbol: past for symbol, past in held.items() if not past.doubt}
        doubts |= await self._price_doubts([i for i in others if i.symbol in held], held)
        for symbol, doubt in doubts.items():
            self._tell(HeldBarsDoubted(symbol=symbol, reason=doubt))
        held = {symbol: past for symbol, past in held.items() if symbol not in doubts}
        at_hand = {i.symbol: held[i.symbol].series for i in others if _is_whole(i, held.get(i.symbol), wanted)}
        asked = [
            WarmupRequest(i, held[i.symbol].series if i.symbol in held else None)
            for i in others
            if i.symbol not in at_hand
        ]
        asked.sort(key=lambda request: request.instrument.symbol not in first)  # a stable sort keeps the order else
        return WarmupPlan(from_journal, at_hand, tuple(asked), tuple(doubts))

    async def _price_doubts(self, instruments: Sequence[Instrument], held: Mapping[str, HeldBars]) -> dict[str, str]:
        # A split overnight shows in no held bar. The quotes of a thousand symbols are two requests, where their bars
        # are a thousand.
        if not instruments:
            return {}
        quoted, reason = Universe(instruments), ""
        for _ in range(PRICE_TRIES):
            try:
                quotes = await self._broker.fetch_quotes(quoted)
            except (LinkLost, AccessDenied) as error:
                if isinstance(error, LoginLost):
                    self._suspect()
                reason = str(error)
                await self._clock.sleep(PRICE_PAUSE_S)
                continue
            prices = dict(zip(quotes.ids.tolist(), quotes.last.tolist(), strict=True))
            found = {
                i.symbol: doubt_of_price(held[i.symbol].series, prices.get(id_, 0)) for id_, i in enumerate(instruments)
            }
            return {symbol: doubt for symbol, doubt in found.items() if doubt}
        return {i.symbol: f"its price of now could not be read: {reason}" for i in instruments}


def _is_whole(instrument: Instrument, past: HeldBars | None, wanted: BarsWanted) -> bool:
    # Whether no bar is missing between the held ones and now.
    if past is None:
        return False
    return past.covered_until >= last_bar_end(wanted.market, hours_class_of(instrument), wanted.end_at, wanted.interval)
