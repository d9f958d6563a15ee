"""The book of one account: the state that rules share, and its only writer.

Only order events change orders and positions, so that the journal rebuilds them exactly. The book also holds the
conditions of the moment, the newest quotes, the requested exits, and the profit and loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
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
    """An order event, and the order before and after it; `before` is None for the first event of an order."""

    before: Order | None
    event: OrderEvent
    after: Order

    @property
    def ends_exit(self) -> bool:
        """Return whether an exit of ours ended or was denied by this event.

        A resting stop is an exit only once it has triggered.
        """
        before, order = self.before, self.after
        return not order.state.is_live and order.is_active_exit and (before is None or before.state.is_live)


class Book:
    """What the desk knows. Rules read it and request changes by decisions; only the desk calls the writing methods."""

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
        """Move the time, and end the reservations whose time is over."""
        self.conditions.advance_to(tick.at, tick.mono)
        self.blotter.expire_reservations(self.conditions.mono)

    def take_session(self, session: SessionBegins) -> bool:
        """Take the times of a session; return whether another day begins with it."""
        is_another = self.conditions.begin_session(session)
        if is_another:
            self.conditions.halts.lift_session_halts()
            self.pnl.reset_day_base()
        return is_another

    def take_command(self, command: Command) -> None:
        """Note that the daemon stops; other commands take effect by the decision `ApplyCommand`."""
        if command.verb is CommandVerb.STOP:
            self.conditions.is_stopping = True

    def begin_reconcile(self, decision: Reconcile) -> None:
        """Begin to compare an account snapshot with the book."""
        self.conditions.note_books_read(decision.books.asked_at)
        self.conditions.times.end_if_over(self.conditions.now)
        self.external.begin_snapshot(decision.books.asked_at)

    # ---- what is decided

    def record_event(self, event: OrderEvent) -> OrderChange:
        """Apply one order event, and update the requested exits; return the change."""
        before = self.blotter.orders.get(event.order_id)
        order = self.blotter.record_event(event)
        change = OrderChange(before, event, order)
        self.pending_exits.mark_changed(order.request.symbol)
        if not order.is_external:
            if event.type is EXECUTED:
                self.update_holder(order.request)
            # A resting stop that has triggered is an exit at work.
            if order.is_triggered and before is not None and not before.is_triggered:
                self._request_rest(order)
            # An exit that ended while the position is open was not enough: another one is requested.
            if change.ends_exit and order.request.symbol in self.blotter.positions.open:
                purpose = OrderPurpose.STOP if order.request.purpose.rests else order.request.purpose
                self.request_exit(order.request.symbol, purpose, order.request.reason)
        return change

    def update_holder(self, request: OrderRequest) -> None:
        """Update which strategy holds a symbol, once a fill of an order is booked."""
        symbol, exits = request.symbol, self.pending_exits
        if symbol not in self.universe.ids_by_symbol:
            return
        if symbol not in self.blotter.positions.open:
            exits.forget_symbol(symbol)
        elif not request.purpose.is_exit and request.strategy:
            exits.holders.setdefault(symbol, request.strategy)

    def _request_rest(self, order: Order) -> None:
        # What a triggered stop has not sold yet is to be sold: it may hang as a limit order, or end unfilled.
        if order.request.symbol in self.blotter.positions.open:
            trigger = order.trigger_price
            reason = "the resting stop triggered" if trigger is None else f"stop at {trigger.normalize():f} triggered"
            self.request_exit(order.request.symbol, OrderPurpose.STOP, reason)

    def request_exit(self, symbol: str, purpose: OrderPurpose, reason: str) -> None:
        """Request that a symbol becomes flat.

        A symbol outside the universe is skipped: an earlier run may have left an exit in it.
        """
        if symbol in self.universe:
            self.pending_exits.request_exit(symbol, purpose, reason)

    def request_close(self, decision: ClosePosition) -> None:
        """Request that one symbol becomes flat."""
        self.request_exit(decision.symbol, decision.purpose, decision.reason)

    def request_closes(self, decision: ClosePositions) -> None:
        """Request that several symbols become flat."""
        for symbol in decision.symbols:
            self.request_exit(symbol, OrderPurpose.FLATTEN, decision.reason)

    def record_journaled(self, decision: RecordJournaled) -> None:
        """Apply an order event that is in the journal already and changes nothing but its order."""
        self.blotter.record_event(decision.event)

    def forget_position(self, decision: ForgetPosition) -> None:
        """Forget the requested exit and the strategy of a symbol that is flat."""
        self.pending_exits.forget_symbol(decision.symbol)

    def release_position(self, decision: ReleasePosition) -> None:
        """Release a part of a position that is no longer ours."""
        self.blotter.release_position(decision.part)
        if decision.part.key.symbol not in self.blotter.positions.open:
            self.pending_exits.forget_symbol(decision.part.key.symbol)

    def check_overfills(self, decision: CheckOverfills) -> None:
        """Compare the overfilled symbols with an account snapshot."""
        self.blotter.check_overfills(decision.books)

    def attribute_positions(self, decision: AttributePositions) -> None:
        """Attribute the net quantities of an account snapshot to us and to others.

        The snapshot of a start counts as two polls.
        """
        snapshot = decision.books
        own = self.blotter.own_at_snapshot(snapshot)
        self.external.apply_snapshot(snapshot, own)
        for _ in range(2 if decision.is_start else 1):
            self.external.attribute_rests(
                own,
                asked_at=snapshot.asked_at,
                symbols=self.universe.ids_by_symbol,
                is_traded=self.is_traded_key,
                is_over=self._is_over,
            )

    def block_symbol(self, decision: BlockSymbol) -> None:
        """Block entries in a symbol until a snapshot accounts for what another party does there."""
        self.external.mark_unsettled(decision.netting_key, self.conditions.mono, decision.reason)
        self.conditions.unaccounted[decision.netting_key[1]] = decision.reason  # [1] is the symbol

    def set_unaccounted(self, decision: SetUnaccounted) -> None:
        """Set the symbols that no snapshot accounts for, each with the reason."""
        self.conditions.unaccounted = dict(decision.reasons)

    # ---- what rules ask

    @property
    def sends_no_orders(self) -> bool:
        """Return whether no new order may be sent: the daemon is stopping and does not flatten."""
        return self.conditions.is_stopping and self.settings.on_stop != "flatten"

    def open_symbols(self, matching: Callable[[str], bool] = lambda symbol: True) -> list[str]:
        """Return the symbols of the universe in which our position is not flat, of those that `matching` selects.

        Symbols outside the universe have no price here.
        """
        positions = self.blotter.positions.by_key.values()
        return [p.symbol for p in positions if not p.is_flat and p.symbol in self.universe and matching(p.symbol)]

    def is_intraday(self, symbol: str) -> bool:
        """Return whether the open position in a symbol is intraday."""
        position = self.blotter.positions.open.get(symbol)
        return position is not None and (position.key.product or self.settings.product) == INTRADAY

    def position_key(self, symbol: str) -> PositionKey:
        """Return the key of the position that an entry of ours in a symbol opens."""
        exchange = self.universe.instrument_of(symbol).exchange if symbol in self.universe else ""
        return PositionKey(self.settings.venue, exchange, symbol, self.settings.product)

    def is_traded_key(self, netting_key: NettingKey) -> bool:
        """Return whether our entries go to a netting key, or we hold a position there."""
        return netting_key == self.position_key(netting_key[1]).netting_key or bool(
            self.blotter.positions.netted_quantity(netting_key)
        )

    def make_event(self, order: Order, event_type: OrderEventType, reason: str) -> OrderEvent:
        """Return an event of an order, with the time of this moment."""
        c = self.conditions
        return OrderEvent(order_id=order.order_id, type=event_type, at=c.now, mono=c.mono, reason=reason)

    def make_incident(self, text: str, order: Order | None = None) -> Incident:
        """Return an incident with the time of this moment, about `order` if given."""
        if order is None:
            return Incident(text=text, at=self.conditions.now)
        return Incident(text=text, at=self.conditions.now, order_id=order.order_id, symbol=order.symbol)

    def _is_over(self, netting_key: NettingKey) -> bool:
        # Whether our intraday position under a netting key is from an earlier day. The venue squared such a position
        # off at the end of its day and lists no fill for that. Fills of external orders do not make it one of today.
        opens_at, blotter = self.conditions.times.day_opens_at, self.blotter
        today = (
            booked
            for booked in blotter.booked_fills.values()
            if (fill := booked.execution).traded_at >= opens_at
            and fill.netting_key == netting_key
            and not ((order := blotter.orders.get(booked.order_id)) is not None and order.is_external)
        )
        return netting_key[2] == INTRADAY and bool(opens_at) and next(today, None) is None
