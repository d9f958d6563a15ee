"""The rules of a desk, and in which order they are asked about each message; the order is behaviour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    BrokerSession,
    ClockTick,
    Command,
    FillReport,
    LinkDown,
    LinkUp,
    OrderReport,
    RequestResult,
    Signals,
)
from tradebot.domain.order import OrderEventType
from tradebot.trading.desk.book.book import Book, OrderChange
from tradebot.trading.desk.decisions import (
    ApplyCommand,
    CancelOrder,
    ClosePosition,
    ClosePositions,
    Decisions,
    ForgetPosition,
    Reconcile,
    ReleasePosition,
)
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.placing.requests import OrderRequests
from tradebot.trading.desk.rules.cancels import Cancels
from tradebot.trading.desk.rules.commands import Commands
from tradebot.trading.desk.rules.daily_loss import DailyLoss
from tradebot.trading.desk.rules.day_orders import DayOrders
from tradebot.trading.desk.rules.entries import Entries
from tradebot.trading.desk.rules.exits import Exits
from tradebot.trading.desk.rules.fill_check import FillCheck
from tradebot.trading.desk.rules.order_invariants import OrderInvariants
from tradebot.trading.desk.rules.other_daemons import OtherDaemons
from tradebot.trading.desk.rules.position_check import PositionCheck
from tradebot.trading.desk.rules.reject_breaker import RejectBreaker
from tradebot.trading.desk.rules.repricing import Repricing
from tradebot.trading.desk.rules.resting_requests import RestingRequests
from tradebot.trading.desk.rules.resting_stops import RestingStops
from tradebot.trading.desk.rules.square_off import SquareOff
from tradebot.trading.desk.rules.stop_levels import StopLevels
from tradebot.trading.desk.rules.venue_links import VenueLinks
from tradebot.trading.desk.rules.venue_reports import VenueReports

Subscriber = Callable[[Any], Decisions]
FILL_EVENTS = frozenset((OrderEventType.EXECUTED,))
ALL_EVENTS = frozenset(OrderEventType)
# All but the two events of an order on its way to the venue: they neither end nor fill it.
NOT_IN_TRANSIT = ALL_EVENTS - {OrderEventType.SENDING, OrderEventType.ACCEPTED}


class Ruleset:
    """Every rule of one desk.

    `subscribers` holds the rules to ask about a message or a decision, `change_subscribers` those to ask about an order
    event; both in order. A new rule gets its line in one of the two, with the reason for its place. A rule that acts on
    prices at a tick needs more: a backtest ticks only where something can happen, see `backtest/daily_loss_scan.py`.
    """

    def __init__(
        self,
        book: Book,
        requests: OrderRequests,
        placement: Placement,
        *,
        absent_after_s: float,
        absence_is_proof: bool,
    ) -> None:
        self.entries = Entries(book, requests)
        self.exits = Exits(book, requests, placement)
        self.stop_levels = StopLevels(book)
        self.resting_stops = RestingStops(
            book, RestingRequests(book, requests, self.stop_levels), placement, self.stop_levels
        )
        self.daily_loss = DailyLoss(book)
        self.reject_breaker = RejectBreaker(book)
        self.venue_links = VenueLinks(book)
        self.venue_reports = VenueReports(book, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof)
        self._cancels, self._repricing = Cancels(book), Repricing(book, requests, placement)
        self._positions = PositionCheck(book)
        self.subscribers = self._message_subscribers(book)
        self._of_ours, self._of_others = self._event_subscribers(book)

    def change_subscribers(self, change: OrderChange) -> tuple[Subscriber, ...]:
        """Return the rules to ask about an order event that is in the book, in order."""
        return self._of_others if change.after.is_external else self._of_ours[change.event.type]

    def _event_subscribers(
        self, book: Book
    ) -> tuple[dict[OrderEventType, tuple[Subscriber, ...]], tuple[Subscriber, ...]]:
        # For our orders by type of event, and for orders placed elsewhere.
        own_rules: tuple[tuple[Subscriber, frozenset[OrderEventType]], ...] = (
            (self.exits.on_change, NOT_IN_TRANSIT),  # counts refusals before another rule sends the exit again
            (self.venue_reports.on_change, ALL_EVENTS),  # notes missing fills before a halt or a cancel leads to more
            (OrderInvariants(book).on_change, ALL_EVENTS),  # reports a violation before its consequences
            (FillCheck(book).on_change, FILL_EVENTS),
            (self.stop_levels.on_change, FILL_EVENTS),  # after the incidents of a fill: sets stops for what it opened
            # After the levels: a fill that needs a resting stop. A backtest, in which none rests, pays for each rule.
            *(((self.resting_stops.on_change, NOT_IN_TRANSIT),) if self.resting_stops.is_on else ()),
            (self.reject_breaker.on_change, NOT_IN_TRANSIT),
            (self._cancels.on_change, ALL_EVENTS),  # last: a halt just before may have cancelled the order already
        )
        by_event = {
            event_type: tuple(rule for rule, events in own_rules if event_type in events)
            for event_type in OrderEventType
        }
        return by_event, (self.venue_reports.on_change, self._positions.on_change)

    def _message_subscribers(self, book: Book) -> dict[type, tuple[Subscriber, ...]]:
        reports, links, levels, cancels = self.venue_reports, self.venue_links, self.stop_levels, self._cancels
        rests, others = self.resting_stops, OtherDaemons(book)
        guards = (rests.on_tick,) if rests.is_on else ()
        is_alone = not book.settings.watches_other_daemons  # nothing else can trade the account, or a run is replayed
        return {
            Quotes: (levels.on_quotes,),
            Signals: (self.entries.on_signals,),
            ClockTick: (
                levels.on_tick,
                reports.on_tick,  # first: the fills inferred here change what the rules below see
                self.daily_loss.on_tick,
                SquareOff(book).on_tick,  # after the daily loss, whose flatten it carries out
                self.exits.on_tick,  # after the rules that request exits
                *guards,  # after the exits: leaves what is being closed
                self._repricing.on_tick,  # last: an exit sent on this tick is not late yet
            ),
            # Halts before what the other's order leads to is decided.
            OrderReport: (*(() if is_alone else (others.on_order_report,)), reports.on_order_report),
            FillReport: (reports.on_fill_report,),
            RequestResult: (
                reports.on_request_result,
                self._repricing.on_request_result,
                rests.on_request_result,
                cancels.on_request_result,
            ),
            # The snapshot is booked first; differences are judged after that.
            Reconcile: (
                *(() if is_alone else (others.on_reconcile,)),
                reports.on_reconcile,
                cancels.on_reconcile,
                DayOrders(book).on_reconcile,
                links.on_reconcile,
                self._positions.on_reconcile,
            ),
            LinkDown: (links.on_link,),
            LinkUp: (links.on_link,),
            BrokerSession: (links.on_login,),
            Command: (Commands(book).on_command, levels.on_command, rests.on_command),
            CancelOrder: (cancels.on_cancel_order,),
            ClosePosition: (self.exits.on_close_position,),
            ClosePositions: (self.exits.on_close_positions,),
            ApplyCommand: (cancels.on_apply_command, self.reject_breaker.on_apply_command),
            ForgetPosition: (levels.on_forget_position,),
            ReleasePosition: (levels.on_release_position,),
        }
