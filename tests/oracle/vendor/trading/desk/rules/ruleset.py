"""The rules of a desk and their order, which is behaviour: who hears what, and who hears it first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    BrokerSession,
    Command,
    FillReport,
    LinkDown,
    LinkUp,
    OrderReport,
    RequestResult,
    Signals,
    ClockTick,
)
from tradebot.domain.order import OrderEventType
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import (
    CancelOrder,
    ClosePosition,
    ClosePositions,
    Decisions,
    Forget,
    Look,
    Release,
    Stand,
)
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests
from tests.oracle.vendor.trading.desk.rules.cancels import Cancels
from tests.oracle.vendor.trading.desk.rules.commands import Commands
from tests.oracle.vendor.trading.desk.rules.daily_loss import DailyLoss
from tests.oracle.vendor.trading.desk.rules.day_orders import DayOrders
from tests.oracle.vendor.trading.desk.rules.entries import Entries
from tests.oracle.vendor.trading.desk.rules.exits import Exits
from tests.oracle.vendor.trading.desk.rules.fill_check import FillCheck
from tests.oracle.vendor.trading.desk.rules.order_invariants import OrderInvariants
from tests.oracle.vendor.trading.desk.rules.position_check import PositionCheck
from tests.oracle.vendor.trading.desk.rules.reject_breaker import RejectBreaker
from tests.oracle.vendor.trading.desk.rules.repricing import Repricing
from tests.oracle.vendor.trading.desk.rules.square_off import SquareOff
from tests.oracle.vendor.trading.desk.rules.stop_levels import StopLevels
from tests.oracle.vendor.trading.desk.rules.venue_links import VenueLinks
from tests.oracle.vendor.trading.desk.rules.venue_reports import VenueReports

Hears = Callable[[Any], Decisions]
FILLS = frozenset((OrderEventType.EXECUTED,))
ALL = frozenset(OrderEventType)
NEWS = ALL - {OrderEventType.SENDING, OrderEventType.ACCEPTED}  # which neither end an order nor fill it


class Ruleset:
    """Every rule of one desk. `hears` is who is asked about a message or decision, `of_change` about a fact; in order.

    A rule that is to be added gets its line in one of the two, with the reason for its place. One that acts on prices
    at a tick needs more: a backtest ticks only where something can happen, see `backtest/loss.py`.
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
        self.exits = Exits(book, requests)
        self.stop_levels = StopLevels(book)
        self.daily_loss = DailyLoss(book)
        self.reject_breaker = RejectBreaker(book)
        self.venue_links = VenueLinks(book)
        self.venue_reports = VenueReports(book, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof)
        self._cancels, self._repricing = Cancels(book), Repricing(book, requests, placement)
        self._positions = PositionCheck(book)
        self.hears = self._hears(book)
        self._of_ours, self._of_others = self._changes(book)

    def of_change(self, change: OrderChange) -> tuple[Hears, ...]:
        """Return who is asked about a fact that is in the book, in order."""
        return self._of_others if change.after.is_external else self._of_ours[change.fact.type]

    def _changes(self, book: Book) -> tuple[dict[OrderEventType, tuple[Hears, ...]], tuple[Hears, ...]]:
        # Of an order of ours, by event, and of one placed elsewhere.
        of_ours: tuple[tuple[Hears, frozenset[OrderEventType]], ...] = (
            (self.exits.on_change, NEWS),  # what the venue refused, before anything sends an exit again
            (self.venue_reports.on_change, ALL),  # which fills lack, before a halt or a cancel leads to more
            (OrderInvariants(book).on_change, ALL),  # what must not happen is told before what follows from it
            (FillCheck(book).on_change, FILLS),
            (self.stop_levels.on_change, FILLS),  # guards what a fill opened, once its incidents are told
            (self.reject_breaker.on_change, NEWS),
            (self._cancels.on_change, ALL),  # last: a halt just now may have taken the order back already
        )
        by_event = {event: tuple(rule for rule, events in of_ours if event in events) for event in OrderEventType}
        return by_event, (self.venue_reports.on_change, self._positions.on_change)

    def _hears(self, book: Book) -> dict[type, tuple[Hears, ...]]:
        reports, links, levels, cancels = self.venue_reports, self.venue_links, self.stop_levels, self._cancels
        return {
            Quotes: (levels.on_quotes,),
            Signals: (self.entries.on_signals,),
            ClockTick: (
                levels.on_tick,
                reports.on_tick,  # fills first: what is made up here changes what the rules below see
                self.daily_loss.on_tick,
                SquareOff(book).on_tick,  # behind the loss, whose flatten it carries out
                self.exits.on_tick,  # behind what wants symbols flat
                self._repricing.on_tick,  # last: an exit that was sent just now does not hang
            ),
            OrderReport: (reports.on_seen,),
            FillReport: (reports.on_executed,),
            RequestResult: (reports.on_outcome, self._repricing.on_outcome, cancels.on_outcome),
            # What the books tell is booked first; then differences count.
            Look: (
                reports.on_look,
                cancels.on_look,
                DayOrders(book).on_look,
                links.on_look,
                self._positions.on_look,
            ),
            LinkDown: (links.on_link,),
            LinkUp: (links.on_link,),
            BrokerSession: (links.on_login,),
            Command: (Commands(book).on_command, levels.on_command),
            CancelOrder: (cancels.on_cancel,),
            ClosePosition: (self.exits.on_close,),
            ClosePositions: (self.exits.on_close_all,),
            Stand: (cancels.on_stand, self.reject_breaker.on_stand),
            Forget: (levels.on_forget,),
            Release: (levels.on_release,),
        }
