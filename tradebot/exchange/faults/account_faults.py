"""Faults inside the exchange: orders it rejects or ends, cancels it ignores, and orders from outside our daemon.

They work through the hooks of the given exchange. Without them those hooks do nothing.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import partial

from tradebot.clock import SECOND, Clock
from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import Side
from tradebot.domain.products import INTRADAY
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan, InjectedFault
from tradebot.exchange.faults.people_faults import closing_ticket, market_ticket
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import BookOrder, BookStatus, PlacedBy, Ticket, kind_has_trigger

REJECTED = "RMS: the order was rejected by the exchange: price outside the execution range"
SHORTENED = "the rest was cancelled by the exchange"
BY_BROKER = "cancelled by the broker"
STOPPED = "cancelled by the exchange: the trigger lies outside the execution range"
HALTED = "Trading is halted by the exchange."
NO_STOPS = "RMS:Rule: Stop loss orders are blocked for this session."
BARRED = "RMS:Blocked for intraday: the product is not allowed in this instrument"
ONE_SHARE = Decimal(1)


class AccountFaults:
    """Commits the faults of a plan inside one exchange."""

    def __init__(self, plan: FaultPlan, exchange: Exchange, clock: Clock) -> None:
        self._plan, self._exchange, self._clock = plan, exchange, clock
        self._halted_until = 0  # monotonic ns
        self._takes_no_stops = False
        self._barred = ""  # the symbol in which no order is accepted
        exchange.hooks.refusal_reasons.append(self._refuse)
        exchange.hooks.rejection_reason = self._reject
        exchange.hooks.swallows_cancel = self._takes_cancel
        exchange.hooks.on_minute.append(self._minute)

    def _refuse(self, ticket: Ticket) -> str:
        if self._clock.monotonic_ns() < self._halted_until:
            return HALTED
        if self._takes_no_stops and kind_has_trigger(ticket.kind):
            return NO_STOPS
        return BARRED if ticket.symbol == self._barred else ""

    def _reject(self, order: BookOrder) -> str:
        ticket = order.ticket
        fault = self._plan.draw_fault("exchange.enter", tag=ticket.tag, symbol=ticket.symbol, order_id=order.order_id)
        if fault is None:
            return ""
        if fault.name == "accepted-then-rejected":
            return REJECTED
        end = partial(self._exchange.withdraw_order, order.order_id, SHORTENED)
        self._exchange.schedule_call(fault.duration_s * fault.draw, end)
        return ""

    def _takes_cancel(self, order_id: str) -> bool:
        tag = self._exchange.order_history(order_id)[-1].ticket.tag
        fault = self._plan.draw_fault("exchange.cancel", tag=tag, order_id=order_id)
        if fault is None:
            return False
        if fault.name == "fill-after-cancel":
            self._exchange.schedule_call(max(fault.duration_s * fault.draw, 0.2), partial(self._fill_late, order_id))
            return False
        return True

    def _fill_late(self, order_id: str) -> None:
        order = self._exchange.order_history(order_id)[-1]
        if order.status is BookStatus.CANCELLED and order.filled < order.ticket.quantity:
            self._exchange.fill_ended_order(order_id, order.ticket.quantity - order.filled)

    def _minute(self, _: int) -> None:
        fault = self._plan.draw_fault("exchange.minute")
        match fault.name if fault else "":
            case "mass-cancel":
                for order in self._working():
                    self._exchange.withdraw_order(order.order_id, BY_BROKER)
            case "stop-cancelled":
                for order in self._working():
                    if kind_has_trigger(order.ticket.kind) and not order.triggered:
                        self._exchange.withdraw_order(order.order_id, STOPPED)
            case "no-stops":
                self._takes_no_stops = True
            case "square-off":
                self._square_off()
            case "manual-order" if fault is not None:
                self._buy_one(fault)
            case "manual-cancel" if fault is not None:
                self._cancel_one(fault)
            case "trading-halt" if fault is not None:
                self._halted_until = self._clock.monotonic_ns() + int(fault.duration_s * SECOND)
            case "barred-symbol" if fault is not None:
                symbols = self._exchange.universe.symbols
                self._barred = self._barred or symbols[int(fault.draw * len(symbols))]
            case "overfill":
                self._overfill()

    def _working(self) -> list[BookOrder]:
        return [order for order in self._exchange.latest_orders() if not order.is_ended]

    def _square_off(self) -> None:
        for row in self._exchange.account.net_positions():
            if row.quantity and row.product == INTRADAY:
                self._place(closing_ticket(row))

    def _buy_one(self, fault: InjectedFault) -> None:
        shares = [i for i in self._exchange.universe if i.kind is InstrumentKind.EQUITY]
        if shares:
            share = shares[int(fault.draw * len(shares))]
            self._place(market_ticket(share.exchange, share.symbol, Side.BUY, ONE_SHARE, INTRADAY, PlacedBy.OWNER))

    def _cancel_one(self, fault: InjectedFault) -> None:
        if working := self._working():
            with suppress(ExchangeRefusal):
                self._exchange.cancel_order(working[int(fault.draw * len(working))].order_id)

    def _overfill(self) -> None:
        done = [order for order in self._exchange.latest_orders() if order.status is BookStatus.COMPLETE]
        if done:
            self._exchange.fill_ended_order(done[-1].order_id, ONE_SHARE)

    def _place(self, ticket: Ticket) -> None:
        with suppress(ExchangeRefusal):  # the exchange may refuse it like any other order
            self._exchange.place_order(ticket)
