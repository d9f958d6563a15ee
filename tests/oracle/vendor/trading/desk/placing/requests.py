"""Builds orders: size, prices, exchange and product follow from the settings, the signal and the market."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Signal
from tradebot.domain.order import ZERO, OrderKind, OrderPurpose, OrderRequest, Side, Validity
from tradebot.domain.position_key import PositionKey
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import PlaceOrder

# Bound once, because reading a member of an enumeration costs as much as a call.
ENTRY, BUY, SELL, DAY = OrderPurpose.ENTRY, Side.BUY, Side.SELL, Validity.DAY
MARKET, LIMIT = OrderKind.MARKET, OrderKind.LIMIT
Levels = tuple[Decimal | None, Decimal | None, Decimal | None]  # stop, trail, target
NO_LEVELS: Levels = (None, None, None)


class OrderRequests:
    """Builds orders, each with the next free id: `id_prefix` and a count. The gate judges them.

    `max_quantity` returns the largest quantity of one order in an instrument, None where none is known.
    """

    def __init__(
        self, book: Book, *, id_prefix: str, max_quantity: Callable[[Instrument], Decimal | None] | None
    ) -> None:
        self._book, self._universe, self._marks, self._settings = book, book.universe, book.marks, book.settings
        self._blotter, self._conditions = book.blotter, book.conditions
        self._id_prefix, self._max_quantity = id_prefix, max_quantity
        self.order_notional = book.settings.order_notional  # of an entry, in the account's currency
        self.used_ids = 0  # number of ids used, by orders that were sent or denied

    def build_entry(self, signal: Signal) -> PlaceOrder:
        """Return the entry order that a signal asks for."""
        id_ = self._universe.ids_by_symbol[signal.symbol]
        instrument, reference = self._universe.instruments[id_], self._marks.reference_price_by_id(id_)
        levels = NO_LEVELS
        if signal.stop_loss is not None or signal.trail_by is not None or signal.target is not None:
            levels = (
                _level(instrument, signal.stop_loss),
                _level(instrument, signal.trail_by),
                _level(instrument, signal.target),
            )
        request = self._request(
            instrument,
            signal.action.side,
            self._size(signal, instrument, reference),
            ENTRY,
            f"{signal.strategy}: {signal.action.text}",
            reference,
            signal,
            signal.quoted_at,
            levels,
        )
        return PlaceOrder(id_, request, reference, signal.inputs)

    def build_exit(
        self, symbol: str, *, purpose: OrderPurpose, reason: str, quoted_at: int, signal: Signal | None
    ) -> PlaceOrder:
        """Return an exit order for the closable quantity of an open position, as far as it fits into one order.

        `quoted_at` is monotonic ns.
        """
        blotter = self._blotter
        position, id_ = blotter.positions.open[symbol], self._universe.ids_by_symbol[symbol]
        instrument = self._universe.instruments[id_]
        # If nothing may be closed, ask for the whole position: the gate then denies the exit and says why.
        quantity = blotter.closable_quantity(symbol) or position.quantity
        if (most := self.most_quantity(instrument)) is not None:
            # The exit stays requested, so further orders follow for the rest.
            quantity = min(quantity, most.copy_sign(quantity), key=abs)
        reference = self._marks.reference_price_by_id(id_)
        request = self._request(
            instrument,
            SELL if quantity > 0 else BUY,
            abs(quantity),
            purpose,
            reason,
            reference,
            signal,
            quoted_at,
            closes=position.key,
        )
        return PlaceOrder(id_, request, reference, signal.inputs if signal else {})

    @property
    def next_order_id(self) -> str:
        """Return our id of the next order."""
        return f"{self._id_prefix}{self.used_ids + 1:05d}"

    def most_quantity(self, instrument: Instrument) -> Decimal | None:
        """Return the largest quantity of one order in an instrument, None where none is known."""
        return None if self._max_quantity is None else self._max_quantity(instrument)

    def protected_price(self, instrument: Instrument, side: Side, reference: Decimal | None) -> Decimal | None:
        """Return the worst price that an order may get, rounded to the tick; None before the first quote."""
        if reference is None:
            return None
        away = 1 + side.sign * self._settings.protection_pct / 100
        return instrument.round_price(reference * away, up=side is SELL)

    def _size(self, signal: Signal, instrument: Instrument, reference: Decimal | None) -> Decimal:
        if signal.quantity is not None:
            return instrument.round_quantity(Decimal(str(float(signal.quantity))))
        return instrument.round_quantity(self.order_notional / reference) if reference else ZERO

    def _request(
        self,
        instrument: Instrument,
        side: Side,
        quantity: Decimal,
        purpose: OrderPurpose,
        reason: str,
        reference: Decimal | None,
        signal: Signal | None,
        quoted_at: int,
        levels: Levels = NO_LEVELS,
        closes: PositionKey | None = None,
    ) -> OrderRequest:
        settings = self._settings
        kind = settings.order_kind
        price = self.protected_price(instrument, side, reference) if kind is LIMIT else None
        protection = settings.protection_pct if kind is MARKET else None
        strategy, signal_id, signaled_at = "", "", quoted_at
        if signal is not None:
            strategy, signal_id, signaled_at = signal.strategy, signal.signal_id, signal.made_at
        stop_loss, trail_by, target = levels
        # An exit has exchange and product of the position that it closes, wherever entries go by now.
        exchange, product = instrument.exchange, settings.product
        if closes is not None:
            exchange, product = closes.exchange, closes.product
        return OrderRequest(
            self.next_order_id,
            instrument.symbol,
            exchange,
            side,
            kind,
            quantity,
            price,
            None,
            DAY,
            product,
            protection,
            purpose,
            strategy,
            signal_id,
            reason,
            stop_loss,
            trail_by,
            target,
            self._conditions.mono,
            signaled_at,
            quoted_at,
        )


def _level(instrument: Instrument, value: float | None) -> Decimal | None:
    # The one crossing from floats to Decimal: a level from the indicators becomes a price of the instrument. A level
    # that is not finite becomes 0, which the gate denies: no entry is sent without the stop that it should have.
    if value is None:
        return None
    return instrument.round_to_nearest_tick(Decimal(str(float(value)))) if math.isfinite(value) else ZERO
