"""What the orders of the blotter may still do to its positions: who may trade, who is reserved, and the worst case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from decimal import Decimal

from tradebot.domain.order import ZERO, Order, OrderState, Side
from tradebot.domain.portfolio import Position

IN_DOUBT = frozenset((OrderState.INTENT, OrderState.SENDING, OrderState.UNKNOWN))
NOBODY: frozenset[str] = frozenset()


class Exposure:
    """Live orders by symbol, and those that ended and are reserved a while more; the blotter tells of both.

    `orders` and `open_` are the blotter's: order_id -> Order, and symbol -> Position of those that are not flat.
    """

    def __init__(self, orders: Mapping[str, Order], open_: Mapping[str, Position]) -> None:
        self._orders, self._open = orders, open_
        self.working = 0  # orders that may still trade
        self._live: dict[str, dict[str, None]] = {}  # symbol -> order_ids that may still trade, none empty
        self.held: dict[str, dict[str, None]] = {}  # symbol -> order_ids that ended and are reserved a while more
        self.mono = 0  # of the newest release

    # ---- what the blotter tells

    def begin(self, order_id: str, symbol: str) -> None:
        """Count an order that may trade from now on."""
        live = self._live.get(symbol)
        if live is None:
            self._live[symbol] = {order_id: None}
        else:
            live[order_id] = None
        self.working += 1
        if self.held:
            self._release(symbol, order_id)

    def end(self, order_id: str, symbol: str) -> None:
        """Count an order that may trade no more."""
        live = self._live[symbol]
        if len(live) == 1:
            del self._live[symbol]
        else:
            del live[order_id]
        self.working -= 1

    def hold(self, order_id: str, symbol: str) -> None:
        """Count an order that ended and is reserved a while more."""
        self.held.setdefault(symbol, {})[order_id] = None

    def release(self, mono: int) -> Set[str]:
        """Move the time to monotonic `mono`; returns the symbols in which something was reserved before."""
        self.mono = max(self.mono, mono)
        if not self.held:
            return NOBODY
        symbols = set(self.held)
        for symbol in symbols:
            for order_id in [i for i in self.held[symbol] if not self._orders[i].reserved_quantity(self.mono)]:
                self._release(symbol, order_id)
        return symbols

    def _release(self, symbol: str, order_id: str) -> None:
        # A symbol without orders has no entry: what is asked on every tick costs nothing for thousands of symbols.
        held = self.held.get(symbol)
        if held is not None:
            held.pop(order_id, None)
            if not held:
                del self.held[symbol]

    # ---- what others ask

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders that may still trade, UNKNOWN included."""
        if not self._live:
            return
        symbols = [symbol] if symbol is not None else list(self._live)
        for name in symbols:
            for order_id in list(self._live.get(name, ())):
                yield self._orders[order_id]

    def has_live(self, symbol: str) -> bool:
        """Return whether an order of `symbol` may still trade."""
        return symbol in self._live

    def has_orders(self, symbol: str) -> bool:
        """Return whether an order of `symbol` counts, as `all` yields them."""
        return symbol in self._live or symbol in self.held

    def is_held(self, order: Order) -> bool:
        """Return whether an order that ended is reserved still."""
        return bool(self.held) and order.request.order_id in self.held.get(order.request.symbol, ())

    def all(self, symbol: str) -> Iterator[Order]:
        """Yield the orders that count: the live ones and those reserved a while after their end."""
        yield from self.live(symbol)
        for order_id in list(self.held.get(symbol, ())):
            yield self._orders[order_id]

    def symbols_at_most(self) -> int:
        """Return a bound on how many `symbols` there are, without putting thousands of them together."""
        return len(self._open) + len(self._live) + len(self.held)

    def symbols(self) -> Set[str]:
        """Return the symbols with a position or with an order that counts."""
        if not self._live and not self.held:
            return self._open.keys()
        return self._open.keys() | self._live.keys() | self.held.keys()

    def __bool__(self) -> bool:
        """True while there is a position or an order that counts."""
        return bool(self._open or self.working or self.held)

    def worst_case(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (longest, shortest): the position if every buy, or every sell, that may still fill did."""
        position = self._open.get(symbol)
        quantity = ZERO if position is None else position.quantity
        if not self.has_orders(symbol):
            return quantity, quantity
        longest = shortest = quantity
        for orders in (self._live, self.held):
            for order_id in orders.get(symbol, ()):
                order = self._orders[order_id]
                if order.request.side is Side.BUY:
                    longest += order.reserved_quantity(self.mono)
                else:
                    shortest -= order.reserved_quantity(self.mono)
        return longest, shortest

    def closing(self, symbol: str) -> Decimal:
        """Return what the exits of `symbol` may still close.

        An exit whose absence is presumed does not count: ten minutes without protection are worse than the exit that
        appears late, which is cancelled at once.
        """
        if not self.has_orders(symbol):
            return ZERO
        return sum(
            (
                o.reserved_quantity(self.mono)
                for o in self.all(symbol)
                if o.request.purpose.is_exit and o.state is not OrderState.ABSENT
            ),
            ZERO,
        )

    def is_closing_alone(self, symbol: str) -> bool:
        """Return whether `symbol` has one live order, and it is an exit with a rest that closes."""
        live = self._live.get(symbol)
        if live is None or len(live) != 1:
            return False
        order = self._orders[next(iter(live))]
        return order.request.purpose.is_exit and order.remaining_quantity > 0

    def in_doubt(self, symbol: str) -> bool:
        """Return whether of a live order of `symbol` it is not known if it is at the venue."""
        return symbol in self._live and any(o.state in IN_DOUBT for o in self.live(symbol))
