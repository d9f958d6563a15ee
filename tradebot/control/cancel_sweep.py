"""The kill switch's second half: takes back every working order at the venue and looks until the book is clean.

Nothing of the daemon is used here, neither its journal nor its memory: what the venue lists is what is cancelled, by
its own ids, whoever placed it. A cancel may be asked again: it can end an order once only.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from tradebot.clock import SECOND, Clock
from tradebot.domain.order import VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import AccessDenied, LinkLost, OutcomeUnknown
from tradebot.venues.limiter import Limiter, RateWindow, rate_windows
from tradebot.venues.venue import Accepted, Reply

WORKING_STATUSES = frozenset({VenueOrderStatus.ACKED, VenueOrderStatus.OPEN, VenueOrderStatus.PENDING_TRIGGER})
# The venue's own rates: nobody else sends now, and twenty cancels shall leave within two seconds. The venue counts when
# they arrive, so a little is added to the second.
CANCEL_RATES: tuple[RateWindow, ...] = rate_windows(("change", 10, 1.05, 0))
MAX_CONCURRENT_CANCELS = 10
MAX_RATE_WAIT_S = 2.0  # no more than AT_ONCE wait for a place
POLL_INTERVAL_S = 0.25
RETRY_AFTER_S = 1.0  # an order that still works this long after a cancel is asked for again
CLEAN_POLLS = 2  # an order that was on its way when the halt was written shows up in the second
CLEAN_POLL_GAP_S = 1.0


class CancelBroker(Protocol):
    """What is needed of a broker."""

    async def fetch_orders(self) -> VenueRows[VenueOrder]: ...

    async def fetch_positions(self) -> VenueRows[VenuePosition]: ...

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply: ...


class CancelledOrder(NamedTuple):
    """What became of one order that worked; `answer` is the venue's last word on its cancel."""

    order: VenueOrder
    cancels_sent: int
    answer: str

    @property
    def still_works(self) -> bool:
        return self.order.status in WORKING_STATUSES


class SweepReport(NamedTuple):
    """`orders` in the order the orders were found. `failure` says why the book could not be read at the end.

    `fetch_positions` are those still open, None when the venue did not tell.
    """

    orders: tuple[CancelledOrder, ...]
    failure: str
    positions: tuple[VenuePosition, ...] | None

    @property
    def is_clean(self) -> bool:
        return not self.failure and not any(line.still_works for line in self.orders)


class CancelSweep:
    """One sweep over the book of `broker`; see `cancel_until_clean`. Cancels keep to the venue's rate here."""

    def __init__(self, broker: CancelBroker, clock: Clock) -> None:
        self._broker, self._clock = broker, clock
        self._limiter = Limiter(CANCEL_RATES, clock)
        self._found: dict[str, CancelledOrder] = {}  # venue order id -> what is known
        self._asked_at: dict[str, int] = {}

    async def cancel_until_clean(self, *, within_s: float) -> SweepReport:
        """Cancel and look until two looks in a row find nothing working, or until the time is over.

        Raises AccessDenied when the venue refuses the credentials.
        """
        deadline = self._clock.monotonic_ns() + int(within_s * SECOND)
        clean, failure = 0, "the book was not read"
        while clean < CLEAN_POLLS:
            try:
                listed = await self._broker.fetch_orders()
                working, failure = self._note(listed), _unread(listed)
            except LinkLost as error:
                working, failure, clean = [], str(error), -1
            clean = 0 if working else clean + 1
            if self._clock.monotonic_ns() > deadline:
                break
            await self._cancel_all([order for order in working if self._is_due(order)])
            if clean < CLEAN_POLLS:
                await self._clock.sleep(CLEAN_POLL_GAP_S if clean else POLL_INTERVAL_S)
        return SweepReport(orders=tuple(self._found.values()), failure=failure, positions=await self._positions())

    def _note(self, orders: list[VenueOrder]) -> list[VenueOrder]:
        working = []
        for order in orders:
            id_ = order.venue_order_id
            if order.status in WORKING_STATUSES:
                working.append(order)
                self._found.setdefault(id_, CancelledOrder(order=order, cancels_sent=0, answer=""))
            if id_ in self._found:
                self._found[id_] = self._found[id_]._replace(order=order)
        return working

    def _is_due(self, order: VenueOrder) -> bool:
        before = self._asked_at.get(order.venue_order_id)
        return before is None or self._clock.monotonic_ns() - before > RETRY_AFTER_S * SECOND

    async def _cancel_all(self, orders: list[VenueOrder]) -> None:
        places = asyncio.Semaphore(MAX_CONCURRENT_CANCELS)

        async def one(order: VenueOrder) -> None:
            async with places:
                await self._cancel(order)

        async with asyncio.TaskGroup() as tasks:
            for order in orders:
                tasks.create_task(one(order), name=f"cancel-{order.venue_order_id}")

    async def _cancel(self, order: VenueOrder) -> None:
        id_ = order.venue_order_id
        await self._limiter.acquire("change", is_exit=True, within_s=MAX_RATE_WAIT_S)
        self._asked_at[id_] = self._clock.monotonic_ns()
        try:
            reply = await self._broker.cancel(order_id=order.tag, venue_order_id=id_)
        except (OutcomeUnknown, LinkLost, AccessDenied) as error:
            answer = str(error)
        else:
            answer = "accepted" if isinstance(reply, Accepted) else reply.reason
        self._found[id_] = self._found[id_]._replace(cancels_sent=self._found[id_].cancels_sent + 1, answer=answer)

    async def _positions(self) -> tuple[VenuePosition, ...] | None:
        # Only a courtesy, and last: nothing of the above may depend on it.
        try:
            return tuple(position for position in await self._broker.fetch_positions() if position.quantity)
        except (LinkLost, AccessDenied):
            return None


def _unread(listed: VenueRows[VenueOrder]) -> str:
    # What cannot be read may work: all that could be read is cancelled, and the book is not called clean.
    if not listed.unread:
        return ""
    names = ", ".join(row.venue_order_id or row.symbol or "one without an id" for row in listed.unread[:5])
    return f"{len(listed.unread)} orders of it cannot be read ({names}): look at them in the broker's app"
