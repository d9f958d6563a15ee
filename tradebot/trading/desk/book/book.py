"""The book of one account: all that two rules must both know, and the one writer of it.

Orders and positions change by facts alone, so that the journal rebuilds them exactly. Beside them stand the conditions
of the moment, the newest quotes, the exits that are wanted and what the account is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Universe
from tradebot.domain.market_data import Quotes
from tradebot.domain.messages import ClockTick, Command, Incident, SessionBegins
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderPurpose, OrderRequest
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.domain.products import INTRADAY
from tradebot.trading.desk.book.blotter import Blotter, ChargesOf
from tradebot.trading.desk.book.conditions import Conditions
from tradebot.trading.desk.book.marks import Marks
from tradebot.trading.desk.book.pending_exits import PendingExits
from tradebot.trading.desk.book.pnl import Pnl
from tradebot.trading.desk.decisions import (
    AttributePositions,
    BlockSymbol,
    CheckOverfills,
    ClosePosition,
    ClosePositions,
    ForgetPosition,
    Reconcile,
    RecordJournaled,
    ReleasePosition,
    SetUnaccounted,
)
from tradebot.trading.desk.settings import DeskSettings

EXECUTED = OrderEventType.EXECUTED


class OrderChange(NamedTuple):
    """A fact with its order before, None before the first, and after."""

    before: Order | None
    event: OrderEvent
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
        self.pnl = Pnl(universe, self.blotter, self.marks)
        self.pending_exits = PendingExits()

    # ---- what comes in

    def take_quotes(self, quotes: Quotes) -> None:
        """Take the newest quotes."""
        self.marks.apply_quotes(quotes)
        self.conditions.mono = max(self.conditions.mono, quotes.seen_at)

    def take_tick(self, tick: ClockTick) -> None:
        """Move the time; reservations that outlived their order end."""
        self.conditions.advance_to(tick.at, tick.mono)
        self.blotter.expire_reservations(self.conditions.mono)

    def take_session(self, session: SessionBegins) -> bool:
        """Take the times of a session; returns whether another day begins with it."""
        is_another = self.conditions.begin_session(session)
        if is_another:
            self.conditions.halts.lift_session_halts()
            self.pnl.reset_day_base()
        return is_another

    def take_command(self, command: Command) -> None:
        """Note that the daemon stops; any other command stands once a rule says so."""
        if command.verb is CommandVerb.STOP:
            self.conditions.is_stopping = True

    def begin_reconcile(self, decision: Reconcile) -> None:
        """Begin to read the venue's books."""
        self.conditions.note_books_read(decision.books.asked_at)
        self.conditions.times.end_if_over(self.conditions.now)
        self.external.begin_snapshot(decision.books.asked_at)

    # ---- what is decided

    def record_event(self, event: OrderEvent) -> OrderChange:
        """Apply one fact, and what it means for the exits that are wanted."""
        before = self.blotter.orders.get(event.order_id)
        order = self.blotter.record_event(event)
        change = OrderChange(before, event, order)
        self.pending_exits.mark_changed(order.request.symbol)
        if not order.is_external:
            if event.type is EXECUTED:
                self.update_holder(order.request)
            if change.ends_exit and order.request.symbol in self.blotter.positions.open:
                self.request_exit(order.request.symbol, order.request.purpose, order.request.reason)
        return change

    def update_holder(self, request: OrderRequest) -> None:
        """Note, once a fill of an order is booked, whose strategy holds the symbol, or that nothing is held."""
        symbol, exits = request.symbol, self.pending_exits
        if symbol not in self.universe.ids_by_symbol:
            return
        if symbol not in self.blotter.positions.open:
            exits.forget_symbol(symbol)
        elif not request.purpose.is_exit and request.strategy:
            exits.holders.setdefault(symbol, request.strategy)

    def request_exit(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Want a symbol flat; not one that this run does not name, in which an earlier one may have left an exit."""
        if symbol in self.universe:
            self.pending_exits.request_exit(symbol, purpose, reason)

    def request_close(self, decision: ClosePosition) -> None:
        """Want one symbol flat."""
        self.request_exit(decision.symbol, decision.purpose, decision.reason)

    def request_closes(self, decision: ClosePositions) -> None:
        """Want symbols flat."""
        for symbol in decision.symbols:
            self.request_exit(symbol, OrderPurpose.FLATTEN, decision.reason)

    def record_journaled(self, decision: RecordJournaled) -> None:
        """Apply a fact that changes nothing but its order."""
        self.blotter.record_event(decision.event)

    def forget_position(self, decision: ForgetPosition) -> None:
        """Forget the exit and the strategy of a symbol that is flat."""
        self.pending_exits.forget_symbol(decision.symbol)

    def release_position(self, decision: ReleasePosition) -> None:
        """Take a part of a position for no longer ours."""
        self.blotter.release_position(decision.part)
        if decision.part.key.symbol not in self.blotter.positions.open:
            self.pending_exits.forget_symbol(decision.part.key.symbol)

    def check_overfills(self, decision: CheckOverfills) -> None:
        """Hold what was filled beyond its orders against the venue's books."""
        self.blotter.check_overfills(decision.books)

    def attribute_positions(self, decision: AttributePositions) -> None:
        """Take the venue's net and account for what is not ours."""
        books = decision.books
        own = self.blotter.own_at_snapshot(books)
        self.external.apply_snapshot(books, own)
        for _ in range(2 if decision.is_start else 1):
            self.external.attribute_rests(
                own,
                asked_at=books.asked_at,
                symbols=self.universe.ids_by_symbol,
                is_traded=self.is_traded_key,
                is_over=self._is_over,
            )

    def block_symbol(self, decision: BlockSymbol) -> None:
        """Let nothing be opened in a symbol until the books account for it."""
        self.external.mark_unsettled(decision.netting_key, self.conditions.mono, decision.reason)
        self.conditions.unaccounted[decision.netting_key[1]] = decision.reason

    def set_unaccounted(self, decision: SetUnaccounted) -> None:
        """Take what the books do not account for, by symbol."""
        self.conditions.unaccounted = dict(decision.reasons)

    # ---- what rules ask

    @property
    def sends_no_orders(self) -> bool:
        """True while no new order leaves: the daemon stops, and was not told to close what is open."""
        return self.conditions.is_stopping and self.settings.on_stop != "flatten"

    def open_symbols(self, matching: Callable[[str], bool] = lambda symbol: True) -> list[str]:
        """Return the symbols of the universe where ours is not flat; others cannot be priced here."""
        positions = self.blotter.positions.by_key.values()
        return [p.symbol for p in positions if not p.is_flat and p.symbol in self.universe and matching(p.symbol)]

    def is_intraday(self, symbol: str) -> bool:
        """Return whether what is open in a symbol is meant to be gone by the evening."""
        position = self.blotter.positions.open.get(symbol)
        return position is not None and (position.key.product or self.settings.product) == INTRADAY

    def position_key(self, symbol: str) -> PositionKey:
        """Return the key that our entries in a symbol lead to."""
        exchange = self.universe.instrument_of(symbol).exchange if symbol in self.universe else ""
        return PositionKey(self.settings.venue, exchange, symbol, self.settings.product)

    def is_traded_key(self, netting_key: NettingKey) -> bool:
        """Return whether our orders go to a line, or something of ours is left there."""
        return netting_key == self.position_key(netting_key[1]).netting_key or bool(
            self.blotter.positions.netted_quantity(netting_key)
        )

    def make_event(self, order: Order, event_type: OrderEventType, reason: str) -> OrderEvent:
        """Return a fact of an order, of this moment."""
        c = self.conditions
        return OrderEvent(order_id=order.order_id, type=event_type, at=c.now, mono=c.mono, reason=reason)

    def make_incident(self, text: str, order: Order | None = None) -> Incident:
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
            for booked in blotter.booked_fills.values()
            if (fill := booked.execution).traded_at >= opens_at
            and fill.netting_key == line
            and not ((order := blotter.orders.get(booked.order_id)) is not None and order.is_external)
        )
        return line[2] == INTRADAY and bool(opens_at) and next(today, None) is None
