"""Exposure: what the blotter's orders may still do to its positions, as live orders, reservations and the worst case.

A reservation keeps counting the quantity of an ended order for a while, because fills of it may still arrive. That of a
resting stop also waits for a list of the venue: the next order sells the same shares, and the stream may lag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.order import LATE_FILL_HOLD_NS, ZERO, Order, OrderState, Side
from tradebot.domain.portfolio import Position

IN_DOUBT_STATES = frozenset((OrderState.INTENT, OrderState.SENDING, OrderState.UNKNOWN))
NO_SYMBOLS: frozenset[str] = frozenset()
LISTED_WITHIN_NS = 10 * SECOND  # a list of the venue is awaited this much longer than the clock


class Exposure:
    """Live orders by symbol, and ended orders whose quantity stays reserved for late fills; the blotter adds both.

    `orders` and `open_` are the blotter's: order_id -> Order, and symbol -> position that is not flat.
    """

    def __init__(self, orders: Mapping[str, Order], open_: Mapping[str, Position]) -> None:
        self._orders, self._open_ = orders, open_
        self.working = 0  # orders that may still trade
        self._live: dict[str, dict[str, None]] = {}  # symbol -> order_ids that may still trade, none empty
        self.reserved: dict[str, dict[str, None]] = {}  # symbol -> order_ids of ended orders that are still reserved
        self.mono = 0  # monotonic ns of the last `expire_reserved`
        self._listed_mono = 0  # monotonic ns at which the newest account snapshot was requested

    # ---- what the blotter writes

    def add_live(self, order_id: str, symbol: str) -> None:
        """Add an order that may trade from now on."""
        live = self._live.get(symbol)
        if live is None:
            self._live[symbol] = {order_id: None}
        else:
            live[order_id] = None
        self.working += 1
        if self.reserved:
            self._drop_reserved(symbol, order_id)

    def remove_live(self, order_id: str, symbol: str) -> None:
        """Remove an order that may no longer trade."""
        live = self._live[symbol]
        if len(live) == 1:
            del self._live[symbol]
        else:
            del live[order_id]
        self.working -= 1

    def add_reserved(self, order_id: str, symbol: str) -> None:
        """Add an order that ended and whose quantity stays reserved."""
        self.reserved.setdefault(symbol, {})[order_id] = None

    def note_list(self, asked_at: int) -> None:
        """Note that everything in the account snapshot requested at `asked_at` (monotonic ns) is booked."""
        self._listed_mono = asked_at

    def expire_reserved(self, mono: int) -> Set[str]:
        """Move the time to `mono` (monotonic ns) and end the reservations whose time is over.

        Returns the symbols with reservations before the call.
        """
        self.mono = max(self.mono, mono)
        if not self.reserved:
            return NO_SYMBOLS
        symbols = set(self.reserved)
        for symbol in symbols:
            for order_id in [i for i in self.reserved[symbol] if not self._reserved_quantity(self._orders[i])]:
                self._drop_reserved(symbol, order_id)
        return symbols

    def _drop_reserved(self, symbol: str, order_id: str) -> None:
        # A symbol without reserved orders has no entry, so that a look-up on every tick stays cheap for thousands.
        order_ids = self.reserved.get(symbol)
        if order_ids is not None:
            order_ids.pop(order_id, None)
            if not order_ids:
                del self.reserved[symbol]

    # ---- what the desk asks

    def live_orders(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders that may still trade, UNKNOWN included."""
        if not self._live:
            return
        symbols = [symbol] if symbol is not None else list(self._live)
        for name in symbols:
            for order_id in list(self._live.get(name, ())):
                yield self._orders[order_id]

    def has_live_order(self, symbol: str) -> bool:
        """Return whether an order of `symbol` may still trade."""
        return symbol in self._live

    def has_orders(self, symbol: str) -> bool:
        """Return whether `symbol` has a live or a reserved order."""
        return symbol in self._live or symbol in self.reserved

    def is_reserved(self, order: Order) -> bool:
        """Return whether an ended order is still reserved."""
        return bool(self.reserved) and order.request.order_id in self.reserved.get(order.request.symbol, ())

    def counted_orders(self, symbol: str) -> Iterator[Order]:
        """Yield the live orders of `symbol`, then its ended orders that are still reserved."""
        yield from self.live_orders(symbol)
        for order_id in list(self.reserved.get(symbol, ())):
            yield self._orders[order_id]

    def symbol_count_bound(self) -> int:
        """Return an upper bound of the number of `exposed_symbols`, without building their set."""
        return len(self._open_) + len(self._live) + len(self.reserved)

    def exposed_symbols(self) -> Set[str]:
        """Return the symbols with an open position, a live order or a reserved one."""
        if not self._live and not self.reserved:
            return self._open_.keys()
        return self._open_.keys() | self._live.keys() | self.reserved.keys()

    def __bool__(self) -> bool:
        """Return whether there is an open position, a live order or a reserved one."""
        return bool(self._open_ or self.working or self.reserved)

    def worst_case(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (longest, shortest): the signed position if every buy, or every sell, that may still fill does."""
        position = self._open_.get(symbol)
        quantity = ZERO if position is None else position.quantity
        if not self.has_orders(symbol):
            return quantity, quantity
        longest = shortest = quantity
        for orders in (self._live, self.reserved):
            for order_id in orders.get(symbol, ()):
                order = self._orders[order_id]
                if order.request.side is Side.BUY:
                    longest += self._reserved_quantity(order)
                else:
                    shortest -= self._reserved_quantity(order)
        return longest, shortest

    def closing_quantity(self, symbol: str) -> Decimal:
        """Return the quantity that the exits of `symbol` may still close.

        An exit that is presumed absent does not count, so another exit may be sent at once. Its reservation lasts ten
        minutes, too long without an exit. If it appears at the venue after all, it is cancelled.
        """
        if not self.has_orders(symbol):
            return ZERO
        return sum(
            (
                self._reserved_quantity(o)
                for o in self.counted_orders(symbol)
                if o.request.purpose.is_exit and o.state is not OrderState.ABSENT
            ),
            ZERO,
        )

    def lists_due(self) -> Iterator[int]:
        """Yield the monotonic ns from which a list of the venue shows what became of a resting stop that ended."""
        for order_ids in self.reserved.values():
            for order in map(self._orders.__getitem__, order_ids):
                due = order.times.ended_mono + LATE_FILL_HOLD_NS
                if order.request.purpose.rests and order.state is not OrderState.ABSENT and self._listed_mono < due:
                    yield due

    def has_only_closing_exit(self, symbol: str) -> bool:
        """Return whether the only live order of `symbol` is an exit that is not filled completely."""
        live = self._live.get(symbol)
        if live is None or len(live) != 1:
            return False
        order = self._orders[next(iter(live))]
        return order.is_active_exit and order.remaining_quantity > 0

    def has_order_in_doubt(self, symbol: str) -> bool:
        """Return whether `symbol` has a live order that may or may not be at the venue."""
        return symbol in self._live and any(o.state in IN_DOUBT_STATES for o in self.live_orders(symbol))

    def _reserved_quantity(self, order: Order) -> Decimal:
        mono = self.mono
        if order.request.purpose.rests:  # as of the newest list, unless none comes
            mono = min(mono, max(self._listed_mono, mono - LISTED_WITHIN_NS))
        return order.reserved_quantity(mono)
