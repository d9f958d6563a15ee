"""The shadow of a live run: what was sent to the venue is repeated on a paper market, to be compared with it later.

The live side only notes what it did, which cannot fail and waits for nothing. The paper market is played some seconds
later, in a task of its own: by then the venue has answered, so that each request is played at the time it was sent,
between the quotes of that time. A failure ends the shadow and nothing else.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from tradebot.clock import MILLISECOND, SECOND, Clock, TimeSlice
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.order import OrderRequest
from tradebot.errors import TradebotError
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.markets.market import common_market
from tradebot.ops.events.paper import ShadowOrderRefused, ShadowRowsDropped, ShadowStopped
from tradebot.ops.reminder import Reminder
from tradebot.paper.accounts import SHADOW
from tradebot.paper.broker import NO_GTT_REASON, automatic_pct_of
from tradebot.paper.paper_market import PaperMarket
from tradebot.paper.rows import changes_of, ticket_of
from tradebot.paper.settings import PaperSettings

# What a shadow may spend. It measures fills and not funds: the venue has checked the funds of the live account.
SHADOW_CASH = Decimal(1_000_000_000)
LAG_S = 10.0  # wall seconds that the shadow is behind: longer than a request may wait for the venue's answer
STEP_S = 0.25  # wall seconds between two steps of the shadow
SLICE_NS = 5 * MILLISECOND  # of work before other tasks get a turn
MAX_FRAMES, MAX_REQUESTS = 20_000, 5_000  # that wait to be played
# What a bug, a bad log or a full disk may raise. Live trading must not end with any of them.
FAILURES = (
    TradebotError,
    OSError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

Play = Callable[[], None]


class ShadowClock:
    """The time of what is being played: market time is set, the rest is that of `live`."""

    def __init__(self, live: Clock) -> None:
        self.wall_ns, self.monotonic_ns, self.sleep = live.wall_ns, live.monotonic_ns, live.sleep
        self.speed, self._at = live.speed, 0

    def market_ns(self) -> int:
        return self._at

    def move_to(self, at: int) -> None:
        """Set market time to `at` (ns), never backwards."""
        self._at = max(self._at, at)


class Shadow:
    """The paper account beside a live one. `note_...` are for the live side, `follow_live` is the shadow's task.

    `dropped_count` counts frames and requests that found no room.
    """

    def __init__(self, universe: Universe, clock: Clock, settings: PaperSettings, *, live_account: str) -> None:
        self._live_clock, self._clock, self._tell = clock, ShadowClock(clock), settings.tell
        self._market = PaperMarket(
            universe,
            self._clock,
            settings._replace(cash=SHADOW_CASH),
            account_id=f"{SHADOW}-{live_account}",
            market=common_market(i.exchange for i in universe),
        )
        self._frames: deque[tuple[int, Quotes]] = deque()
        self._requests: list[tuple[int, int, Play]] = []  # a heap by (market ns, number)
        self._numbers = itertools.count()
        self._order_ids: dict[str, str] = {}  # our order id -> the paper exchange's, of the orders of the day
        self._reminder = Reminder()
        self.is_off = False
        self.dropped_count = 0

    @property
    def market(self) -> PaperMarket:
        """Return the shadow's market."""
        return self._market

    def note_quotes(self, quotes: Quotes, at: int) -> None:
        """Note the quotes that arrived at `at` (market ns)."""
        if self.is_off:
            return
        if len(self._frames) >= MAX_FRAMES:
            self._frames.popleft()
            self.dropped_count += 1
        self._frames.append((at, quotes))

    def note_submit(self, request: OrderRequest, at: int) -> None:
        """Note a new order that was sent at `at` (market ns)."""
        self._note(at, partial(self._submit, request))

    def note_change(self, request: OrderRequest, at: int) -> None:
        """Note a change that was sent at `at` (market ns)."""
        self._note(at, partial(self._modify, request))

    def note_cancel(self, order_id: str, at: int) -> None:
        """Note a cancel that was sent at `at` (market ns)."""
        self._note(at, partial(self._cancel, order_id))

    def note_end(self, order_id: str, reason: str, at: int) -> None:
        """Note that the live order ended without being filled, as seen at `at` (market ns)."""
        self._note(at, partial(self._withdraw, order_id, reason))

    async def follow_live(self) -> None:
        """Play what the live side noted, for ever or until a failure, which is told and ends the shadow."""
        while not self.is_off:
            await self._clock.sleep(STEP_S)
            behind = int(LAG_S * self._live_clock.speed * SECOND)
            await self.play_until(self._live_clock.market_ns() - behind)

    async def play_until(self, until_at: int) -> None:
        """Play everything that was noted up to `until_at` (market ns), in order of time."""
        if self.is_off:
            return
        try:
            await self._play(until_at)
        except FAILURES as error:
            self._turn_off(f"{type(error).__name__}: {error}")
        if self.dropped_count and (times := self._due("dropped")):
            self._tell(ShadowRowsDropped(dropped=self.dropped_count, times=times))

    def close_shadow(self) -> None:
        """End the shadow's session and close its log."""
        try:
            self._market.close_market()
        except FAILURES as error:
            self._turn_off(f"{type(error).__name__}: {error}")

    async def _play(self, until_at: int) -> None:
        slice_ = TimeSlice(self._live_clock, SLICE_NS)
        while (at := self._next_at()) is not None and at <= until_at:
            await self._move_to(at)
            if self._frames and self._frames[0][0] == at:
                self._market.take_quotes(self._frames.popleft()[1], at)
            else:
                heapq.heappop(self._requests)[2]()
            await slice_.yield_if_due()
        await self._move_to(until_at)

    def _next_at(self) -> int | None:
        # At one instant quotes come before requests: a request was made because of them.
        heads = [waiting[0][0] for waiting in (self._frames, self._requests) if waiting]
        return min(heads) if heads else None

    async def _move_to(self, at: int) -> None:
        self._clock.move_to(at)
        now = self._clock.market_ns()
        if self._market.is_day_over(now):
            await self._market.turn_day(now)
            self._order_ids.clear()  # no order works over a night
        self._market.advance_to(now)

    def _note(self, at: int, play: Play) -> None:
        if self.is_off:
            return
        if len(self._requests) >= MAX_REQUESTS:
            self.dropped_count += 1
            return
        heapq.heappush(self._requests, (at, next(self._numbers), play))

    def _submit(self, request: OrderRequest) -> None:
        if request.gtt is not None:
            self._tell_refused(request.order_id, "gtt", NO_GTT_REASON)
            return
        ticket = ticket_of(request, automatic_pct_of(self._market.exchange, request.symbol))
        if (placed := self._ask(request.order_id, lambda exchange: exchange.place_order(ticket).order_id)) is not None:
            self._order_ids[request.order_id] = placed

    def _modify(self, request: OrderRequest) -> None:
        changes = changes_of(request, automatic_pct_of(self._market.exchange, request.symbol))
        if number := self._order_ids.get(request.order_id):
            self._ask(request.order_id, lambda exchange: exchange.modify_order(number, **changes).order_id)

    def _cancel(self, order_id: str) -> None:
        if number := self._order_ids.get(order_id):
            self._ask(order_id, lambda exchange: exchange.cancel_order(number).order_id)

    def _withdraw(self, order_id: str, reason: str) -> None:
        if number := self._order_ids.get(order_id):
            self._market.exchange.withdraw_order(number, reason)

    def _ask(self, order_id: str, make: Callable[[Exchange], str]) -> str | None:
        # A refusal is a result, told but no failure: the live order may have been filled faster than the shadow's.
        try:
            return make(self._market.exchange)
        except ExchangeRefusal as refusal:
            self._tell_refused(order_id, refusal.code.name, str(refusal))
            return None

    def _tell_refused(self, order_id: str, cause: str, reason: str) -> None:
        if times := self._due(f"refused: {cause}"):
            self._tell(ShadowOrderRefused(order_id=order_id, reason=reason, times=times))

    def _due(self, topic: str) -> int:
        return self._reminder.due_count(topic, self._live_clock.monotonic_ns())

    def _turn_off(self, reason: str) -> None:
        self.is_off = True
        self._frames.clear()
        self._requests.clear()
        self._tell(ShadowStopped(reason=reason))
