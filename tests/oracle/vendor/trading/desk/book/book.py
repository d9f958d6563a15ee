"""The book of one account: all that two rules must both know, and the one writer of it.

Orders and positions change by facts alone, so that the journal rebuilds them exactly. Beside them stand the conditions
of the moment, the newest quotes, the exits that are wanted and what the account is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Command, Incident, SessionBegins, ClockTick
from tradebot.domain.order import Order, OrderEventType, OrderEvent, OrderRequest, OrderPurpose
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.domain.products import INTRADAY
from tests.oracle.vendor.trading.desk.book.blotter import Blotter, ChargesOf
from tests.oracle.vendor.trading.desk.book.conditions import Conditions
from tests.oracle.vendor.trading.desk.book.marks import Marks
from tests.oracle.vendor.trading.desk.book.pending_exits import PendingExits
from tests.oracle.vendor.trading.desk.book.worth import Worth
from tests.oracle.vendor.trading.desk.decisions import (
    CheckExcess,
    ClosePosition,
    ClosePositions,
    Forget,
    Known,
    Look,
    Release,
    Settle,
    Suspect,
    Unaccounted,
)
from tests.oracle.vendor.trading.desk.settings import DeskSettings

EXECUTED = OrderEventType.EXECUTED


class OrderChange(NamedTuple):
    """A fact with its order before, None before the first, and after."""

    before: Order | None
    fact: OrderEvent
    after: Order

    @property
    def ends_exit(self) -> bool:
        """True where an exit of ours ended, or was denied."""
        before, order = self.before, self.after
        return not order.state.is_live and order.request.purpose.is_exit and (before is None or before.state.is_live)


class Book:
    """What the desk knows. Rules read it and ask for changes by their decisions; only the desk calls what writes."""

    def __init__(
        self, universe: Universe, settings: DeskSettings, charges_of: ChargesOf, *, keeps_ended: bool = True
    ) -> None:
        self.universe, self.settings = universe, settings
        self.conditions = Conditions()
        self.blotter = Blotter(charges_of, venue=settings.venue, keeps_ended=keeps_ended)
        self.positions, self.exposure, self.external = (
            self.blotter.positions,
            self.blotter.exposure,
            self.blotter.external,
        )
        self.marks = Marks(universe)
        self.worth = Worth(universe, self.blotter, self.marks)
        self.exits = PendingExits()

    # ---- what comes in

    def take_quotes(self, quotes: Quotes) -> None:
        """Take the newest quotes."""
        self.marks.apply(quotes)
        self.conditions.mono = max(self.conditions.mono, quotes.seen_at)

    def take_tick(self, tick: ClockTick) -> None:
        """Move the time; reservations that outlived their order end."""
        self.conditions.move_to(tick.at, tick.mono)
        self.blotter.release(self.conditions.mono)

    def take_session(self, session: SessionBegins) -> bool:
        """Take the times of a session; returns whether another day begins with it."""
        is_another = self.conditions.begin(session)
        if is_another:
            self.conditions.halts.lift_session_halts()
            self.worth.begin_day()
        return is_another

    def take_command(self, command: Command) -> None:
        """Note that the daemon stops; any other command stands once a rule says so."""
        if command.verb is CommandVerb.STOP:
            self.conditions.stopping = True

    def take_look(self, look: Look) -> None:
        """Begin to read the venue's books."""
        self.conditions.looked(look.books.asked_at)
        self.conditions.times.end_if_over(self.conditions.now)
        self.external.begin_look(look.books.asked_at)

    # ---- what is decided

    def record(self, fact: OrderEvent) -> OrderChange:
        """Apply one fact, and what it means for the exits that are wanted."""
        before = self.blotter.orders.get(fact.order_id)
        order = self.blotter.record(fact)
        change = OrderChange(before, fact, order)
        self.exits.heard(order.request.symbol)
        if not order.is_external:
            if fact.type is EXECUTED:
                self.hold(order.request)
            if change.ends_exit and order.request.symbol in self.blotter.positions.open:
                self.want(order.request.symbol, order.request.purpose, order.request.reason)
        return change

    def hold(self, request: OrderRequest) -> None:
        """Note, once a fill of an order is booked, whose strategy holds the symbol, or that nothing is held."""
        symbol, exits = request.symbol, self.exits
        if symbol not in self.universe.ids_by_symbol:
            return
        if symbol not in self.blotter.positions.open:
            exits.forget(symbol)
        elif not request.purpose.is_exit and request.strategy:
            exits.holders.setdefault(symbol, request.strategy)

    def want(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Want a symbol flat; not one that this run does not name, in which an earlier one may have left an exit."""
        if symbol in self.universe:
            self.exits.want(symbol, purpose, reason)

    def want_closed(self, decision: ClosePosition) -> None:
        """Want one symbol flat."""
        self.want(decision.symbol, decision.purpose, decision.reason)

    def want_all_closed(self, decision: ClosePositions) -> None:
        """Want symbols flat."""
        for symbol in decision.symbols:
            self.want(symbol, OrderPurpose.FLATTEN, decision.reason)

    def know(self, decision: Known) -> None:
        """Apply a fact that changes nothing but its order."""
        self.blotter.record(decision.fact)

    def forget(self, decision: Forget) -> None:
        """Forget the exit and the strategy of a symbol that is flat."""
        self.exits.forget(decision.symbol)

    def release(self, decision: Release) -> None:
        """Take a part of a position for no longer ours."""
        self.blotter.give_up(decision.part)
        if decision.part.key.symbol not in self.blotter.positions.open:
            self.exits.forget(decision.part.key.symbol)

    def check_excess(self, decision: CheckExcess) -> None:
        """Hold what was filled beyond its orders against the venue's books."""
        self.blotter.check_excess(decision.books)

    def settle(self, decision: Settle) -> None:
        """Take the venue's net and account for what is not ours."""
        books = decision.books
        own = self.blotter.own(books)
        self.external.look(books, own)
        for _ in range(2 if decision.is_start else 1):
            self.external.account(
                own, asked_at=books.asked_at, symbols=self.universe.ids_by_symbol, is_traded=self.is_traded, is_over=self._is_over
            )

    def suspect(self, decision: Suspect) -> None:
        """Let nothing be opened in a symbol until the books account for it."""
        self.external.touch(decision.line, self.conditions.mono, decision.reason)
        self.conditions.unaccounted[decision.line[1]] = decision.reason

    def leave_unaccounted(self, decision: Unaccounted) -> None:
        """Take what the books do not account for, by symbol."""
        self.conditions.unaccounted = dict(decision.reasons)

    # ---- what rules ask

    @property
    def is_leaving(self) -> bool:
        """True while no new order leaves: the daemon stops, and was not told to close what is open."""
        return self.conditions.stopping and self.settings.on_stop != "flatten"

    def open_symbols(self, of: Callable[[str], bool] = lambda symbol: True) -> list[str]:
        """Return the symbols of the universe where ours is not flat; others cannot be priced here."""
        positions = self.blotter.positions.by_key.values()
        return [p.symbol for p in positions if not p.is_flat and p.symbol in self.universe and of(p.symbol)]

    def is_intraday(self, symbol: str) -> bool:
        """Return whether what is open in a symbol is meant to be gone by the evening."""
        position = self.blotter.positions.open.get(symbol)
        return position is not None and (position.key.product or self.settings.product) == INTRADAY

    def key(self, symbol: str) -> PositionKey:
        """Return the key that our entries in a symbol lead to."""
        exchange = self.universe.instrument_of(symbol).exchange if symbol in self.universe else ""
        return PositionKey(self.settings.venue, exchange, symbol, self.settings.product)

    def is_traded(self, line: NettingKey) -> bool:
        """Return whether our orders go to a line, or something of ours is left there."""
        return line == self.key(line[1]).netting_key or bool(self.blotter.positions.in_line(line))

    def fact(self, order: Order, event: OrderEventType, reason: str) -> OrderEvent:
        """Return a fact of an order, of this moment."""
        c = self.conditions
        return OrderEvent(order_id=order.order_id, type=event, at=c.now, mono=c.mono, reason=reason)

    def incident(self, text: str, order: Order | None = None) -> Incident:
        """Return an incident of this moment."""
        if order is None:
            return Incident(text=text, at=self.conditions.now)
        return Incident(text=text, at=self.conditions.now, order_id=order.order_id, symbol=order.symbol)

    def _is_over(self, line: NettingKey) -> bool:
        # Of an intraday position of an earlier day a venue that does not hold it has squared it off, and lists no fill.
        # What other hands traded there today does not make ours of today.
        opens_at, blotter = self.conditions.times.day_opens_at, self.blotter
        today = (
            booked
            for booked in blotter.booked.values()
            if (fill := booked.execution).traded_at >= opens_at
            and (fill.exchange, fill.symbol, fill.product) == line
            and not ((order := blotter.orders.get(booked.order_id)) is not None and order.is_external)
        )
        return line[2] == INTRADAY and bool(opens_at) and next(today, None) is None
