"""Reconciliation: asks the venue for its books and hands them to the desk, on a schedule and whenever there is doubt.

Streams are hints, the books are the audit: every 5 s while orders live, every 30 s otherwise, at once after an
ambiguous answer (then at 0.5, 1, 2, 4, 8, 15, 30 s) and after each reconnect, and at the very moment from which a look
may end a doubt. Fills are fetched as soon as the stream hints at one. A query that fails is no evidence of anything
and is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tradebot.clock import MILLISECOND, SECOND, Clock
from tradebot.domain.messages import Books, Command, Executed
from tradebot.domain.order import ZERO, Execution
from tradebot.errors import AccessDenied, LinkLost
from tradebot.venues.venue import Broker

WHOLE_TRIES, WHOLE_WAIT_S = 4, 0.5
TOLD = 50_000  # fills remembered; a venue's day allows 5,000 orders
AGAIN_S, AGAIN_TIMES = 0.5, 6  # between two looks that are to end a doubt, and how many of them
DOUBT_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Reconciliation:
    """Reads the venue's books. `post` takes what was read, `has_live` tells whether orders may still trade, `wanted_at`
    from which monotonic time on a look may end a doubt.

    `on_failure(reason)` is called when a query fails, once per row of failures.
    """

    def __init__(
        self, *, broker: Broker, clock: Clock, post: Callable[[Books | Executed | Command], None],
        has_live: Callable[[], bool], on_failure: Callable[[str], None], live_every_s: float = 5.0,
        idle_every_s: float = 30.0, wanted_at: Callable[[], int | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._broker, self._clock, self._post, self._has_live = broker, clock, post, has_live
        self._on_failure, self._wanted_at = on_failure, wanted_at
        self._live_every, self._idle_every = live_every_s, idle_every_s
        self._doubts = len(DOUBT_S)  # position in DOUBT_S; at its end there is no doubt
        self._due = asyncio.Event()
        self._fills = asyncio.Event()
        self._told: dict[tuple[str, str], Execution] = {}  # (exchange, execution_id) -> fill as it was posted
        self._is_failing = False
        self._wanted, self._in_vain = 0, 0  # what a look was wanted for last, and how many that brought no end to it
        self.rounds = self.turns = 0  # looks that were whole, and all of them

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
        cash = await self._broker.cash()
        return Books(
            asked_at=asked_at,
            orders=tuple(orders),
            executions=tuple(executions),
            positions=tuple(positions),
            cash=cash,
        )

    async def read_whole(self) -> Books:
        """Return books in which orders and fills fit together. Raises LinkLost or AccessDenied.

        For the start, where nothing of ours is under way: a list without the order of a fill is older than the fills or
        cut short, is asked for again and never believed. Fills that are told of and not listed are asked for again as
        well; in the end they are believed, because venues list them late.
        """
        for attempt in range(WHOLE_TRIES):
            if attempt:
                await self._clock.sleep(WHOLE_WAIT_S)
            books = await self.read()
            left = {order.venue_order_id: order.filled for order in books.orders}
            for e in books.executions:
                left[e.venue_order_id] = left.get(e.venue_order_id, ZERO) - e.quantity
            if not any(left.values()):
                return books
        listed = {order.venue_order_id for order in books.orders}
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
            except LinkLost as error:
                self._fail(str(error))
                continue
            except AccessDenied as error:
                self._post(Command(verb="halt", reason=f"the venue refuses us: {error}"))
                continue
            self._is_failing = False
            self.rounds += 1
            self._post(books)

    async def run_fills(self) -> None:
        """Fetch executions whenever the stream hints at a fill."""
        while True:
            await self._fills.wait()
            self._fills.clear()
            try:
                executions = await self._broker.executions()
            except LinkLost as error:
                self._fail(str(error))
                self.doubt()
                continue
            except AccessDenied:
                continue  # the next round of books meets the same refusal and halts
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
        usual = self._live_every if self._has_live() else self._idle_every
        wanted = self._wanted_at()
        if wanted is None or self._is_failing:
            return usual
        if wanted != self._wanted:
            self._wanted, self._in_vain = wanted, 0
        left = (wanted + MILLISECOND - self._clock.monotonic()) / SECOND
        if left <= 0:
            self._in_vain += 1
        return usual if self._in_vain > AGAIN_TIMES else min(usual, max(left, AGAIN_S))

    def _fail(self, reason: str) -> None:
        if not self._is_failing:
            self._on_failure(reason)
        self._is_failing = True
