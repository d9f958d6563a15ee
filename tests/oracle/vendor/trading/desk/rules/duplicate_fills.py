"""Duplicate fills: one trade reported under two ids is booked twice; the id that the venue does not list is reversed.

A venue may give one trade two ids, one on the stream and one in a list, or different ones in two answers. Both fills
are booked, so the order is overfilled and its symbol is halted. One of them is reversed if for `MATCHED_FOR_NS` every
snapshot agrees on four points: it does not list that fill; it lists the duplicate; its filled quantity of the order is
the sum of the listed fills; and its position is ours without that fill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import ZERO, Fill, Order, OrderEvent, OrderEventType
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.rules.missing_fills import fill_event
from tests.oracle.vendor.trading.desk.rules.unread_orders import UnreadOrders

REVERSAL_REASON = "told beside its like under another id; the venue's fills, orders and positions know nothing of it"
MATCHED_FOR_NS = 5 * SECOND  # how long snapshots must agree before a fill is reversed


class DuplicateFills:
    """Looks for fills in one blotter that the venue no longer lists while it lists their duplicates."""

    def __init__(self, blotter: Blotter) -> None:
        self._blotter = blotter
        self._since: dict[str, int] = {}  # symbol -> asked_at of the first snapshot without the duplicate fills

    def recheck_mono(self) -> int | None:
        """Return the monotonic ns from which a poll may settle an overfill, None without one."""
        return min(self._since.values()) + MATCHED_FOR_NS if self._since else None

    def reversal_events(
        self, snapshot: AccountSnapshot, unread: UnreadOrders, *, at: int, mono: int
    ) -> list[OrderEvent]:
        """Return the reversals of the fills that snapshots have shown to be duplicates for long enough.

        A fill that an unreadable row may stand for counts as listed. `at` is market ns, `mono` monotonic ns.
        """
        found: dict[str, list[tuple[Order, Fill]]] = defaultdict(list)
        for order, fill in self._unlisted(snapshot):
            if snapshot.unknown_position_reason(order.symbol) or unread.may_include_fill(order):
                continue
            found[order.symbol].append((order, fill))
        if not found and not self._since:
            return []
        net = snapshot.net_quantities()
        since, events = dict[str, int](), list[OrderEvent]()
        for symbol, pairs in found.items():
            excess = sum((e.quantity * e.side.sign for _, e in pairs), ZERO)
            ours = self._blotter.positions.position_of(symbol)
            if ours.quantity - excess != self._blotter.external.own_quantity(ours.key.netting_key, net):
                continue
            since[symbol] = self._since.get(symbol, snapshot.asked_at)
            if snapshot.asked_at - since[symbol] > MATCHED_FOR_NS:
                del since[symbol]
                events += [
                    fill_event(o.order_id, OrderEventType.REVERSED, e, at, mono, REVERSAL_REASON) for o, e in pairs
                ]
        self._since = since
        return events

    def _unlisted(self, snapshot: AccountSnapshot) -> Iterator[tuple[Order, Fill]]:
        # The duplicate fills of all orders that the snapshot shows with a smaller filled quantity than ours.
        listed: set[tuple[str, str]] | None = None  # built for the first such order: most snapshots have none
        for shown in snapshot.orders:
            order = self._blotter.orders.get(self._blotter.by_venue_id.get(shown.venue_order_id, ""))
            if order is None or len(order.fills) < 2 or order.filled <= shown.filled:
                continue
            if listed is None:
                listed = {fill.fill_key for fill in snapshot.fills}
            yield from ((order, fill) for fill in _unlisted_duplicates(order, listed, shown.filled))


def _unlisted_duplicates(order: Order, listed: set[tuple[str, str]], filled: Decimal) -> list[Fill]:
    # The unlisted fills, if each has a duplicate among the listed ones, and the listed ones add up to `filled`, the
    # venue's filled quantity of the order.
    there = [e for e in order.fills if e.fill_key in listed]
    gone = [e for e in order.fills if e.fill_key not in listed]
    is_complete = sum((e.quantity for e in there), ZERO) == filled
    return gone if is_complete and all(_has_duplicate(fill, there) for fill in gone) else []


def _has_duplicate(fill: Fill, there: Sequence[Fill]) -> bool:
    return any(fill.is_same_trade(e) and fill.traded_at == e.traded_at for e in there)
