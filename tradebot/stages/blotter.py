"""The desk's memory: every order and position, changed by facts alone, so that the journal rebuilds it exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from tradebot.domain.order import ZERO, Order, OrderEvent, OrderFact, OrderState, Side
from tradebot.domain.order_fold import apply, begin
from tradebot.domain.portfolio import Position

ChargesOf = Callable[[Order, OrderFact], Decimal]  # (order before the fill, its EXECUTED fact) -> charges of that fill
ENDED_KEPT = 20_000  # ended orders kept for late fills; a venue's day allows 5,000


class Blotter:
    """Orders by id, live ones by symbol, positions by symbol; totals are kept as fills come."""

    def __init__(self, charges_of: ChargesOf) -> None:
        self._charges_of = charges_of
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.by_venue: dict[str, str] = {}  # venue_order_id -> order_id
        self.positions: dict[str, Position] = {}  # symbol -> Position
        self._live: dict[str, dict[str, None]] = {}  # symbol -> order_ids that may still trade
        self.executions: set[tuple[str, str]] = set()  # (exchange, execution_id) booked
        self.realized = ZERO
        self.charges = ZERO
        self.fills = 0

    def record(self, fact: OrderFact) -> Order:
        """Apply one fact; returns the order after it. A fill is booked into its position as well."""
        if fact.event in (OrderEvent.INTENT, OrderEvent.DENIED):
            order = begin(fact)
        else:
            before = self.orders[fact.order_id]
            order = apply(before, fact)
            if order.filled != before.filled:
                self._book(before, fact)
        self.orders[fact.order_id] = order
        if order.venue_order_id:
            self.by_venue[order.venue_order_id] = order.order_id
        live = self._live.setdefault(order.symbol, {})
        if order.is_live:
            live[order.order_id] = None
        else:
            live.pop(order.order_id, None)
            self._forget()
        return order

    def adopt(self, symbol: str, quantity: Decimal, average_price: Decimal) -> None:
        """Take over a position that has no fills here: the venue's quantity is the truth."""
        before = self.positions.get(symbol, Position(symbol=symbol))
        self.positions[symbol] = Position(
            symbol=symbol,
            quantity=quantity,
            cost=quantity * average_price,
            realized=before.realized,
            charges=before.charges,
            bought=before.bought,
            sold=before.sold,
        )

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders that may still trade, UNKNOWN included."""
        symbols = [symbol] if symbol is not None else list(self._live)
        for name in symbols:
            for order_id in list(self._live.get(name, ())):
                yield self.orders[order_id]

    def position(self, symbol: str) -> Position:
        return self.positions.get(symbol) or Position(symbol=symbol)

    def worst_case(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (longest, shortest): the position if every live buy, or every live sell, filled."""
        quantity = self.position(symbol).quantity
        longest = shortest = quantity
        for order in self.live(symbol):
            if order.request.side is Side.BUY:
                longest += order.remaining
            else:
                shortest -= order.remaining
        return longest, shortest

    def closing(self, symbol: str) -> Decimal:
        """Return what the live exits of `symbol` may still close."""
        return sum((o.remaining for o in self.live(symbol) if o.request.purpose.is_exit), ZERO)

    def in_doubt(self, symbol: str) -> bool:
        return any(o.state in (OrderState.INTENT, OrderState.SENDING, OrderState.UNKNOWN) for o in self.live(symbol))

    def unrealized(self, mark: Callable[[str], Decimal | None]) -> Decimal:
        """Return the profit of all open positions before charges; one without a mark counts as zero."""
        total = ZERO
        for position in self.positions.values():
            if not position.is_flat and (price := mark(position.symbol)) is not None:
                total += position.unrealized(price)
        return total

    def _book(self, before: Order, fact: OrderFact) -> None:
        execution = fact.execution
        assert execution is not None
        self.executions.add((execution.exchange, execution.execution_id))
        old = self.position(execution.symbol)
        new = old.apply(execution, self._charges_of(before, fact))
        self.realized += new.realized - old.realized
        self.charges += new.charges - old.charges
        self.fills += 1
        self.positions[execution.symbol] = new

    def _forget(self) -> None:
        if len(self.orders) <= ENDED_KEPT:
            return
        for order_id, order in self.orders.items():
            if not order.is_live:
                del self.orders[order_id]
                self.by_venue.pop(order.venue_order_id, None)
                return
