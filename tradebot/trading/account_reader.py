"""The account reader: the venue's orders, fills, positions, holdings and cash as one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.clock import MINUTE, Clock
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import ZERO, VenueHolding
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import CashNotRead, HoldingsNotRead, RowsNotRead
from tradebot.ops.reminder import Reminder
from tradebot.venues.venue import Broker

CONSISTENT_TRIES, CONSISTENT_PAUSE_S = 4, 0.5
ROWS_NAMED = 3  # unreadable rows named in one event
HOLDINGS_EVERY_NS = MINUTE
UNREAD_REMEMBERED = 10_000  # unreadable rows remembered, so that each is counted once


class AccountReader:
    """Reads account snapshots. A row that cannot be read is reported and does not affect the others."""

    def __init__(self, broker: Broker, clock: Clock, tell: EventListener) -> None:
        self._broker, self._clock, self._tell = broker, clock, tell
        self._reminder = Reminder()
        self._unread: dict[UnreadRow, None] = {}  # unreadable rows, each once
        # The holdings read last, and when (monotonic ns)
        self._held: tuple[VenueRows[VenueHolding], int] | None = None
        self.unread_count = 0  # unreadable rows so far; a repeated row counts once

    async def read_snapshot(self) -> AccountSnapshot:
        """Read one account snapshot. Raises LinkLost or AccessDenied."""
        asked_at = self._clock.monotonic_ns()
        orders = await self._broker.fetch_orders()
        fills = await self._broker.fetch_fills()
        positions = await self._broker.fetch_positions()
        holdings = await self._holdings()
        unread = (*orders.unread, *fills.unread, *positions.unread, *holdings.unread)
        if unread:
            self._report_unread(unread)
        return AccountSnapshot(
            asked_at=asked_at,
            orders=tuple(orders),
            fills=tuple(fills),
            positions=tuple(positions),
            cash=await self._cash(),
            unread=unread,
            holdings=tuple(holdings),
        )

    async def read_consistent(self) -> AccountSnapshot:
        """Read account snapshots until orders and fills agree; return the last. Raises LinkLost or AccessDenied.

        It is for the start, when no order of ours is on its way. A listed fill whose order is not listed means that the
        list of orders was cut short or is older than the fills. Another snapshot is read; if the last one lacks the
        order too, LinkLost is raised. An order may also report more filled than its listed fills add up to. Then
        another snapshot is read too, but the last one is accepted, because venues list fills late. An order with an
        unreadable row counts as listed, and its fills are not compared.
        """
        for attempt in range(CONSISTENT_TRIES):
            if attempt:
                await self._clock.sleep(CONSISTENT_PAUSE_S)
            snapshot = await self.read_snapshot()
            unread_ids = {row.venue_order_id for row in snapshot.unread if row.book in ("orders", "trades")}
            unlisted = {order.venue_order_id: order.filled for order in snapshot.orders}
            for e in snapshot.fills:
                unlisted[e.venue_order_id] = unlisted.get(e.venue_order_id, ZERO) - e.quantity
            if "" in unread_ids or not any(rest for id_, rest in unlisted.items() if id_ not in unread_ids):
                return snapshot
        listed = {order.venue_order_id for order in snapshot.orders} | unread_ids
        if orphan_fill := next((e for e in snapshot.fills if e.venue_order_id not in listed), None):
            raise LinkLost(f"the venue tells of fill {orphan_fill.execution_id} and does not list its order")
        return snapshot

    async def _holdings(self) -> VenueRows[VenueHolding]:
        # Holdings change only overnight and matter only for the product delivery, so an answer of the last minute will
        # do.
        now = self._clock.monotonic_ns()
        if self._held is None or now - self._held[1] >= HOLDINGS_EVERY_NS:
            try:
                self._held = await self._broker.fetch_holdings(), now
            except LinkLost as error:
                if times := self._times("holdings"):
                    self._tell(HoldingsNotRead(reason=str(error), times=times))
                if self._held is None:
                    return VenueRows((), (UnreadRow(book="holdings", reason=str(error)),))
        return self._held[0]

    async def _cash(self) -> Decimal | None:
        # Cash is shown to people and decides nothing, so a snapshot is complete without it.
        try:
            return await self._broker.fetch_cash()
        except (LinkLost, AccessDenied) as error:
            if isinstance(error, LoginLost):
                raise
            if times := self._times("cash"):
                self._tell(CashNotRead(reason=str(error), times=times))
            return None

    def _report_unread(self, unread: Sequence[UnreadRow]) -> None:
        new_rows = [row for row in unread if row not in self._unread]
        self._unread |= dict.fromkeys(new_rows)
        while len(self._unread) > UNREAD_REMEMBERED:
            del self._unread[next(iter(self._unread))]
        self.unread_count += len(new_rows)
        names = [_named(row) for row in unread[:ROWS_NAMED]]
        if times := self._times(f"{len(unread)} rows, {names}"):
            self._tell(RowsNotRead(rows=len(unread), some=names, times=times))

    def _times(self, thing: str) -> int:
        return self._reminder.due_count(thing, self._clock.monotonic_ns())


def _named(row: UnreadRow) -> str:
    names = (row.venue_order_id, row.tag, row.exchange, row.symbol, row.product)
    return f"{row.book}: {' '.join(name for name in names if name) or 'a row without a name'}: {row.reason}"
