"""Ordering: how the desk makes an order, puts it before the gate, moves its price, and takes one back."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.message import Message
from tradebot.domain.messages import Cancel, Modify, Signal, Submit
from tradebot.domain.order import (
    ZERO,
    Order,
    OrderEvent,
    OrderFact,
    OrderKind,
    OrderRequest,
    OrderState,
    Purpose,
    Side,
    Terms,
    Validity,
    Wish,
)
from tradebot.domain.position_key import PositionKey
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.denials import Denials
from tests.oracle.vendor.trading.desk.gate.gate import Gate, View
from tests.oracle.vendor.trading.desk.gross import Gross
from tests.oracle.vendor.trading.desk.marks import Marks

# Bound once: reading a member of an enumeration costs as much as a call.
ENTRY, BUY, SELL = Purpose.ENTRY, Side.BUY, Side.SELL
DENIED, MARKET, LIMIT = OrderEvent.DENIED, OrderKind.MARKET, OrderKind.LIMIT
UNSENT = (OrderState.INTENT, OrderState.SENDING)
AT_BOOK = (OrderState.OPEN, OrderState.PARTIAL)
DAY = Validity.DAY
CANCEL_TRIES = 4  # the first, and three more
CANCEL_PAUSE = 2 * SECOND  # between two tries, for the first to show
CANCEL_PATIENCE = 10 * SECOND  # for a cancel that was accepted to show


Levels = tuple[Decimal | None, Decimal | None, Decimal | None]  # stop, trail, target
NO_LEVELS: Levels = (None, None, None)
Intend = Callable[[OrderRequest, tuple[str, ...], dict[str, float], Decimal | None], None]


class DeskSettings(Message, frozen=True):
    """The desk's own rules; times in wall seconds, money in the account's currency."""

    order_notional: Decimal
    venue: str = ""  # where the positions are
    product: str = "MIS"
    order_kind: OrderKind = OrderKind.MARKET  # or LIMIT, priced at the protection
    protection_pct: Decimal = Decimal(1)
    max_daily_loss: Decimal = Decimal(1000)
    on_daily_loss: str = "close"  # or halt, see `day_end.py`
    max_rejects_in_a_row: int = 3  # of a symbol; of a strategy where the money is missing
    max_rejects_per_minute: int = 5  # of the same
    max_rejected_symbols: int = 3  # of a strategy's entries within a minute
    max_account_rejects_per_minute: int = 10
    signal_max_age_s: float = 2.0
    reverses: bool = True  # an entry against what is being closed follows its exit; else it is ignored, as it was once
    chase_after_s: float = 3.0
    chase: str = "cancel"  # what becomes of an exit that hangs: cancel it and send another, or modify its price
    most_changes: int = 25  # of one order; the venue's limit
    on_stop: str = "cancel"  # cancel, flatten, leave
    fill_collar_pct: Decimal | None = None  # fills are held against it, see `post_trade.py`; None: they are not


class Ordering:
    """Makes orders for the desk, which applies each fact at once.

    `emit` takes facts, changes and cancels; `intend` an order that may leave, with its checks, inputs and reference.
    """

    def __init__(
        self, *, universe: Universe, blotter: Blotter, marks: Marks, conditions: Conditions, gate: Gate,
        settings: DeskSettings, id_prefix: str, day_profit: Callable[[], Decimal],
        emit: Callable[[OrderFact | Submit | Modify | Cancel], None], intend: Intend,
    ) -> None:  # fmt: skip
        self._universe, self._blotter, self._marks, self._conditions = universe, blotter, marks, conditions
        self._exposure, self._external = blotter.exposure, blotter.external
        self._gate, self._settings, self._day_profit = gate, settings, day_profit
        self._emit, self._intend = emit, intend
        self._gross = Gross(universe, blotter, marks)
        self._id_prefix, self._counter = id_prefix, 0
        self._held: dict[str, str] = {}  # symbol -> control that denied its last exit
        self.denials = Denials()
        self._chase_from = 0  # mono before which no order hangs

    def enter(self, signal: Signal) -> None:
        """Send an entry as the signal asks, if the gate lets it pass."""
        id_ = self._universe.ids[signal.symbol]
        instrument, reference = self._universe.instruments[id_], self._marks.reference_of(id_)
        levels = NO_LEVELS
        if signal.stop_loss is not None or signal.trail_by is not None or signal.target is not None:
            levels = (
                _level(instrument, signal.stop_loss), _level(instrument, signal.trail_by),
                _level(instrument, signal.target),
            )  # fmt: skip
        request = self._request(
            instrument, signal.action.side, self._size(signal, instrument, reference), ENTRY,
            f"{signal.strategy}: {signal.action.text}", reference, signal, signal.quoted_at, levels,
        )  # fmt: skip
        self._submit(id_, request, reference, inputs=signal.inputs)

    def exit(self, symbol: str, *, purpose: Purpose, reason: str, quoted_at: int, signal: Signal | None) -> bool:
        """Send an exit of what may be closed, unless one may still fill; entries that work are taken back.

        Returns True when it left and nothing else of the symbol is at work.
        """
        blotter, exposure = self._blotter, self._exposure
        if is_busy := bool((exposure.working or exposure.held) and exposure.has_orders(symbol)):
            for order in blotter.live(symbol):
                if not order.request.purpose.is_exit:
                    self.cancel(order, "the position is being closed")
            if exposure.closing(symbol):
                return False
        position, id_ = blotter.open[symbol], self._universe.ids[symbol]
        # Where the venue holds nothing of it the gate says so of the whole.
        quantity = blotter.closable(symbol) or position.quantity
        if self._gate.most is not None and (most := self._gate.most(self._universe.instruments[id_])) is not None:
            quantity = min(quantity, most.copy_sign(quantity), key=abs)  # the rest follows, for the wish stands
        reference = self._marks.reference_of(id_)
        request = self._request(
            self._universe.instruments[id_], SELL if quantity > 0 else BUY, abs(quantity), purpose, reason, reference,
            signal, quoted_at, closes=position.key,
        )  # fmt: skip
        return self._submit(id_, request, reference, inputs=signal.inputs if signal else {}) and not is_busy

    def shrink(self, symbol: str) -> None:
        """Take exits back that would close more than we may, since others closed some of it or may yet."""
        exposure, blotter, position = self._exposure, self._blotter, self._blotter.open.get(symbol)
        if position is None or not exposure.has_live(symbol):
            return
        if exposure.closing(symbol) <= abs(self._external.closable(position, is_sure=True)):
            return
        for order in blotter.live(symbol):
            if order.request.purpose.is_exit:
                self.cancel(order, "others close what it was to close")

    def chase(self, mono: int) -> None:
        """Take back what was not filled in time, or move the price of an exit where the settings say so.

        A protected market order leaves its rest in the book as a limit. An exit that is taken back is sent again with a
        fresh protection price, because its symbol is still wanted flat.
        """
        if not self._exposure.working or mono < self._chase_from:
            return
        limit = int(self._settings.chase_after_s * SECOND)
        # Nobody hangs before one of these has its time, nor one that is acknowledged meanwhile: a fact comes late by
        # less than three quarters of the limit.
        self._chase_from = mono + limit // 4
        for order in self._blotter.live():
            if not order.times.acked_mono:
                continue
            hangs_at = max(order.times.acked_mono, order.replace.mono) + limit
            if mono <= hangs_at:
                self._chase_from = min(self._chase_from, hangs_at)
                continue
            moves = self._settings.chase == "modify" and order.request.purpose.is_exit
            if moves or order.cancel.wish is Wish.NONE:
                self._chase_from = mono  # there is something to do, and until it is done at every tick
            if not (moves and self._reprice(order)):
                self.cancel(order, "not filled in time")

    def _reprice(self, order: Order) -> bool:
        # False where only a cancel is left. An order that a change or a cancel is under way for, whose price is still
        # the best, or whose new price the gate denies, stays as it is.
        reference = self._marks.reference(order.symbol)
        price = self._protected_price(self._universe.get(order.symbol), order.request.side, reference)
        if price is None or order.state not in AT_BOOK or order.replace.tries >= self._settings.most_changes:
            return False
        is_better = order.price is None or (price - order.price) * order.request.side.sign > 0
        if order.replace.terms is not None or order.cancel.wish.is_pending or order.is_stale or not is_better:
            return True
        request = msgspec.structs.replace(
            order.request, kind=OrderKind.LIMIT, price=price, quantity=order.quantity, protection_pct=None
        )
        # The gate judges the order as if it were new and the old one not there: at worst one of the two is in force.
        rest = msgspec.structs.replace(request, quantity=order.quantity - order.filled, signal_id="")
        verdict = self._gate.check(rest, self._view(request, reference, without=order))
        if not verdict.is_passed:
            if order.replace.wish is not Wish.REFUSED:
                fact = self._fact(order, OrderEvent.REPLACE_REFUSED, verdict.reason)
                self._emit(msgspec.structs.replace(fact, checks=verdict.checks))
            return True
        terms = Terms(quantity=request.quantity, price=price)
        fact = self._fact(order, OrderEvent.REPLACE_SENT, "not filled in time")
        self._emit(msgspec.structs.replace(fact, terms=terms, checks=verdict.checks, reference=reference))
        self._emit(Modify(request=request, venue_order_id=order.venue_order_id))
        return True

    def cancel(self, order: Order, reason: str) -> None:
        """Ask for a cancel once; what is being sent or in doubt is cancelled when its outcome is known.

        An order placed elsewhere is not ours to cancel.
        """
        if order.cancel.wish is not Wish.NONE or not order.is_live or not order.may_trade or order.is_external:
            return
        if order.venue_order_id and order.state not in UNSENT:
            self.send_cancel(order, reason)
            return
        self._emit(self._fact(order, OrderEvent.CANCEL_ASKED, reason))
        if order.state is OrderState.INTENT:
            self._emit(Cancel(order_id=order.order_id, venue_order_id="", reason=reason))  # not sent at all, if in time

    def send_cancel(self, order: Order, reason: str) -> None:
        """Send the cancel of an order whose id at the venue is known."""
        self._emit(self._fact(order, OrderEvent.CANCEL_SENT, reason))
        self._emit(Cancel(order_id=order.order_id, venue_order_id=order.venue_order_id, reason=reason))

    def cancel_again(self, order: Order, *, asked_at: int) -> bool:
        """Send a cancel again that an order outlived, seen working at `asked_at`; False when it was tried enough."""
        pause = CANCEL_PATIENCE if order.cancel.wish is Wish.SENT else CANCEL_PAUSE
        if order.cancel.wish in (Wish.NONE, Wish.SENDING) or asked_at - order.cancel.sent_mono < pause:
            return True
        if order.cancel.tries >= CANCEL_TRIES:
            return False
        self.send_cancel(order, f"still working, try {order.cancel.tries + 1}")
        return True

    def _fact(self, order: Order, event: OrderEvent, reason: str) -> OrderFact:
        c = self._conditions
        return OrderFact(order_id=order.order_id, event=event, at=c.now, mono=c.mono, reason=reason)

    def _size(self, signal: Signal, instrument: Instrument, reference: Decimal | None) -> Decimal:
        if signal.quantity is not None:
            return instrument.round_quantity(Decimal(str(float(signal.quantity))))
        return instrument.round_quantity(self._settings.order_notional / reference) if reference else ZERO

    def _request(
        self, instrument: Instrument, side: Side, quantity: Decimal, purpose: Purpose, reason: str,
        reference: Decimal | None, signal: Signal | None, quoted_at: int, levels: Levels = NO_LEVELS,
        closes: PositionKey | None = None,
    ) -> OrderRequest:  # fmt: skip
        self._counter += 1
        settings = self._settings
        kind = settings.order_kind
        price = self._protected_price(instrument, side, reference) if kind is LIMIT else None
        protection = settings.protection_pct if kind is MARKET else None
        strategy, signal_id, signaled_at = "", "", quoted_at
        if signal is not None:
            strategy, signal_id, signaled_at = signal.strategy, signal.signal_id, signal.made_at
        stop_loss, trail_by, target = levels
        # An exit is of the line that it closes, wherever entries go by now.
        exchange, product = instrument.exchange, settings.product
        if closes is not None:
            exchange, product = closes.exchange, closes.product
        return OrderRequest(
            f"{self._id_prefix}{self._counter:05d}", instrument.symbol, exchange, side, kind, quantity,
            price, None, DAY, product, protection, purpose, strategy, signal_id, reason, stop_loss, trail_by,
            target, self._conditions.mono, signaled_at, quoted_at,
        )  # fmt: skip

    def _protected_price(self, instrument: Instrument, side: Side, reference: Decimal | None) -> Decimal | None:
        if reference is None:
            return None
        away = 1 + side.sign * self._settings.protection_pct / 100
        return instrument.round_price(reference * away, up=side is SELL)

    def _submit(
        self, id_: int, request: OrderRequest, reference: Decimal | None, *, inputs: dict[str, float]
    ) -> bool:  # fmt: skip
        c, is_exit = self._conditions, request.purpose.is_exit
        if self._clears(id_, request, reference):
            reason, checks, control = self._gate.passed
        else:
            reason, checks, control = self._gate.check(request, self._view(request, reference))
        if not reason:
            if is_exit and self._held:
                self._held.pop(request.symbol, None)
            self._intend(request, checks, inputs, reference)
            return True
        self.denials.add(control, request.strategy, reason)
        if is_exit:
            if self._held.get(request.symbol) == control:
                self._counter -= 1  # an exit that the gate holds back is tried on every tick and written down once
                return False
            self._held[request.symbol] = control
        fact = OrderFact(
            request.order_id, DENIED, c.now, c.mono, reason, "", request, None, None, checks, inputs,
            reference=reference, control=control,
        )  # fmt: skip
        self._emit(fact)
        return False

    def _clears(self, id_: int, request: OrderRequest, reference: Decimal | None) -> bool:
        # True only where the controls would all pass; what makes their answers rare is looked at here.
        clearance, exposure, c, symbol = self._gate.clearance, self._exposure, self._conditions, request.symbol
        seen = self._marks.times[id_]
        if clearance is None or reference is None or not seen or c.session_lost or c.disk_short:
            return False
        if (exposure.working or exposure.held) and exposure.has_orders(symbol):
            return False
        position, instrument = self._blotter.open.get(symbol), self._universe.instruments[id_]
        held = ZERO if position is None else position.quantity
        others = self._external
        is_shared = bool(others.beyond or others.exposure.working or others.exposure.held) and others.bounds(symbol)
        if request.purpose.is_exit:
            if is_shared or self._blotter.in_excess:
                held = self._blotter.closable(symbol)
            return clearance.exit(request, instrument, held, reference, c.mono - seen, c.mono)
        if is_shared or c.unaccounted or c.down or not c.halts.are_none or c.mono > c.blind_from:
            return False
        if c.entries_closed(symbol):
            return False
        if c.frozen or (self._marks.bids[id_] and self._marks.is_crossed(id_)):
            return False
        elsewhere = self._gross.without if exposure else None
        return clearance.entry(
            request, instrument, held, reference, c.mono - seen, c.mono, exposure.working, elsewhere, self._day_profit
        )

    def _view(self, request: OrderRequest, reference: Decimal | None, without: Order | None = None) -> View:
        symbol, exchange, product, strategy = request.symbol, request.exchange, request.product, request.strategy
        exposure, c, id_ = self._exposure, self._conditions, self._universe.id(symbol)
        position = self._blotter.open.get(symbol)
        longest = shortest = quantity = ZERO if position is None else position.quantity
        closing, in_doubt = ZERO, False
        if exposure.has_orders(symbol):
            longest, shortest = exposure.worst_case(symbol)
            closing, in_doubt = exposure.closing(symbol), exposure.in_doubt(symbol)
        if without is not None:
            reserved = without.reserved(c.mono)
            longest -= reserved if without.request.side is Side.BUY else ZERO
            shortest += reserved if without.request.side is Side.SELL else ZERO
            closing -= reserved if without.request.purpose.is_exit else ZERO
        return View(
            instrument=self._universe[id_],
            quantity=quantity,
            closable=self._blotter.closable(symbol),
            longest=longest,
            shortest=shortest,
            closing=closing,
            open_orders=exposure.working - (without is not None),
            in_doubt=in_doubt,
            reference=reference,
            quote_age_s=self._marks.age_s(id_, c.mono),
            feed_is_stale=bool(c.down),
            halted=c.halt_of(symbol, strategy) if c.has_halts else "",
            unaccounted=c.unaccounted.get(symbol, ""),
            beyond=self._external.beyond.get((exchange, symbol, product), ZERO) if self._external else ZERO,
            entries_closed=c.entries_closed(symbol),
            gross=partial(self._gross.without, symbol),
            day_pnl=self._day_profit,
            mono=c.mono,
            blind=c.blind,
            quote_trouble=c.quote_trouble(symbol) or self._marks.trouble(id_),
            session_lost=c.session_lost,
            disk_short=c.disk_short,
            disk_full=c.disk_full,
            orders_refused=c.orders_refused,
        )


def _level(instrument: Instrument, value: float | None) -> Decimal | None:
    # The one way back from floats: a level from the indicators becomes a price of the instrument.
    # What is no number is no price, and the gate says so: an entry is not sent without the stop it was meant to have.
    if value is None:
        return None
    return instrument.nearest_price(Decimal(str(float(value)))) if math.isfinite(value) else ZERO
