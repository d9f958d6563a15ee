"""The troubles of random days: what strategies, the venue, other hands, wires and the operator do oddly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tests.oracle.random_steps import Steps
from tests.oracle.small_venue import DELIVERY
from tests.oracle.step_kinds import (
    GHOSTS,
    LATE_FILLS,
    OUTSIDE,
    Ghost,
    LateFill,
    Lost,
    OddSnapshot,
    OddStatus,
    Outside,
    Retold,
)
from tradebot.clock import SECOND
from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    BrokerSession,
    ClockOffset,
    Command,
    DiskAllowance,
    DiskSpaceState,
    FillReport,
    FrozenSymbols,
    LinkDown,
)
from tradebot.domain.order import (
    Fill,
    OrderEventType,
    Refusal,
    Side,
    VenueOrderStatus,
)
from tradebot.domain.venue_rows import UnreadRow

D = Decimal


class RandomSteps(Steps):
    """Steps of all kinds. Who fills it in gives messages to desks and takes what they say."""

    def odd_signal(self) -> None:
        symbol = self.dice.choice((*self.universe.symbols, "NOBODY"))
        action = self.dice.choice(list(Action))
        known = symbol in self.universe
        more: dict[str, Any] = {"inputs": {"x": float("nan")}}
        if known and self.dice.random() < 0.5:
            more |= self.levels(symbol, action.side, self.dice.choice((1, -1)))
        more |= self.dice.choice((
            {}, {"quantity": 0.4}, {"quantity": -3.0}, {"quantity": 1e9}, {"stop_loss": 0.001}, {"target": 0.001},
            {"trail_by": 1e-6}, {"trail_by": 1e6}, {"stop_loss": 1.0}, {"strategy": ""},
        ))  # fmt: skip
        if not self.is_fast and self.dice.random() < 0.3:
            more["quoted_at"] = self.mono - 3 * SECOND
        self.signals(self.signal(symbol, action, **more))

    def refusals(self) -> None:
        """Let the venue refuse entries of a few symbols, again and again."""
        symbol = self.dice.choice(self.universe.symbols)
        for n in range(self.dice.between(2, 5)):
            other = self.dice.choice((symbol, symbol, self.dice.choice(self.universe.symbols)))
            self.signals(self.signal(other, Action.ENTER_LONG, strategy="s", quantity=5.0 * (n % 3 + 1)))
            self.send(OrderEventType.REFUSED)
        if self.dice.random() < 0.5:
            scope = self.dice.choice((Scope.for_symbol(symbol), Scope.for_strategy("s"), EVERYTHING))
            self.give(Command(verb=CommandVerb.RESUME, scope=scope, id=f"c{self.venue.number()}"))

    def odd_quote(self) -> None:
        """Quote an instrument at a price or with a book that cannot be."""
        id_ = self.dice.below(len(self.universe))
        before = self.prices[id_]
        self.prices[id_] = self.dice.choice((before, before, 1, before * 3))
        self.quote([id_], spread=self.dice.choice(((5, 5), (5000, 5000), (-50, -100), (10**9, 10))))
        if self.dice.random() < 0.5:
            self.signals(self.signal(self.universe[id_].symbol, Action.ENTER_LONG))
        self.prices[id_] = before

    # ---- the venue's odd ways

    def odd_fill(self) -> None:
        if not (orders := self.venue.ours):
            return
        order = self.dice.choice(orders)
        price = self.price(order.symbol)
        other = self.dice.choice([i.symbol for i in self.universe if i.exchange == order.exchange] or [order.symbol])
        trade = Fill(
            f"{self.venue.number()}", order.venue_order_id, order.symbol, order.exchange, order.side, order.quantity,
            price, self.at, order.product,
        )  # fmt: skip
        trade = self.dice.choice((
            lambda: replace(trade, side=order.side.opposite), lambda: replace(trade, symbol=other),
            lambda: replace(trade, price=price * D("1.3")), lambda: replace(trade, quantity=order.quantity + 3),
            lambda: replace(trade, product="NRML"), lambda: replace(trade, venue_order_id="V?"),
            lambda: replace(trade, exchange="BSE" if trade.exchange == "NSE" else trade.exchange),
        ))()  # fmt: skip
        if self.dice.random() < 0.7:
            self.venue.show(order, status=VenueOrderStatus.FILLED, filled=order.quantity)
            self.venue.book(trade)
        self.give(FillReport(fill=trade, mono=self.mono))

    def told_again(self) -> None:
        """Tell a trade again: the same, with other figures, under another id, or take it back for good."""
        if not self.venue.trades:
            return
        trade = self.dice.choice(self.venue.trades[-4:])
        match self.dice.choice(list(Retold)):
            case Retold.AS_IT_WAS:
                self.give(FillReport(fill=trade, mono=self.mono))
            case Retold.UNDER_ANOTHER_ID:
                twin = replace(trade, execution_id=f"{self.venue.number()}")
                self.give(FillReport(fill=twin, mono=self.mono))
                unread = (self.unread_row(),) * self.dice.below(2)
                for _ in range(3):
                    self.pass_(3.0)
                    self.give(self.venue.books(self.mono, unread=unread))
            case Retold.OF_ANOTHER_ORDER:
                other = self.dice.choice(list(self.venue.orders) or [""])
                self.venue.trades.append(replace(trade, venue_order_id=other, price=trade.price + 1))
                self.look()
                self.venue.trades.pop()
            case Retold() as kind:
                quantity = D(0) if kind is Retold.TAKEN_BACK else max(D(1), trade.quantity - 1)
                other = replace(trade, quantity=quantity, price=trade.price + (kind is Retold.CORRECTED_WITH_PRICE))
                self.venue.book(trade, -1)
                self.venue.book(other)
                if kind is not Retold.CORRECTED_IN_LISTS:
                    self.give(FillReport(fill=other, mono=self.mono))
                for _ in range(self.dice.between(1, 3)):
                    self.look()
                if self.dice.random() < 0.3:
                    self.give(FillReport(fill=trade, mono=self.mono))

    def claim(self) -> None:
        """Show more filled than trades came for; they come late, in parts, with more behind them, or never."""
        if not (orders := self.venue.ours):
            return
        order = self.dice.choice(orders)
        rest = order.quantity - order.filled
        claims = self.dice.choice((rest, rest, max(D(1), rest // 2)))
        average = self.dice.choice((None, self.price(order.symbol), D("0.05")))
        status = self.dice.choice((VenueOrderStatus.OPEN, VenueOrderStatus.FILLED, VenueOrderStatus.CANCELED))
        self.see(order, filled=order.filled + claims, status=status, average_price=average)
        self.pass_(self.dice.choice((0.5, 3.0, 6.0)))
        match self.dice.choice(LATE_FILLS):
            case LateFill.WHOLE_AND_BEYOND:
                self.execute(order, rest)
                self.see(order, filled=order.quantity + 2, average_price=average)
                self.pass_(3.0)
                self.pass_(3.0)
            case LateFill.PART:
                self.execute(order, max(D(1), rest // 2))
                self.soon()
            case LateFill.WHOLE_AFTER_ITS_STATUS:
                self.see(order, filled=order.quantity, average_price=average)
                self.pass_(6.0)
                self.execute(order, rest)
        self.look()

    def odd_status(self) -> None:
        if not (orders := [order for order in self.venue.orders.values() if order.tag]):
            return
        order = self.dice.choice(orders[-6:])
        match self.dice.choice(list(OddStatus)):
            case OddStatus.ANY_AT_THE_VENUE:
                self.see(self.venue.show(order, status=self.dice.choice(list(VenueOrderStatus)), reason="so"))
            case OddStatus.ANY_IN_A_MESSAGE:
                self.see(
                    order, status=self.dice.choice(list(VenueOrderStatus)), refusal=self.dice.choice((None, *Refusal))
                )
            case OddStatus.OTHER_QUANTITY:
                self.see(
                    self.venue.show(order, quantity=order.quantity + self.dice.choice((-1, 2)), changed_at=self.at)
                )
            case OddStatus.OTHER_PRICE if order.price is not None:
                self.see(self.venue.show(order, price=order.price + D("0.5")))
            case OddStatus.OTHER_ID:
                self.see(order, venue_order_id=f"W{self.venue.number()}")
            case OddStatus.OLD:
                self.see(order, changed_at=self.at - 60 * SECOND)
            case OddStatus.REJECTED_AND_UNFILLED:
                self.see(self.venue.show(order, status=VenueOrderStatus.REJECTED, filled=D(0), reason="margin"))
            case OddStatus.OPEN_AGAIN:
                self.see(self.venue.show(order, status=VenueOrderStatus.OPEN))

    def odd_look(self) -> None:
        """Show books that lack rows, know less, or cannot be read whole; once or for a while."""
        dice, lacks = self.dice, self.dice.choice
        unread = tuple(self.unread_row() for _ in range(dice.below(3)))
        kind, shift = dice.choice(list(OddSnapshot)), lacks((0, 0, -2, 3))
        symbol = lacks(self.universe.symbols)
        for _ in range(dice.between(1, 4)):
            self.pass_(lacks((0.5, 6.0, 11.0)))
            snapshot = self.venue.books(
                self.mono - lacks((1, SECOND)), unread=unread, cash=lacks((None, D(1), D(60_000)))
            )
            match kind:
                case OddSnapshot.LACKS_AN_ORDER_AND_A_FILL:
                    snapshot = replace(snapshot, orders=snapshot.orders[1:], fills=snapshot.fills[:-1])
                case OddSnapshot.LACKS_ORDERS:
                    snapshot = replace(snapshot, orders=())
                case OddSnapshot.LACKS_A_POSITION:
                    snapshot = replace(snapshot, positions=snapshot.positions[1:])
                case OddSnapshot.NOTHING_FILLED:
                    snapshot = replace(snapshot, orders=tuple(replace(o, filled=D(0)) for o in snapshot.orders))
                case OddSnapshot.EVERYTHING_TWICE:
                    snapshot = replace(snapshot, fills=snapshot.fills * 2, orders=snapshot.orders * 2)
            hidden = {row.venue_order_id for row in unread} | {row.tag for row in unread}
            rows = tuple(o for o in snapshot.orders if not {o.venue_order_id, o.tag} & hidden - {""})
            snapshot = replace(snapshot, orders=rows)
            if shift:
                snapshot = self.shifted(snapshot, symbol, D(shift))
            self.give(snapshot)

    def shifted(self, snapshot: AccountSnapshot, symbol: str, by: Decimal) -> AccountSnapshot:
        found = [p for p in snapshot.positions if p.symbol == symbol]
        others = tuple(p for p in snapshot.positions if p.symbol != symbol)
        return replace(snapshot, positions=(*others, *(replace(p, quantity=p.quantity + by) for p in found)))

    def unread_row(self) -> UnreadRow:
        dice = self.dice
        symbol = dice.choice(("", *self.universe.symbols))
        order = dice.choice(list(self.venue.orders.values()) or [None])
        named = {"venue_order_id": order.venue_order_id, "tag": order.tag} if order and dice.random() < 0.6 else {}
        if order and named:
            symbol = order.symbol
            if dice.random() < 0.5:
                named.pop(dice.choice(list(named)))
        return UnreadRow(
            book=dice.choice(("orders", "trades", "positions", "holdings")), reason="odd", symbol=symbol, **named
        )

    def lost_order(self) -> None:
        """Leave an order in doubt: the venue has it not, for a minute or for good."""
        if not (orders := self.venue.ours):
            return
        order = self.dice.choice(orders)
        del self.venue.orders[order.venue_order_id]
        for _ in range(self.dice.between(2, 5)):
            self.pass_(self.dice.choice((6.0, 21.0)))
            self.look()
        if self.dice.random() < 0.4:
            self.venue.orders[order.venue_order_id] = order
            self.dice.choice((self.look, lambda: self.see(order), lambda: self.execute(order, order.quantity)))()

    def ghost(self) -> None:
        """Show an order at work that was refused, never sent, or in doubt."""
        asked = [*self.ghosts[-3:], *self.waiting[:1]]
        if not asked:
            return
        order = self.venue.accept(self.dice.choice(asked))
        match self.dice.choice(GHOSTS):
            case Ghost.FILLED:
                self.execute(order, order.quantity)
            case Ghost.IN_THE_LISTS:
                self.look()
            case Ghost.BY_ITS_STATUS:
                self.see(order, status=self.dice.choice((VenueOrderStatus.OPEN, *VenueOrderStatus)))
        self.soon()

    def stubborn(self) -> None:
        """Let orders outlive their cancels, look after look."""
        self.give(Command(verb=CommandVerb.HALT, reason="by hand", scope=EVERYTHING, id=f"c{self.venue.number()}"))
        event_type = self.dice.choice(
            (OrderEventType.CANCEL_ACCEPTED, OrderEventType.CANCEL_REFUSED, OrderEventType.CANCEL_UNKNOWN)
        )
        for _ in range(6):
            for wish in self.cancels:
                if wish.venue_order_id:
                    self.tell(wish.order_id, event_type)
            self.cancels.clear()
            self.pass_(self.dice.choice((3.0, 11.0)))
            self.look()

    def outside(self) -> None:
        """Let another hand trade: orders, fills, a conversion, or something out of nothing."""
        dice = self.dice
        symbol = dice.choice((*(self.held() or self.universe.symbols), dice.choice(self.universe.symbols), "NOBODY"))
        exchange = self.universe.instrument_of(symbol).exchange if symbol in self.universe else "NSE"
        product = dice.choice((self.product, self.product, "MIS", DELIVERY, "NRML"))
        line = exchange, symbol, product
        match dice.choice(OUTSIDE):
            case Outside.ORDER:
                order = self.venue.place(
                    symbol, dice.choice(list(Side)), D(dice.between(1, 12)), exchange=exchange, product=product
                )
                self.see(order)
                if dice.random() < 0.6:
                    self.execute(order, max(D(1), order.quantity // dice.choice((1, 2))))
                    self.see(self.venue.orders[order.venue_order_id])
            case Outside.UNTOLD_FILL:
                order = self.venue.place(symbol, dice.choice(list(Side)), D(5), exchange=exchange, product=product)
                self.venue.fill(order, D(5), D(1000), self.at)  # heard of in the next look
            case Outside.CHANGE:
                self.venue.move(line, D(dice.choice((-3, 4))))
            case Outside.CONVERSION:
                quantity = self.venue.net.get(line, D(0))
                self.venue.move(line, -quantity)
                self.venue.move((exchange, symbol, dice.choice((DELIVERY, "NRML"))), quantity)
            case Outside.LOSS:
                self.venue.net.pop(line, None)
        for _ in range(dice.below(4)):
            self.look()
        theirs = [order for order in self.venue.working if not order.tag]
        if theirs and dice.random() < 0.5:
            self.see(self.venue.show(dice.choice(theirs), status=VenueOrderStatus.CANCELED))

    # ---- wires, disk, operator

    def cut(self) -> None:
        """Lose a link or the login, with what is open in doubt."""
        lost = self.dice.choice(list(Lost))
        if lost is Lost.LINK:
            self.give(LinkDown(source=self.dice.choice(("kite", "orders")), mono=self.mono, reason="silent"))
        else:
            is_route_lost = lost is Lost.LOGIN_AND_ORDER_ROUTE
            self.give(BrokerSession(mono=self.mono, lost_reason="the login is dead", orders_refused=is_route_lost))
        for _ in range(self.dice.below(3)):
            self.pass_(self.dice.choice((1.0, 8.0)))
            self.look()
        if self.dice.random() < 0.6:
            self.joined()

    def condition(self) -> None:
        """Change one condition of the run: the clock, frozen symbols, the disk, or the halt file."""
        self.dice.choice((self.clock, self.frozen, self.disk, self.halt_file))()

    def clock(self) -> None:
        self.give(ClockOffset(mono=self.mono, offset_ns=self.dice.choice((-70, 70, 0)) * SECOND))

    def frozen(self) -> None:
        self.give(FrozenSymbols(symbols=tuple(self.universe.symbols[: self.dice.below(3)]), mono=self.mono))

    def disk(self) -> None:
        allows = self.dice.choice(list(DiskAllowance))
        reason = "" if allows is DiskAllowance.ALL else "the disk is full"
        self.give(DiskSpaceState(mono=self.mono, allows=allows, reason=reason))

    def halt_file(self) -> None:
        self.reason = self.dice.choice(("", "the file"))

    def command(self) -> None:
        dice = self.dice
        scope = dice.choice(
            (
                EVERYTHING,
                Scope.parse("account"),
                Scope.for_strategy("s"),
                Scope.for_symbol(dice.choice(self.universe.symbols)),
            )
        )
        verb = dice.choice((CommandVerb.HALT, CommandVerb.RESUME, CommandVerb.FLATTEN))
        id_ = dice.choice((f"c{self.venue.number()}", "c"))
        self.give(Command(verb=verb, reason=dice.choice(("by hand", "")), scope=scope, id=id_))

    def stop(self) -> None:
        if self.dice.random() < 0.3:
            self.enter()
            self.give(Command(verb=CommandVerb.STOP))
            self.send()
            self.soon()
            self.some()


TROUBLE = {
    "odd_signal": 8, "odd_quote": 4, "refusals": 3, "ghost": 4, "stubborn": 2, "odd_fill": 6, "told_again": 6,
    "claim": 10, "odd_status": 8, "odd_look": 6, "lost_order": 4, "outside": 10, "cut": 5, "condition": 5, "command": 5,
    "heal": 8, "much_later": 3, "evening": 3, "night": 2, "start_again": 4, "stop": 1,
}  # fmt: skip
