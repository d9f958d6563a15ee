"""The desk's memory: every order and position, changed by facts alone, so that the journal rebuilds it exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.domain.messages import Books, Released
from tradebot.domain.order import HOLDS, ZERO, Execution, Order, OrderEvent, OrderFact
from tests.oracle.vendor.domain.order_course import filled
from tradebot.domain.order_fold import apply, begin, no_later
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import Line, PositionKey
from tests.oracle.vendor.trading.desk.exposure import Exposure
from tests.oracle.vendor.trading.desk.external import External, Own, line_of

ChargesOf = Callable[[Order, Execution], Decimal]  # (order before the fill, the fill) -> its charges
Key = tuple[str, str]  # (exchange, execution_id)
INTENT, DENIED, REVERSED = OrderEvent.INTENT, OrderEvent.DENIED, OrderEvent.REVERSED
JUST_FILLED = SECOND // 5  # after a fill: the list of positions may be from before it
ENDED_KEPT = 20_000  # ended orders kept for late fills; a venue's day allows 5,000


class Booked(Message, frozen=True, kw_only=False):
    """A fill in the books: whose it is, what it cost, and the monotonic time it was heard, 0 of before this process."""

    order_id: str
    execution: Execution
    charges: Decimal
    mono: int


class Blotter:
    """Orders by id, ours by key, and in `exposure` what our orders may still do; totals are kept as fills come.

    What other hands trade stands in `external`. Orders that ended are kept for fills that come late, unless told that
    none do.
    """

    def __init__(self, charges_of: ChargesOf, *, venue: str = "", keeps_ended: bool = True) -> None:
        self._charges_of, self._kept = charges_of, ENDED_KEPT if keeps_ended else 0
        self.venue = venue
        self._ended: deque[str] = deque()  # order_ids as they ended; one that lived again may be in it twice
        self.orders: dict[str, Order] = {}  # order_id -> Order, in order of intent
        self.by_venue: dict[str, str] = {}  # venue_order_id -> order_id
        self.positions: dict[PositionKey, Position] = {}  # ours
        self.open: dict[str, Position] = {}  # symbol -> ours that is not flat; of two lines of a symbol the first
        self._keys: dict[str, PositionKey] = {}  # symbol -> the key last traded
        self._crowded: set[str] = set()  # symbols with several keys
        self.exposure = Exposure(self.orders, self.open)
        self.external = External(self.orders)
        # Symbols where more was filled than ordered -> (mono of the last fill, what the venue's list has held since).
        self.in_excess: dict[str, tuple[int, Decimal | None]] = {}
        self.moved: set[str] = set()  # symbols whose position changed since this was last emptied
        self.touched: set[str] = set()  # symbols whose worst case may have changed since then
        self.booked: dict[Key, Booked] = {}  # every fill that counts
        self.busted: dict[Key, Booked] = {}  # what was taken back for good
        self.on_forget: Callable[[Order], None] = lambda order: None  # told of each order that is kept no longer
        self.realized = ZERO
        self.charges = ZERO
        self.fills = 0

    def begin(self, fact: OrderFact) -> Order:
        """Apply an INTENT of an order of ours, as `record` would; returns the order."""
        order, order_id = begin(fact), fact.order_id
        self.orders[order_id] = order
        symbol = order.request.symbol
        self.touched.add(symbol)
        self.exposure.begin(order_id, symbol)
        return order

    def place(self, order: Order) -> None:
        """Take an order of ours that is at the venue already, as `record` would of the facts that brought it there."""
        order_id, symbol = order.request.order_id, order.request.symbol
        self.orders[order_id] = order
        self.by_venue[order.venue_order_id] = order_id
        self.touched.add(symbol)
        self.exposure.begin(order_id, symbol)

    def fill(self, order: Order, execution: Execution, key: Key, *, at: int, mono: int) -> None:
        """Book a fill that `fills_whole` a live order, as `record` would of its fact of market time `at`.

        `key` is the fill's, which was never told before.
        """
        order_id = order.request.order_id
        charges = self._trade(order, execution)
        self.exposure.end(order_id, order.request.symbol)
        self._ended.append(order_id)
        self.booked[key] = Booked(order_id, execution, charges, mono)
        self.orders[order_id] = filled(order, execution, at=at, mono=mono)
        if len(self.orders) > self._kept:
            self._forget()

    def close(self, order: Order, execution: Execution) -> None:
        """Book a fill that `fills_whole` a live order with one id at the venue, and forget both."""
        order_id, symbol = order.request.order_id, order.request.symbol
        self._trade(order, execution)
        self.exposure.end(order_id, symbol)
        del self.orders[order_id], self.by_venue[order.venue_order_id]

    def record(self, fact: OrderFact) -> Order:
        """Apply one fact; returns the order after it. A fill of ours is booked into its position as well."""
        order_id, before = fact.order_id, None
        if fact.event is INTENT or fact.event is DENIED:
            order = begin(fact)
        else:
            before = self.orders[order_id]
            order = apply(before, fact)
            if fact.execution is not None and order.filled != before.filled:
                self._book(before, fact, fact.execution)
        self.orders[order_id] = order
        symbol = order.request.symbol
        exposure = self.exposure
        if order.is_external:
            exposure = self.external.exposure
        self.touched.add(symbol)
        if order.venue_order_id and (before is None or order.venue_order_id != before.venue_order_id):
            self.by_venue[order.venue_order_id] = order_id
            if before is not None and before.venue_order_id and before.venue_order_id not in order.other_ids:
                self.by_venue.pop(before.venue_order_id, None)
        if order.other_ids:
            self.by_venue.update(dict.fromkeys(order.other_ids, order_id))
        was_live = before is not None and before.state.is_live
        if order.state.is_live:
            if not was_live:
                exposure.begin(order_id, symbol)
        else:
            if was_live:
                exposure.end(order_id, symbol)
            if was_live or before is None:
                self._ended.append(order_id)
            if (order.claim.filled or order.state in HOLDS) and order.reserved(max(exposure.mono, fact.mono)):
                exposure.hold(order_id, symbol)
            if len(self.orders) > self._kept:
                self._forget()
        return order

    def release(self, mono: int) -> None:
        """Move the time to monotonic `mono`: reservations that outlived their order end.

        The first call sets it: after a boot of the machine the journal's facts tell later times than now, which would
        keep reservations and patience for as long as the machine ran before.
        """
        if not self.exposure.mono:
            for order_id, order in self.orders.items():
                self.orders[order_id] = no_later(order, mono)
        self.touched.update(self.exposure.release(mono))
        self.external.exposure.release(mono)

    def adopt(self, key: PositionKey, quantity: Decimal, average_price: Decimal) -> None:
        """Take over a position that has no fills here, as runs of before did: the quantity is the truth."""
        self._note(key)
        before = self.positions.get(key) or Position(key)
        self._move(before, before.hold(quantity, average_price))

    def give_up(self, released: Released) -> None:
        """Take a part of a position for no longer ours: it is held beyond ours from now on."""
        before = self.positions[PositionKey(self.venue, *released.key.line)]
        self._move(before, before.release(released.quantity, released.price))
        self.external.take_over(released.key.line, released.quantity)

    def live(self, symbol: str | None = None) -> Iterator[Order]:
        """Yield the orders of ours that may still trade, UNKNOWN included."""
        return self.exposure.live(symbol)

    def live_anywhere(self) -> Iterator[Order]:
        """Yield all orders that may still trade, those placed elsewhere last."""
        yield from self.exposure.live()
        yield from self.external.exposure.live()

    def own(self, books: Books) -> Own:
        """Return what was ours when `books` were read, by line, as far as they can know it.

        A fill that was heard since they were asked for and that they do not list came later than they.
        """
        held = {p.key.line: p.quantity for p in self.positions.values()}
        late: dict[Line, Decimal] = {}
        late_ours: dict[Line, Decimal] = {}
        listed = {execution.key for execution in books.executions}
        for booked in reversed(self.booked.values()):
            fill = booked.execution
            if booked.mono < books.asked_at - JUST_FILLED:
                break
            if fill.key in listed or fill.is_inferred:
                continue
            line, signed = (fill.exchange, fill.symbol, fill.product), fill.quantity * fill.side.sign
            order = self.orders.get(booked.order_id)
            if order is not None and order.is_external:
                late[line] = late.get(line, ZERO) + signed
            else:
                held[line] = held.get(line, ZERO) - signed
                late_ours[line] = late_ours.get(line, ZERO) + signed
        for order in self.exposure.live():
            if order.claim.filled and order.shortfall:  # filled, as its status says, and not told yet
                line, signed = line_of(order), order.shortfall * order.request.side.sign
                late_ours[line] = late_ours.get(line, ZERO) + signed
        return Own(held, late, late_ours)

    def owner(self, key: Key) -> str | None:
        """Return the order that a fill of this key, booked or taken back, belongs to."""
        booked = self.booked.get(key) or self.busted.get(key)
        return None if booked is None else booked.order_id

    def position(self, symbol: str) -> Position:
        """Return ours of a symbol, the open one if there is one."""
        position = self.open.get(symbol)
        if position is None:
            key = self._keys.get(symbol) or PositionKey(self.venue, "", symbol, "")
            position = self.positions.get(key) or Position(key)
        return position

    def ours(self, line: Line) -> Decimal:
        """Return the signed quantity that we hold of a line."""
        position = self.positions.get(PositionKey(self.venue, *line))
        return ZERO if position is None else position.quantity

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity that we hold of `symbol`."""
        position = self.open.get(symbol)
        return ZERO if position is None else position.quantity

    def suspect(self, symbol: str) -> None:
        """Note that an order of `symbol` was filled beyond its quantity: what is held may be less than was told."""
        self.in_excess.setdefault(symbol, (self.exposure.mono, None))

    def closable(self, symbol: str) -> Decimal:
        """Return the signed quantity that an exit may close: ours, as far as the venue holds it on the same side.

        In excess nothing until the venue was asked after the last fill, and then no more than its list holds.
        """
        position = self.open.get(symbol)
        if position is None:
            return ZERO
        quantity = self.external.closable(position) if self.external else position.quantity
        if symbol not in self.in_excess:
            return quantity
        held = self.in_excess[symbol][1]
        if held is None or held * quantity <= 0:
            return ZERO
        return min(quantity, held, key=abs)

    def unrealized(self, mark: Callable[[str], Decimal | None]) -> Decimal:
        """Return the profit of all open positions before charges; one without a mark counts as zero."""
        total = ZERO
        for position in self.open.values():
            if (price := mark(position.symbol)) is not None:
                total += position.unrealized(price)
        return total

    def _book(self, before: Order, fact: OrderFact, execution: Execution) -> None:
        key = (execution.exchange, execution.execution_id)
        is_ours = not before.is_external
        if fact.event is REVERSED:
            booked = self.booked.pop(key)
            if is_ours:
                old = self._at(booked.execution)
                self._move(old, old.reverse(booked.execution, booked.charges), -booked.charges)
                self.fills -= 1
            else:
                self.external.trade(booked.execution, -1)
            if not booked.execution.is_inferred:
                self.busted[key] = booked
            return
        charges = ZERO
        if is_ours:
            charges = self._trade(before, execution)
        else:
            self.external.trade(execution)
        # Before the first release the facts are the journal's, of which some tell the time of an earlier boot.
        self.booked[key] = Booked(fact.order_id, execution, charges, fact.mono if self.exposure.mono else 0)
        if self.busted:
            self.busted.pop(key, None)

    def _trade(self, order: Order, execution: Execution) -> Decimal:
        # Move the position by a fill of an order of ours; returns its charges.
        charges = self._charges_of(order, execution)
        old = self.open.get(execution.symbol)
        if old is None or old.key.product != execution.product or old.key.exchange != execution.exchange:
            old = self._at(execution)
        self._move(old, old.apply(execution, charges), charges)
        self.fills += 1
        return charges

    def _at(self, execution: Execution) -> Position:
        # Ours in the line of a fill, a flat one where there was none.
        key = self._keys.get(execution.symbol)
        if key is None or key.product != execution.product or key.exchange != execution.exchange:
            key = PositionKey(self.venue, execution.exchange, execution.symbol, execution.product)
            self._note(key)
        return self.positions.get(key) or Position(key)

    def _note(self, key: PositionKey) -> None:
        if self._keys.setdefault(key.symbol, key) != key:
            self._crowded.add(key.symbol)
            self._keys[key.symbol] = key

    def _move(self, old: Position, new: Position, charges: Decimal = ZERO) -> None:
        key = new.key
        symbol = key.symbol
        if new.realized is not old.realized:
            self.realized += new.realized - old.realized
        self.charges += charges
        if self.in_excess and symbol in self.in_excess:
            self.in_excess[symbol] = self.exposure.mono, None
        self.positions[key] = new
        self.touched.add(symbol)
        self.moved.add(symbol)
        if self._crowded and symbol in self._crowded:
            new = next((p for p in self.positions.values() if p.key.symbol == symbol and p.quantity), new)
        if new.quantity:
            self.open[symbol] = new
        else:
            self.open.pop(symbol, None)

    def _forget(self) -> None:
        # The one that ended first goes, except that what is reserved still waits behind the others.
        for _ in range(len(self._ended)):
            order_id = self._ended.popleft()
            order = self.orders.get(order_id)
            if order is None or order.state.is_live:
                continue
            if self.exposure.is_held(order):
                self._ended.append(order_id)
                continue
            del self.orders[order_id]
            for venue_order_id in (order.venue_order_id, *order.other_ids):
                self.by_venue.pop(venue_order_id, None)
            for execution in order.booked:
                self.booked.pop(execution.key, None)
            for execution in order.odd.busted:
                self.busted.pop(execution.key, None)
            self.on_forget(order)
            return
