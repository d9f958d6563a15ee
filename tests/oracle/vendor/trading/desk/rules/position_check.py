"""Position check: compares the venue's net quantity per netting key with ours, and follows external orders there."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.messages import ReconciliationResult, ReleasedPosition
from tradebot.domain.order import OrderEventType
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.book.external_positions import order_netting_key
from tests.oracle.vendor.trading.desk.decisions import (
    NOTHING,
    AttributePositions,
    BlockSymbol,
    CancelOrder,
    Decision,
    Decisions,
    Reconcile,
    ReleasePosition,
    SetUnaccounted,
)

STALENESS_EVENTS = frozenset((OrderEventType.LINK_LOST, OrderEventType.LINK_BACK))  # say nothing about the order itself


class PositionCheck:
    """Blocks entries in a symbol for as long as its position at the venue is not accounted for."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_reconcile(self, decision: Reconcile) -> Iterator[Decision]:
        """Attribute the venue's net quantities, release what others closed of ours, and report what is unexplained."""
        book, external = self._book, self._book.external
        yield AttributePositions(decision.books, decision.is_start)
        released = tuple(self._released_parts())
        for part in released:
            yield ReleasePosition(part)
        differences = self._differences(decision)
        yield SetUnaccounted(external.unsettled_symbols() | differences)
        for symbol in list(book.positions.open) if external else ():
            yield from self._cancel_excess_exits(symbol)
        yield ReconciliationResult(
            at=book.conditions.now,
            differences=tuple(differences.values()),
            cash=decision.books.cash,
            external=external.as_messages(book.settings.venue),
            released=released,
        )

    def on_change(self, change: OrderChange) -> Decisions:
        """Note an event of an external order: it limits our exits at once.

        Where we trade too, no entry leaves until a snapshot accounts for the order.
        """
        return NOTHING if change.event.type in STALENESS_EVENTS else self._on_external_order(change)

    def _on_external_order(self, change: OrderChange) -> Iterator[Decision]:
        order = change.after
        netting_key, request = order_netting_key(order), order.request
        if self._book.is_traded_key(netting_key):
            what = f"{request.side} {order.quantity:f} {request.product}"
            yield BlockSymbol(netting_key, f"an order placed elsewhere ({what}) is not settled yet")
        yield from self._cancel_excess_exits(request.symbol)

    def _cancel_excess_exits(self, symbol: str) -> Iterator[Decision]:
        # Cancel the exits of a symbol if they may close more than is ours to close: external orders have closed part of
        # the position, or still may.
        exposure, blotter, position = (
            self._book.exposure,
            self._book.blotter,
            self._book.positions.open.get(symbol),
        )
        if position is None or not exposure.has_live_order(symbol):
            return
        if exposure.closing_quantity(symbol) <= abs(self._book.external.closable_quantity(position, is_sure=True)):
            return
        for order in blotter.live_orders(symbol):
            if order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "others close what it was to close")

    def _differences(self, decision: Reconcile) -> dict[str, str]:
        book, external = self._book, self._book.external
        found = {
            row.symbol: f"{row.symbol}: the venue's position cannot be read: {row.reason}"
            for row in decision.books.unread
            if row.book == "positions" and row.symbol in book.universe
        }
        for netting_key, rest in sorted(external.unexplained_rests().items()):
            exchange, symbol, product = netting_key
            ours = book.positions.netted_quantity(netting_key)
            others = external.quantities[netting_key] - rest  # the external quantity that is explained
            theirs = f", {others:f} placed elsewhere" if others else ""
            found[symbol] = (
                f"{exchange}:{symbol} {product}: the venue holds {ours + others + rest:f}, the journal {ours:f}{theirs}"
            )
        return found

    def _released_parts(self) -> Iterator[ReleasedPosition]:
        book = self._book
        for position in list(book.positions.by_key.values()):
            if position.quantity and (lost := book.external.lost_quantity(position)):
                price = book.marks.last_price_of(position.key) or position.average_price
                yield ReleasedPosition(key=position.key, quantity=lost, price=price, at=book.conditions.now)
