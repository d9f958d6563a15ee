"""Outages of the quotes over the ends of bars: which bars a loss of the feed spoiled, to be repaired later."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tradebot.domain.market import BarBatch
from tradebot.domain.messages import LinkDown, LinkUp
from tradebot.trading.analysis.repaired_bars import SpoiledBars
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.quote_filter import SessionBounds

LEAP = "clock"  # beside the sources of links: market time passed in which the daemon did not run
MAX_OUTAGES = 16  # that wait for their repair; with more the oldest are repaired as one


class Outage(NamedTuple):
    """The bars that start from `first_at` to `last_at`, market ns, both included: of too few quotes, or missing."""

    first_at: int
    last_at: int


class OutageLog:
    """Notes when links go down and come up. An outage that lies inside one bar is none: its bar lacks some seconds.

    Once `expect_repairs` was called, it says from when on bars wait for their repair. Two ticks of the clock that are
    more than `leap_ns` (market ns) apart are an outage too: the daemon or its machine stood still.
    """

    def __init__(self, bars: BarBuilder, *, leap_ns: int) -> None:
        self._bars, self._leap_ns = bars, leap_ns
        self._ticked_at = 0  # market ns of the newest tick
        self._are_repaired = False
        self._closed_until = 0  # market ns: end of the newest close
        self._has_hole = False  # whether a close came in this outage after bars that are missing
        self._down: set[str] = set()  # sources
        self._since = 0  # market ns at which the first of them went down
        self._outages: list[Outage] = []
        self._has_some = asyncio.Event()

    def expect_repairs(self) -> None:
        """Report spoiled bars from now on: they are going to be repaired."""
        self._are_repaired = True

    def on_link(self, link: LinkUp | LinkDown, market_at: int) -> SpoiledBars | None:
        """Note a link that went down or came up at `market_at` (market ns); any link down spoils the bars.

        Returns the bars to be repaired when an outage has ended.
        """
        match link:
            case LinkDown():
                self._begin(link.source, market_at)
            case LinkUp() if link.source in self._down:
                return self._end(link.source, market_at)
        return None

    def on_tick(self, market_at: int) -> SpoiledBars | None:
        """Note a tick of the clock, before its closes. Returns the bars that a leap spoiled.

        After a leap the quotes of the time in between may be read before anything has noticed their absence, and what
        closes with its tick are bars of before. So it holds at once, and the next tick ends it unless a link is down.
        """
        before, self._ticked_at = self._ticked_at, market_at
        if not self._are_repaired or not before:
            return None
        if market_at - before <= self._leap_ns:
            return self._end(LEAP, market_at) if LEAP in self._down else None
        self._begin(LEAP, before)
        if self._has_hole or (outage := self._outage(self._since, market_at)) is None:
            return None
        self._has_hole = True
        return SpoiledBars(until=None, bars=self._count(outage))

    def on_close(self, batch: BarBatch) -> SpoiledBars | None:
        """Note a close. Returns the bars missing before it when it is the first such close of an outage.

        Quotes that are fetched while the stream is down may come again before the stream does. As long as they leave no
        bar out, the closes of an outage have no hole.
        """
        covered, self._closed_until = self._closed_until, max(self._closed_until, batch.ends_at)
        bounds = self._bars.quote_filter.session_bounds
        if not self._down or self._has_hole or not self._are_repaired or bounds is None:
            return None
        missing = batch.starts_at - max(covered, self._first_spoiled(self._since, bounds))
        if missing <= 0:
            return None
        self._has_hole = True
        return SpoiledBars(until=None, bars=missing // self._bars.interval_ns)

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

    def _begin(self, source: str, down_at: int) -> None:
        if not self._down:
            self._since = down_at
        self._down.add(source)

    def _end(self, source: str, up_at: int) -> SpoiledBars | None:
        self._down.discard(source)
        if self._down:
            return None
        had_hole, self._has_hole = self._has_hole, False
        outage = self._outage(self._since, up_at)
        if outage is not None:
            self.add_outage(outage)
        if not self._are_repaired:
            return None
        if outage is not None:
            return SpoiledBars(until=outage.last_at + self._bars.interval_ns, bars=self._count(outage))
        return SpoiledBars(until=None, bars=0) if had_hole else None

    def _count(self, outage: Outage) -> int:
        return (outage.last_at - outage.first_at) // self._bars.interval_ns + 1

    def _outage(self, down_at: int, up_at: int) -> Outage | None:
        bounds = self._bars.quote_filter.session_bounds
        if bounds is None:
            return None
        closes = int(bounds.closes_at.max())
        down_at, up_at = max(down_at, int(bounds.opens_at.min()), self._bars.builds_since), min(up_at, closes - 1)
        if down_at >= up_at:
            return None  # before the open, or after the close
        last = self._bar_of(up_at, bounds)
        if self._bar_of(down_at, bounds) == last and up_at < closes - 1:
            return None
        return Outage(self._first_spoiled(down_at, bounds), last)

    def _first_spoiled(self, down_at: int, bounds: SessionBounds) -> int:
        first = self._bar_of(max(down_at, int(bounds.opens_at.min()), self._bars.builds_since), bounds)
        # A bar that began before the run is part of the warm-up.
        return first if first >= self._bars.builds_since else first + self._bars.interval_ns

    def _bar_of(self, at: int, bounds: SessionBounds) -> int:
        opens, interval = int(bounds.opens_at.min()), self._bars.interval_ns
        return opens + (at - opens) // interval * interval
