"""The night of a session of two days: the end of the day at the exchange, and the times until the next day."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.order import Side
from tradebot.domain.products import DELIVERY
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.people_faults import closing_ticket, market_ticket
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import PlacedBy

# Of a night between two days: its begin as a share of the time of faults; the time without faults before it; the time
# in which the broker squares off; the time the exchange is closed; from the open until the daemon is started again.
EVENING_SHARE, QUIET_S, SQUARE_OFF_S, CLOSED_S, MORNING_S = 0.3, 3.5, 1.2, 1.5, 1.5
MORNING_WITH_LOGIN_S = 5.0  # the same where a person may log in before that start
UNATTENDED_MORNING_S = 5.0  # from the restart until an operator resumes what was halted the day before
CLOSED_REFUSAL = "Markets are closed right now."
DELIVERY_QUANTITY = Decimal(3)  # shares that the account's owner buys for delivery in the evening


class Night:
    """The night of a session of two days; `is_on` from the evening to the daemon's restart."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.evening, self.dawn = asyncio.Event(), asyncio.Event()
        self.opened = asyncio.Event()  # the exchange is open on the last day
        self.is_on = False
        self._loop, self._dawn_at_s = loop, 0.0  # loop time, s

    @property
    def is_unattended(self) -> bool:
        """True at night and early in the morning, when no operator is present."""
        return self.is_on or (self.dawn.is_set() and self._loop.time() < self._dawn_at_s + UNATTENDED_MORNING_S)

    def end_night(self) -> None:
        """End the night: the daemon may start again."""
        self.is_on, self._dawn_at_s = False, self._loop.time()
        self.dawn.set()


def close_exchange_day(exchange: Exchange, symbol: str) -> None:
    """Square off intraday positions and refuse new orders; the owner also buys shares of `symbol` for delivery."""
    tickets = [market_ticket(HOME_EXCHANGE, symbol, Side.BUY, DELIVERY_QUANTITY, DELIVERY, PlacedBy.OWNER)]
    for order in exchange.latest_orders():
        if not order.is_ended:
            exchange.withdraw_order(order.order_id, "cancelled by the broker")
    for row in exchange.account.net_positions():
        if row.quantity and row.product != DELIVERY and row.exchange == HOME_EXCHANGE:
            tickets.append(closing_ticket(row))
    for ticket in tickets:
        with suppress(ExchangeRefusal):
            exchange.place_order(ticket)
    exchange.hooks.refusal_reasons.append(lambda _: CLOSED_REFUSAL)
