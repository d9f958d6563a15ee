"""Resting stops: each held share of a strategy that wants it has a stop order at the venue, for when we are away.

The stop levels of the desk stay awake behind it, and the target is the desk's alone. A resting stop follows the
position and its trailing stop by changes of its terms. Any other exit cancels it first, see `exits.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import ClockTick, Command, Modify, RequestResult
from tradebot.domain.order import ZERO, Order, OrderEventType, OrderPurpose, OrderState, OrderTerms, RequestState
from tradebot.domain.portfolio import Position
from tradebot.trading.desk.book.book import Book, OrderChange
from tradebot.trading.desk.decisions import (
    NOTHING,
    CancelOrder,
    ClosePosition,
    Decision,
    Decisions,
    RecordEvent,
    SetUnprotected,
)
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.rules.resting_requests import RestingRequests, StopWish
from tradebot.trading.desk.rules.stop_levels import StopLevels

REFUSED_STATES = (OrderState.REJECTED, OrderState.ABSENT, OrderState.LAPSED)
MAX_PAUSE_NS = 60 * SECOND  # between two stops of a symbol that the venue refused
TRIES = 3  # refused stops in a row until the policy for refused protection applies
GROWTH_PAUSE_NS = SECOND  # between two changes of a stop while its entry still fills
DELAYS_KEPT = 1000  # newest delays between a fill and its resting stop


class _Guarded:
    """What is remembered about the protection of one symbol."""

    __slots__ = ("checked", "exposed_since", "is_alarmed", "next_mono", "refusals", "waits", "why")

    def __init__(self) -> None:
        self.exposed_since: int | None = None  # monotonic ns since which held shares have no resting stop
        self.is_alarmed = False
        self.refusals, self.next_mono = 0, 0  # refused stops in a row; monotonic ns of the next try
        self.why = ""  # why the last stop was refused
        self.checked: tuple[object, ...] = ()  # what the last check saw, where it found nothing to do
        self.waits = False  # for a time to come: the same sight may lead to something later


class RestingStopView(NamedTuple):
    """How the position in a symbol is protected at the venue now.

    `quantity` is held, `resting` is what confirmed stops cover, `trigger` the price of the first one. `reason` says why
    less rests than is held.
    """

    symbol: str
    quantity: Decimal
    resting: Decimal
    trigger: Decimal | None
    reason: str


class RestingStops:
    """Keeps the stops at the venue in step with the positions; does nothing without `RestingSettings`."""

    def __init__(self, book: Book, requests: RestingRequests, placement: Placement, levels: StopLevels) -> None:
        self._book, self._requests, self._placement, self._levels = book, requests, placement, levels
        self._settings = book.settings.resting_stops
        self._guarded: dict[str, _Guarded] = {}
        self.delays: deque[int] = deque(maxlen=DELAYS_KEPT)  # monotonic ns between a fill and its resting stop

    @property
    def is_on(self) -> bool:
        """Return whether any stop rests at the venue."""
        return self._book.settings.resting is not None

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Place, move, shrink and cancel resting stops, and raise the alarm where held shares have none in time."""
        if self._book.conditions.awaits_books or not (self._book.exposure or self._guarded):
            return NOTHING
        return self._check_all()

    def on_change(self, change: OrderChange) -> Decisions:
        """Count how often in a row the venue refused the stops of a symbol; note a fill that needs one."""
        order, was = change.after, change.before
        if was is None:
            return NOTHING
        if change.event.type is OrderEventType.EXECUTED and not order.request.purpose.is_exit:
            guarded = self._guarded.setdefault(order.symbol, _Guarded())
            if guarded.exposed_since is None:
                guarded.exposed_since = change.event.mono
        if order.request.purpose.rests and was.state.is_live and order.state in REFUSED_STATES:
            self._note_refusal(order.symbol, order.reason)
        return NOTHING

    def begin_run(self) -> None:
        """Forget the waits and refusals of earlier runs: this one looks first, and its time is another."""
        self._guarded.clear()

    def on_request_result(self, result: RequestResult) -> Decisions:
        """Cancel a stop whose venue refused to make it smaller; after another refused change the old terms hold."""
        order = self._book.blotter.orders.get(result.event.order_id)
        if result.event.type is not OrderEventType.REPLACE_REFUSED or order is None or not order.waits_for_trigger:
            return NOTHING
        terms = order.replace.terms
        if terms is None or terms.quantity >= order.quantity:
            return NOTHING
        return (CancelOrder(order.order_id, "it could not be made smaller"),)

    def on_command(self, command: Command) -> Decisions:
        """Try again at once after a `resume`, and open the symbols whose stops were refused."""
        if command.verb is not CommandVerb.RESUME:
            return NOTHING
        for symbol, guarded in self._guarded.items():
            if command.scope.covers_order(symbol):
                guarded.refusals, guarded.next_mono = 0, 0
        return [SetUnprotected(s, "") for s in self._book.conditions.unprotected if command.scope.covers_order(s)]

    def views(self) -> list[RestingStopView]:
        """Return how each open position that wants a resting stop is protected."""
        if not self.is_on:
            return []
        views = []
        for symbol, position in self._book.positions.open.items():
            if self._requests.wants_stop(symbol):
                resting = [order for order in self._stops(symbol) if order.rests]
                guarded = self._guarded.get(symbol)
                covered = _covered_quantity(resting)
                reason = "" if covered >= abs(position.quantity) or guarded is None else guarded.why
                trigger = resting[0].trigger_price if resting else None
                views.append(RestingStopView(symbol, position.quantity, covered, trigger, reason))
        return views

    # ---- one look at every symbol

    def _check_all(self) -> Iterator[Decision]:
        book = self._book
        for symbol in sorted(book.exposure.exposed_symbols() | self._guarded.keys()):
            position = book.positions.open.get(symbol)
            guarded = self._guarded.get(symbol)
            closable, best = book.blotter.closable_quantity(symbol), self._levels.best_price(symbol)
            seen = (position, closable, best, *book.exposure.live_orders(symbol))
            if guarded is not None and guarded.checked == seen and not guarded.waits:
                continue
            if guarded is None:
                guarded = self._guarded[symbol] = _Guarded()
            is_settled, guarded.waits = True, False
            for decision in self._check_symbol(symbol, position, guarded):
                is_settled = False
                yield decision
            guarded.checked = seen if is_settled else ()
            if is_settled and position is None and not book.exposure.has_orders(symbol):
                del self._guarded[symbol]

    def _check_symbol(self, symbol: str, position: Position | None, guarded: _Guarded) -> Iterator[Decision]:
        stops, is_closing = self._stops(symbol), symbol in self._book.pending_exits.requested
        wish = None if position is None else self._requests.stop_wish(position)
        if wish is None:
            guarded.exposed_since, guarded.is_alarmed = None, False
            for order in stops if not is_closing else ():  # an exit cancels them itself
                yield CancelOrder(order.order_id, "it protects no position")
            return
        fitting = [order for order in stops if wish.fits(order)]
        if is_closing:
            yield from self._keep_time_closing(wish, guarded, fitting)
            return
        for order in stops:
            if order not in fitting:
                yield CancelOrder(order.order_id, "it is not the stop of the position")
        yield from self._keep_time(wish, guarded, covered=_covered_quantity(fitting))
        yield from self._fit_quantity(wish, fitting, guarded)
        for order in self._stops(symbol):
            if order in fitting and (decisions := self._moved(wish, order)):
                yield from decisions

    def _keep_time_closing(self, wish: StopWish, guarded: _Guarded, stops: list[Order]) -> Iterator[Decision]:
        # The exit cancels the stops. Where one of them is in doubt it may have to wait for long.
        if any(order.is_active_exit for order in self._book.blotter.live_orders(wish.symbol)):
            guarded.exposed_since = None
            return
        covered = _covered_quantity(stops)
        yield from self._keep_time(wish, guarded, covered=covered, is_closing=True)

    def _keep_time(
        self,
        wish: StopWish,
        guarded: _Guarded,
        *,
        covered: Decimal,
        is_closing: bool = False,
    ) -> Iterator[Decision]:
        # Measure how long held shares have no stop, and raise the alarm once it takes too long.
        mono, symbol = self._book.conditions.mono, wish.symbol
        if covered >= wish.quantity:
            if guarded.exposed_since is not None:
                self.delays.append(mono - guarded.exposed_since)
            guarded.exposed_since, guarded.is_alarmed, guarded.refusals, guarded.why = None, False, 0, ""
            if symbol in self._book.conditions.unprotected:
                yield SetUnprotected(symbol, "")
            return
        if guarded.exposed_since is None:
            guarded.exposed_since = mono
        guarded.waits, waited = True, mono - guarded.exposed_since
        if waited > self._settings.confirm_within_s * SECOND and not guarded.is_alarmed:
            guarded.is_alarmed = True
            why = guarded.why or "the venue has not confirmed it"
            missing = f"{wish.quantity - covered:f} of {wish.quantity:f}"
            rest = f"{why}; the stop of the daemon at {wish.trigger.normalize():f} holds"
            if is_closing:
                rest = "they are being closed; their exit waits until it is known what became of the stop"
            yield self._book.make_incident(
                f"{symbol}: {missing} shares have had no resting stop for {waited / SECOND:.1f} s: {rest}"
            )

    def _fit_quantity(self, wish: StopWish, stops: list[Order], guarded: _Guarded) -> Iterator[Decision]:
        book, mono = self._book, self._book.conditions.mono
        intended = sum((_intended_quantity(order) for order in stops), ZERO)
        if intended > wish.quantity:
            yield from self._shrink(wish, stops, intended)
            return
        at_work = sum((order.remaining_quantity for order in stops), ZERO)
        missing = wish.quantity - max(at_work, book.exposure.closing_quantity(wish.symbol))
        if missing <= 0:
            return
        if guarded.refusals >= TRIES and self._settings.on_refusal == "exit":
            yield ClosePosition(wish.symbol, OrderPurpose.STOP, f"no stop can rest: {guarded.why}", mono)
            return
        if mono < guarded.next_mono:
            return  # it is tried again, because the missing stop keeps the time running
        # The single stop grows with the fills of its entry. A stop in transit is waited for: it may be refused.
        if len(stops) == 1 and wish.fits_one_order and self._may_change(stops[0]):
            if mono - max(stops[0].replace.mono, stops[0].times.acked_mono) >= GROWTH_PAUSE_NS:
                yield from self._change(stops[0], wish, stops[0].quantity + missing, "its position grew")
            return
        if stops and not all(order.rests for order in stops):
            return
        if fault := wish.fault:
            guarded.why = fault
            return
        if (active := self._active_gtts()) >= self._settings.max_gtt and wish.gtt is not None:
            guarded.why = f"{active} GTT orders are active, and no more are allowed"
            return
        yield from self._place(wish, min(missing, wish.most_quantity), guarded)

    def _place(self, wish: StopWish, quantity: Decimal, guarded: _Guarded) -> Iterator[Decision]:
        place = self._requests.build_stop(wish, quantity)
        yield place
        order = self._book.blotter.orders.get(place.request.order_id)
        if order is None or not order.is_live:  # a denial that repeats itself is not recorded
            self._note_refusal(wish.symbol, "the gate denies it" if order is None else order.reason)
        if guarded.refusals:
            yield SetUnprotected(wish.symbol, f"no stop rests at the venue: {guarded.why}")

    def _shrink(self, wish: StopWish, stops: list[Order], intended: Decimal) -> Iterator[Decision]:
        # Newest first. A stop that cannot be changed now is cancelled: it could sell what is not held.
        for order in reversed(stops):
            excess = intended - wish.quantity
            if excess <= 0:
                return
            rest = _intended_quantity(order) - excess
            if rest > 0 and self._may_change(order):
                yield from self._change(order, wish, rest, "its position shrank")
                return
            yield CancelOrder(order.order_id, "its position shrank")
            intended -= _intended_quantity(order)

    def _moved(self, wish: StopWish, order: Order) -> Decisions:
        # Follow the trailing stop by steps, and not too often. A stop that was changed as often as the venue allows is
        # replaced by a new one: cancelled first, so that the same shares are never sold twice.
        trigger = order.trigger_price
        if trigger is None or not order.rests or order.cancel.state is not RequestState.NONE:
            return NOTHING
        step = abs(wish.trigger - trigger)
        if step * 100 < self._settings.min_step_pct * trigger or not step:
            return NOTHING
        mono = self._book.conditions.mono
        if mono - max(order.replace.mono, order.times.acked_mono) < self._settings.min_interval_s * SECOND:
            self._guarded[order.symbol].waits = True
            return NOTHING
        if order.replace.tries >= self._settings.most_changes and wish.gtt is None:
            place = self._requests.build_stop(wish, order.remaining_quantity)
            if not self._placement.would_pass(place, without=(order,)):
                self._guarded[order.symbol].waits = True  # no new one could leave: the old one is better than none
                return NOTHING
            return (CancelOrder(order.order_id, "its changes are used up"),)
        if not self._may_change(order):
            return NOTHING
        return self._change(order, wish, order.quantity, "its trailing stop moved")

    def _may_change(self, order: Order) -> bool:
        return (
            order.rests
            and not order.is_stale
            and not order.filled
            and order.replace.terms is None
            and order.cancel.state is RequestState.NONE
            and (order.replace.tries < self._settings.most_changes or order.request.gtt is not None)
        )

    def _change(self, order: Order, wish: StopWish, quantity: Decimal, reason: str) -> Iterator[Decision]:
        request = self._requests.changed(order, wish, quantity)
        decision = self._placement.check_replacement(request, wish.trigger, instead_of=order)
        if not decision.is_passed:
            self._guarded[order.symbol].why = decision.reason
            return
        terms = OrderTerms(quantity=quantity, price=request.price, trigger_price=wish.trigger)
        event = self._book.make_event(order, OrderEventType.REPLACE_SENT, reason)
        yield RecordEvent(replace(event, terms=terms, checks=decision.checks, reference=wish.trigger))
        yield Modify(request=request, venue_order_id=order.venue_order_id)

    def _note_refusal(self, symbol: str, reason: str) -> None:
        guarded = self._guarded.setdefault(symbol, _Guarded())
        pause = min(SECOND << guarded.refusals, MAX_PAUSE_NS)
        guarded.refusals = min(guarded.refusals + 1, 10)
        guarded.next_mono, guarded.why = self._book.conditions.mono + pause, reason

    def _active_gtts(self) -> int:
        return sum(order.is_waiting_gtt for order in self._book.blotter.live_orders())

    def _stops(self, symbol: str) -> list[Order]:
        # The stops that have not triggered; one that has is an exit at work.
        return [order for order in self._book.blotter.live_orders(symbol) if order.waits_for_trigger]


def _covered_quantity(stops: list[Order]) -> Decimal:
    # What confirmed stops cover. A larger quantity that a change asks for counts once the venue has confirmed it.
    resting = [order for order in stops if order.rests]
    return sum((min(order.quantity - order.filled, _intended_quantity(order)) for order in resting), ZERO)


def _intended_quantity(order: Order) -> Decimal:
    # What an order may still close once a change of it that is under way has come into force.
    return (order.quantity if order.replace.terms is None else order.replace.terms.quantity) - order.filled
