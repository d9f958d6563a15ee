"""Outages of the quotes over the ends of bars: which bars a loss of the feed spoiled, to be repaired later."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tradebot.domain.messages import LinkDown, LinkUp
from tradebot.trading.bar_builder import BarBuilder

MAX_OUTAGES = 16  # that wait for their repair; with more the oldest are repaired as one


class Outage(NamedTuple):
    """The bars that start from `first_at` to `last_at`, market ns, both included: of too few quotes, or missing."""

    first_at: int
    last_at: int


class OutageLog:
    """Notes when links go down and come up. An outage that lies inside one bar is none: its bar lacks some seconds."""

    def __init__(self, bars: BarBuilder) -> None:
        self._bars = bars
        self._down: set[str] = set()  # sources
        self._since = 0  # market ns at which the first of them went down
        self._outages: list[Outage] = []
        self._has_some = asyncio.Event()

    def on_link(self, link: LinkUp | LinkDown, market_at: int) -> None:
        """Note a link that went down or came up at `market_at` (market ns); any link down spoils the bars."""
        match link:
            case LinkDown():
                if not self._down:
                    self._since = market_at
                self._down.add(link.source)
            case LinkUp() if link.source in self._down:
                self._down.discard(link.source)
                if not self._down:
                    self._note(self._since, market_at)

    def add_outage(self, outage: Outage) -> None:
        """Add an outage that has ended. With `MAX_OUTAGES` waiting the two oldest become one, with all between them."""
        self._outages.append(outage)
        if len(self._outages) > MAX_OUTAGES:
            older, newer = self._outages[:2]
            self._outages[:2] = [Outage(min(older.first_at, newer.first_at), max(older.last_at, newer.last_at))]
        self._has_some.set()

    async def wait_outage(self) -> Outage:
        """Return the next outage that has ended; wait for it."""
        await self._has_some.wait()
        outage = self._outages.pop(0)
        if not self._outages:
            self._has_some.clear()
        return outage

    def _note(self, down_at: int, up_at: int) -> None:
        bounds = self._bars.quote_filter.session_bounds
        if bounds is None:
            return
        opens, closes, interval = int(bounds.opens_at.min()), int(bounds.closes_at.max()), self._bars.interval_ns
        down_at, up_at = max(down_at, opens, self._bars.builds_since), min(up_at, closes - 1)
        if down_at >= up_at:
            return  # before the open, or after the close
        first, last = (opens + (at - opens) // interval * interval for at in (down_at, up_at))
        if first == last and up_at < closes - 1:
            return
        first = first if first >= self._bars.builds_since else first + interval  # an earlier bar is part of the warm-up
        self.add_outage(Outage(first, last))
