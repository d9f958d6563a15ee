"""The broker's risk desk: cancels intraday orders late in the day and squares off the positions that are still open.

It looks once a minute of market time, and tries again while something is left. Simplifications, and in whose favour
each errs:
* its fee for each order is not charged: for the trader;
* its time is the same each day, where a real desk acts earlier in a volatile market: for the trader.
"""

from __future__ import annotations

from contextlib import suppress

from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO
from tradebot.domain.products import INTRADAY
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.people_faults import closing_ticket
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import BookStatus, PlacedBy, Ticket

CANCELLED_REASON = "cancelled by the broker: intraday positions are squared off"
TOO_LATE = "RMS: fresh intraday orders are not allowed after the square-off time"


class RiskDesk:
    """Squares off the intraday positions of one exchange's account; `acts_at` is its market ns by instrument id."""

    def __init__(self, exchange: Exchange, acts_at: Ints) -> None:
        self._exchange, self._acts_at = exchange, acts_at
        self._at = 0  # market ns of the last look
        exchange.hooks.refusal_reasons.append(self._refuse)
        exchange.hooks.on_minute.append(self.square_off)

    def square_off(self, at: int) -> None:
        """Cancel what works in the instruments whose time has come by `at` (market ns), then close what is open."""
        self._at = at
        on_its_way = set[str]()  # symbols in which an order of the desk has not reached the exchange yet
        for order in self._exchange.latest_orders():
            if order.ticket.hand is PlacedBy.BROKER and order.status is BookStatus.RECEIVED:
                on_its_way.add(order.ticket.symbol)
            elif not order.is_ended and order.ticket.product == INTRADAY and self._is_due(order.ticket.symbol):
                self._exchange.withdraw_order(order.order_id, CANCELLED_REASON)
        for row in self._exchange.account.net_positions():
            is_open = row.quantity and row.product == INTRADAY and row.symbol not in on_its_way
            if not is_open or not self._is_due(row.symbol):
                continue
            # The exchange may refuse it like any other order; the next minute tries again.
            with suppress(ExchangeRefusal):
                self._exchange.place_order(closing_ticket(row))

    def _is_due(self, symbol: str) -> bool:
        universe = self._exchange.universe
        return symbol in universe and self._at >= int(self._acts_at[universe.id_of(symbol)])

    def _refuse(self, ticket: Ticket) -> str:
        is_fresh = ticket.product == INTRADAY and ticket.hand is not PlacedBy.BROKER and not self._closes(ticket)
        return TOO_LATE if is_fresh and self._is_due(ticket.symbol) else ""

    def _closes(self, ticket: Ticket) -> bool:
        listing = (ticket.exchange, ticket.symbol, ticket.product)
        rows = self._exchange.account.net_positions()
        held = sum((row.quantity for row in rows if (row.exchange, row.symbol, row.product) == listing), ZERO)
        return held * ticket.side.sign < 0 and ticket.quantity <= abs(held)
