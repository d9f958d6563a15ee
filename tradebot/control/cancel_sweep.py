"""The second half of the kill switch: cancels the working orders at the venue and polls until none works.

Nothing of the daemon is used, neither its journal nor its memory. What the venue lists is cancelled by the venue's ids,
no matter who placed it. A cancel may be repeated, because it can end an order only once.

A stop that waits for its trigger and only closes what is held is kept: without it nothing guards the position any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from tradebot.clock import SECOND, Clock
from tradebot.domain.order import ZERO, Side, VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import AccessDenied, LinkLost, OutcomeUnknown
from tradebot.venues.limiter import Limiter, RateWindow, rate_windows
from tradebot.venues.venue import Accepted, Reply

WORKING_STATUSES = frozenset({VenueOrderStatus.ACKED, VenueOrderStatus.OPEN, VenueOrderStatus.PENDING_TRIGGER})
# The venue's full rates, because nothing else sends now: 20 cancels shall leave within 2 s. The venue counts at
# arrival, so the window is a little longer than a second.
CANCEL_RATES: tuple[RateWindow, ...] = rate_windows(("change", 10, 1.05, 0))
MAX_CONCURRENT_CANCELS = 10
MAX_RATE_WAIT_S = 2.0  # enough, because at most `MAX_CONCURRENT_CANCELS` wait for the rate limiter
POLL_INTERVAL_S = 0.25
RETRY_AFTER_S = 1.0  # an order that still works this long after a cancel is cancelled again
CLEAN_POLLS = 2  # an order that was in transit when the HALT file was written shows in the second poll
CLEAN_POLL_GAP_S = 1.0


class CancelBroker(Protocol):
    """What the sweep needs of a broker; see `venues/venue.py` for the errors."""

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return the orders that the venue lists."""
        ...

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return the positions that the venue lists."""
        ...

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Ask the venue to cancel an order."""
        ...


class CancelledOrder(NamedTuple):
    """An order that was working: its last state, how many cancels were sent, and the venue's last answer to one."""

    order: VenueOrder
    cancels_sent: int
    answer: str

    @property
    def still_works(self) -> bool:
        """Return whether the order was still working when it was last listed."""
        return self.order.status in WORKING_STATUSES


class SweepReport(NamedTuple):
    """The result of a sweep.

    `orders` are sorted by when they were found. `failure` says why the orders could not be read at the end,
    empty if they could. `positions` are those still open, None if the venue did not answer. `kept` are the stops that
    were left at the venue, as they were last listed.
    """

    orders: tuple[CancelledOrder, ...]
    failure: str
    positions: tuple[VenuePosition, ...] | None
    kept: tuple[VenueOrder, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Return whether the orders could be read at the end and none of them works but stops that were kept."""
        return not self.failure and not any(line.still_works for line in self.orders)


class CancelSweep:
    """Cancels the working orders at the venue of `broker`, within the venue's rate limit.

    GTT orders and stops that only close a position are kept, unless `with_stops`. A stop of a position that the venue
    does not tell, or that could not be read, is cancelled.
    """

    def __init__(self, broker: CancelBroker, clock: Clock, *, with_stops: bool = False) -> None:
        self._broker, self._clock, self._with_stops = broker, clock, with_stops
        self._held: tuple[VenuePosition, ...] | None = None  # as last read, None before that
        self._kept: tuple[VenueOrder, ...] = ()  # of the last poll
        self._limiter = Limiter(CANCEL_RATES, clock)
        self._found: dict[str, CancelledOrder] = {}  # venue_order_id -> what is known of an order that was working
        self._cancelled_at: dict[str, int] = {}  # venue_order_id -> monotonic ns of its last cancel

    async def cancel_until_clean(self, *, within_s: float) -> SweepReport:
        """Cancel and poll until two polls in a row find no working order, or until `within_s` seconds are over.

        Raises AccessDenied if the venue refuses the credentials.
        """
        deadline = self._clock.monotonic_ns() + int(within_s * SECOND)
        clean, failure = 0, "the book was not read"
        while clean < CLEAN_POLLS:
            try:
                listed = await self._broker.fetch_orders()
                failure = _unread(listed)
            except LinkLost as error:
                # -1, because it is counted up below: a poll that failed is not a clean one.
                listed, failure, clean = None, str(error), -1
            is_over = self._clock.monotonic_ns() > deadline
            works = listed is not None and await self._cancel_listed(listed, is_over=is_over)
            clean = 0 if works else clean + 1
            if is_over:
                break
            if clean < CLEAN_POLLS:
                await self._clock.sleep(CLEAN_POLL_GAP_S if clean else POLL_INTERVAL_S)
        positions = await self._positions()
        return SweepReport(orders=tuple(self._found.values()), failure=failure, positions=positions, kept=self._kept)

    async def _cancel_listed(self, listed: Iterable[VenueOrder], *, is_over: bool) -> bool:
        # Returns whether an order works that is not kept. Nothing waits for the positions but the stops.
        working = [order for order in listed if order.status in WORKING_STATUSES]
        kept_ids, stops, others = {order.venue_order_id for order in self._kept}, list[VenueOrder](), list[VenueOrder]()
        for order in working:
            (stops if self._may_stay(order, kept_ids) else others).append(order)
        self._note(others, listed)
        await self._cancel_all([] if is_over else others)
        self._kept = await self._choose_kept(stops)
        kept_ids = {order.venue_order_id for order in self._kept}
        unkept = [order for order in stops if order.venue_order_id not in kept_ids]
        self._note(unkept, listed)
        await self._cancel_all([] if is_over else unkept)
        return bool(others or unkept)

    def _may_stay(self, order: VenueOrder, kept_ids: set[str]) -> bool:
        # A stop to which a cancel was sent is not kept any more: it may be gone. One that triggers now closes.
        waits = order.gtt is not None or order.status is VenueOrderStatus.PENDING_TRIGGER
        id_ = order.venue_order_id
        return (waits or id_ in kept_ids) and not self._with_stops and id_ not in self._cancelled_at

    async def _choose_kept(self, waiting: list[VenueOrder]) -> tuple[VenueOrder, ...]:
        # Read again at each poll: an order that fills meanwhile may close what a stop guards.
        if any(order.gtt is None for order in waiting) and (held := await self._positions()) is not None:
            self._held = held
        return tuple(_closing_only(waiting, self._held or ()))

    def _note(self, working: Iterable[VenueOrder], listed: Iterable[VenueOrder]) -> None:
        # `working` are to be cancelled. What was found before is brought up to date.
        for order in working:
            self._found.setdefault(order.venue_order_id, CancelledOrder(order=order, cancels_sent=0, answer=""))
        for order in listed:
            if (line := self._found.get(order.venue_order_id)) is not None:
                self._found[order.venue_order_id] = line._replace(order=order)

    def _is_due(self, order: VenueOrder) -> bool:
        before = self._cancelled_at.get(order.venue_order_id)
        return before is None or self._clock.monotonic_ns() - before > RETRY_AFTER_S * SECOND

    async def _cancel_all(self, orders: list[VenueOrder]) -> None:
        places = asyncio.Semaphore(MAX_CONCURRENT_CANCELS)

        async def one(order: VenueOrder) -> None:
            async with places:
                await self._cancel(order)

        async with asyncio.TaskGroup() as tasks:
            for order in filter(self._is_due, orders):
                tasks.create_task(one(order), name=f"cancel-{order.venue_order_id}")

    async def _cancel(self, order: VenueOrder) -> None:
        id_ = order.venue_order_id
        await self._limiter.acquire("change", is_exit=True, within_s=MAX_RATE_WAIT_S)
        self._cancelled_at[id_] = self._clock.monotonic_ns()
        try:
            reply = await self._broker.cancel(order_id=order.tag, venue_order_id=id_)
        except (OutcomeUnknown, LinkLost, AccessDenied) as error:
            answer = str(error)
        else:
            answer = "accepted" if isinstance(reply, Accepted) else reply.reason
        self._found[id_] = self._found[id_]._replace(cancels_sent=self._found[id_].cancels_sent + 1, answer=answer)

    async def _positions(self) -> tuple[VenuePosition, ...] | None:
        try:
            return tuple(position for position in await self._broker.fetch_positions() if position.quantity)
        except (LinkLost, AccessDenied):
            return None


def _unread(listed: VenueRows[VenueOrder]) -> str:
    # An unreadable order may be working. All readable orders are cancelled, but the result is not clean.
    if not listed.unread:
        return ""
    names = ", ".join(row.venue_order_id or row.symbol or "one without an id" for row in listed.unread[:5])
    return f"{len(listed.unread)} orders of it cannot be read ({names}): look at them in the broker's app"


def _closing_only(stops: Iterable[VenueOrder], held: Iterable[VenuePosition]) -> list[VenueOrder]:
    # GTT orders, and the first stops of each position that together close no more than all of it.
    left: dict[tuple[str, str, str, Side], Decimal] = {}
    for position in held:
        side = Side.SELL if position.quantity > 0 else Side.BUY
        left[position.exchange, position.symbol, position.product, side] = abs(position.quantity)
    kept = []
    for order in stops:
        key = order.exchange, order.symbol, order.product, order.side
        rest = left.get(key, ZERO) - (order.quantity - order.filled)
        if order.gtt is not None or rest >= 0:
            kept.append(order)
        if order.gtt is None and rest >= 0:
            left[key] = rest
    return kept
