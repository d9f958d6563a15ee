"""Reconciliation: asks the venue for its books and hands them to the desk, on a schedule and whenever there is doubt.

Streams are hints, the books are the audit: every 5 s while an order or a position is open, every 30 s otherwise, at
once after an ambiguous answer (then at 0.5, 1, 2, 4, 8, 15, 30 s) and after each reconnect, and at the very moment from
which a look may end a doubt. Fills are fetched as soon as the stream hints at one. A query that fails is no evidence of
anything, is tried again, and is said again while it lasts. A row that cannot be read spoils no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from tradebot.clock import MILLISECOND, SECOND, Clock
from tradebot.domain.listed import Listed, Unread
from tradebot.domain.messages import Books, Executed
from tradebot.domain.order import ZERO, Execution, VenueHolding
from tradebot.errors import AccessDenied, LinkLost, SessionLost
from tradebot.ops.narrator import Tell
from tradebot.ops.reminder import Reminder
from tradebot.venues.venue import Broker

WHOLE_TRIES, WHOLE_WAIT_S = 4, 0.5
TOLD = 50_000  # fills remembered; a venue's day allows 5,000 orders
AGAIN_S, AGAIN_TIMES = 0.5, 6  # between two looks that are to end a doubt, and how many of them
ROWS_NAMED = 3  # of those that cannot be read, in one line
HOLDINGS_EVERY = 60 * SECOND
ROWS_KEPT = 10_000  # of those that could not be read, to count each once
DOUBT_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Pace(NamedTuple):
    """Wall seconds between two looks while orders work or the books are missing, and otherwise."""

    live_s: float = 5.0
    idle_s: float = 30.0


class Reconciliation:
    """Reads the venue's books. `post` takes what was read, `has_live` tells whether an order or a position is open,
    `wanted_at` from which monotonic time on a look may end a doubt. `tell` takes what the operator should read;
    `suspect` is called when a route says that our login is dead.
    """

    def __init__(
        self, *, broker: Broker, clock: Clock, post: Callable[[Books | Executed], None],
        has_live: Callable[[], bool], tell: Tell, pace: Pace = Pace(),
        wanted_at: Callable[[], int | None] = lambda: None, suspect: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._broker, self._clock, self._post, self._has_live = broker, clock, post, has_live
        self._tell, self._wanted_at, self._pace, self._suspect = tell, wanted_at, pace, suspect
        self._doubts = len(DOUBT_S)  # position in DOUBT_S; at its end there is no doubt
        self._due = asyncio.Event()
        self._fills = asyncio.Event()
        self._told: dict[tuple[str, str], Execution] = {}  # (exchange, execution_id) -> fill as it was posted
        self._failing_since: int | None = None  # monotonic time of the first look that failed, None while they do not
        self._reminder = Reminder()
        self._unread: dict[Unread, None] = {}  # rows that could not be read, each once
        self._wanted, self._in_vain = 0, 0  # what a look was wanted for last, and how many that brought no end to it
        self._held: Listed[VenueHolding] | None = None  # the holdings of the last reading
        self._held_at = 0
        self.rounds = self.turns = 0  # looks that were whole, and all of them
        self.unread = 0  # rows that could not be read, the same one once

    def doubt(self) -> None:
        """Look soon, and again at growing intervals."""
        self._doubts = 0
        self._due.set()

    def hint_fill(self) -> None:
        """Fetch the executions now; hints that come during a fetch lead to one more."""
        self._fills.set()

    async def read(self) -> Books:
        """Return the books. Raises LinkLost or AccessDenied."""
        asked_at = self._clock.monotonic()
        orders = await self._broker.orders()
        executions = await self._broker.executions()
        positions = await self._broker.positions()
        holdings = await self._holdings()
        unread = (*orders.unread, *executions.unread, *positions.unread, *holdings.unread)
        if unread:
            self._say_unread(unread)
        return Books(
            asked_at=asked_at,
            orders=tuple(orders),
            executions=tuple(executions),
            positions=tuple(positions),
            cash=await self._cash(),
            unread=unread,
            holdings=tuple(holdings),
        )

    async def read_whole(self) -> Books:
        """Return books in which orders and fills fit together. Raises LinkLost or AccessDenied.

        For the start, where nothing of ours is under way: a list without the order of a fill is older than the fills or
        cut short, is asked for again and never believed. Fills that are told of and not listed are asked for again as
        well; in the end they are believed, because venues list them late. What a row stands for that cannot be read is
        listed, and fits nothing.
        """
        for attempt in range(WHOLE_TRIES):
            if attempt:
                await self._clock.sleep(WHOLE_WAIT_S)
            books = await self.read()
            odd = {row.venue_order_id for row in books.unread if row.book in ("orders", "trades")}
            left = {order.venue_order_id: order.filled for order in books.orders}
            for e in books.executions:
                left[e.venue_order_id] = left.get(e.venue_order_id, ZERO) - e.quantity
            if "" in odd or not any(rest for id_, rest in left.items() if id_ not in odd):
                return books
        listed = {order.venue_order_id for order in books.orders} | odd
        if orphan := next((e for e in books.executions if e.venue_order_id not in listed), None):
            raise LinkLost(f"the venue tells of fill {orphan.execution_id} and does not list its order")
        return books

    async def run(self) -> None:
        """Read the books for ever, at the pace that the doubt and the live orders ask for."""
        while True:
            await self._wait()
            self.turns += 1
            try:
                books = await self.read()
            except (LinkLost, AccessDenied) as error:
                self._fail(error)
                continue
            self._succeeded()
            self._post(books)

    async def run_fills(self) -> None:
        """Fetch executions whenever the stream hints at a fill."""
        while True:
            await self._fills.wait()
            self._fills.clear()
            try:
                executions = await self._broker.executions()
            except (LinkLost, AccessDenied) as error:
                self._fail(error)
                self.doubt()
                continue
            mono = self._clock.monotonic()
            for execution in executions:
                # The venue lists the whole day every time; what was posted is not posted again unless it changed.
                if self._told.get(key := execution.key) != execution:
                    self._told[key] = execution
                    self._post(Executed(execution=execution, mono=mono))
            while len(self._told) > TOLD:
                del self._told[next(iter(self._told))]

    async def _wait(self) -> None:
        pause = self._pause_s()
        if self._doubts < len(DOUBT_S):
            await self._clock.sleep(min(DOUBT_S[self._doubts], pause))
            self._doubts += 1
            self._due.clear()
            return
        try:
            async with asyncio.timeout(pause):
                await self._due.wait()
        except TimeoutError:
            return

    def _pause_s(self) -> float:
        # A doubt never makes the looks rarer than they are without one, and one that no look ends, or a venue that does
        # not answer, not more frequent for long.
        if self._failing_since is not None:
            return self._pace.live_s  # without books nothing is opened: they are looked for as often as ever
        usual = self._pace.live_s if self._has_live() else self._pace.idle_s
        wanted = self._wanted_at()
        if wanted is None:
            return usual
        if wanted != self._wanted:
            self._wanted, self._in_vain = wanted, 0
        left = (wanted + MILLISECOND - self._clock.monotonic()) / SECOND
        if left <= 0:
            self._in_vain += 1
        return usual if self._in_vain > AGAIN_TIMES else min(usual, max(left, AGAIN_S))

    async def _holdings(self) -> Listed[VenueHolding]:
        # They change over night alone and bound only what is held for delivery: a look is whole with older ones.
        now = self._clock.monotonic()
        if self._held is None or now - self._held_at >= HOLDINGS_EVERY:
            try:
                self._held, self._held_at = await self._broker.holdings(), now
            except LinkLost as error:
                self._remind("holdings", "holdings_not_read", reason=str(error))
                if self._held is None:
                    return Listed((), (Unread(book="holdings", reason=str(error)),))
        return self._held

    async def _cash(self) -> Decimal | None:
        # Shown to people and evidence of nothing: a look is whole without it.
        try:
            return await self._broker.cash()
        except (LinkLost, AccessDenied) as error:
            if isinstance(error, SessionLost):
                raise
            self._remind("cash", "cash_not_read", reason=str(error))
            return None

    def _succeeded(self) -> None:
        self.rounds += 1
        if self._failing_since is not None:
            for_s = round((self._clock.monotonic() - self._failing_since) / SECOND, 1)
            self._tell("reconcile_works", for_s=for_s, reason="the venue's books are read again")
            self._failing_since = None
            self._reminder.over("books")

    def _fail(self, error: LinkLost | AccessDenied) -> None:
        if isinstance(error, SessionLost):
            self._suspect()
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        for_s = round((now - self._failing_since) / SECOND, 1)
        self._remind("books", "reconcile_failed", reason=str(error), for_s=for_s)

    def _say_unread(self, unread: Sequence[Unread]) -> None:
        fresh = [row for row in unread if row not in self._unread]
        self._unread |= dict.fromkeys(fresh)
        while len(self._unread) > ROWS_KEPT:
            del self._unread[next(iter(self._unread))]
        self.unread += len(fresh)
        names = [_named(row) for row in unread[:ROWS_NAMED]]
        self._remind(f"{len(unread)} rows, {names}", "rows_not_read", rows=len(unread), some=names)

    def _remind(self, thing: str, event: str, **fields: object) -> None:
        if times := self._reminder.times(thing, self._clock.monotonic()):
            self._tell(event, level="warning", **fields, times=times)


def _named(row: Unread) -> str:
    names = (row.venue_order_id, row.tag, row.exchange, row.symbol, row.product)
    return f"{row.book}: {' '.join(name for name in names if name) or 'a row without a name'}: {row.reason}"
