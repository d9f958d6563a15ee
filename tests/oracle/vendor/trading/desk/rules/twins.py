"""Fills that were told twice under two ids: booked both, as every fill is, and taken back once the books say which.

A venue may give one trade two ids, on the stream and in a list, or in one answer and not in the next. Both are booked,
the order is filled beyond its quantity and its symbol halted. When the venue's whole books have for a while known
nothing of one of them, while its like is listed, the order's cumulative quantity is that of the listed ones, and the
position is ours without it, it was never a trade.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import ZERO, Fill, Order, OrderEventType, OrderEvent
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.rules.shortfalls import fill_fact
from tests.oracle.vendor.trading.desk.rules.unread import UnreadOrders

TAKEN_BACK = "told beside its like under another id; the venue's fills, orders and positions know nothing of it"
MATCHED_FOR = 5 * SECOND  # that the books must say the same before a fill is taken back


class Twins:
    """Looks for fills that the venue's books know nothing of any more, beside their likes, in one blotter."""

    def __init__(self, blotter: Blotter) -> None:
        self._blotter = blotter
        self._since: dict[str, int] = {}  # symbol -> asked_at of the first books without the fills in excess

    def look_wanted_at(self) -> int | None:
        """Return the monotonic time from which a look may settle an excess, None without one."""
        return min(self._since.values()) + MATCHED_FOR if self._since else None

    def taken_back(self, books: AccountSnapshot, unread: UnreadOrders, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the reversals of what the books have not known for long enough; what may be unread is not unknown."""
        found: dict[str, list[tuple[Order, Fill]]] = defaultdict(list)
        for order, execution in self._unlisted(books):
            if books.unknown_position_reason(order.symbol) or unread.may_fill(order):
                continue
            found[order.symbol].append((order, execution))
        if not found and not self._since:
            return []
        net = books.net_quantities()
        since, facts = dict[str, int](), list[OrderEvent]()
        for symbol, pairs in found.items():
            excess = sum((e.quantity * e.side.sign for _, e in pairs), ZERO)
            ours = self._blotter.positions.of(symbol)
            if ours.quantity - excess != self._blotter.external.of_ours(ours.key.netting_key, net):
                continue
            since[symbol] = self._since.get(symbol, books.asked_at)
            if books.asked_at - since[symbol] > MATCHED_FOR:
                del since[symbol]
                facts += [fill_fact(o.order_id, OrderEventType.REVERSED, e, at, mono, TAKEN_BACK) for o, e in pairs]
        self._since = since
        return facts

    def _unlisted(self, books: AccountSnapshot) -> Iterator[tuple[Order, Fill]]:
        listed: set[tuple[str, str]] | None = None
        for shown in books.orders:
            order = self._blotter.orders.get(self._blotter.by_venue.get(shown.venue_order_id, ""))
            if order is None or len(order.fills) < 2 or order.filled <= shown.filled:
                continue
            if listed is None:
                listed = {execution.fill_key for execution in books.fills}
            yield from ((order, execution) for execution in _without_trade(order, listed, shown.filled))


def _without_trade(order: Order, listed: set[tuple[str, str]], filled: Decimal) -> list[Fill]:
    # The fills that are not listed, where each has its like among those that are and make up what was filled.
    there = [e for e in order.fills if e.fill_key in listed]
    gone = [e for e in order.fills if e.fill_key not in listed]
    is_whole = sum((e.quantity for e in there), ZERO) == filled
    return gone if is_whole and all(_has_like(execution, there) for execution in gone) else []


def _has_like(execution: Fill, there: Sequence[Fill]) -> bool:
    return any(execution.is_same_trade(e) and execution.traded_at == e.traded_at for e in there)
