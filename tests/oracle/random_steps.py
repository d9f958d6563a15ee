"""The common steps of random days: strategies that enter, leave and turn, and a venue that does what it is asked.

Each step is one thing that happens, in a few messages; it draws what it needs from the day's dice.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from msgspec.structs import replace

from tests.oracle.random_market import Surroundings
from tests.oracle.step_kinds import AFTER_EXIT, AfterExit
from tests.trading.desk.recorded_day import MINUTE
from tradebot.clock import SECOND
from tradebot.domain.commands import EVERYTHING, CommandVerb
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import (
    Action,
    BrokerSession,
    ClockOffset,
    Command,
    DiskAllowance,
    DiskSpaceState,
    FillReport,
    FrozenSymbols,
    LinkUp,
    OrderReport,
    RequestResult,
    Signal,
    Signals,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    Refusal,
    Side,
    VenueOrder,
    VenueOrderStatus,
)

DAY = 86_400 * SECOND
D = Decimal
OUTCOMES = {
    OrderEventType.ACCEPTED: 15,
    OrderEventType.REFUSED: 2,
    OrderEventType.AMBIGUOUS: 2,
    OrderEventType.NOT_SENT: 1,
}
STRATEGIES = ("s", "s", "t", "u")


class Steps(Surroundings):
    """What happens on a day when all goes as it should."""

    def evening(self) -> None:
        """Go to a time at which something ends: entries, positions, the day, or the grace after it."""
        closes_at = self.opens_at + 22_500 * SECOND
        at = closes_at + self.dice.choice((-4_790, -4_400, -1_190, -890, 10, 910)) * SECOND
        if at > self.at:
            self.pass_((at - self.at) / SECOND)
            self.everywhere()
            self.soon()
            if self.dice.random() < 0.7:
                self.give(self.venue.books(self.mono))
            if self.dice.random() < 0.6:
                self.night()

    def night(self) -> None:
        """Begin another day; some orders are left of this one."""
        self.opens_at += DAY
        self.pass_((self.opens_at - self.at) / SECOND)
        self.begin_session()
        if self.dice.random() < 0.8:
            self.venue.end_day()
        self.heal()

    # ---- strategies

    def signal(self, symbol: str, action: Action, **more: Any) -> Signal:
        """Return a signal of now."""
        fields = {"strategy": self.dice.choice(STRATEGIES), "quoted_at": self.mono, "made_at": self.mono} | more
        return Signal(f"s{self.venue.number()}", symbol=symbol, action=action, bar_at=self.at, **fields)

    def signals(self, *signals: Signal) -> None:
        self.give(Signals(at=self.at, interval=MINUTE, signals=signals))

    def levels(self, symbol: str, side: Side, sign: int = 1) -> dict[str, float]:
        price, share = float(self.price(symbol)), self.dice.choice((0.0004, 0.002, 0.02))
        found = {
            "stop_loss": price * (1 - side.sign * sign * share), "target": price * (1 + side.sign * sign * share),
            "trail_by": price * share,
        }  # fmt: skip
        return {name: level for name, level in found.items() if self.dice.random() < 0.5}

    def enter(self) -> None:
        symbol = self.dice.choice(self.universe.symbols)
        action = self.dice.choice((Action.ENTER_LONG, Action.ENTER_LONG, Action.ENTER_SHORT))
        quantity = self.dice.choice((None, None, None, 5.0, 10.0))
        self.everywhere()
        self.signals(self.signal(symbol, action, quantity=quantity, **self.levels(symbol, action.side)))

    def crowd(self) -> None:
        """Enter many symbols, ten at a close, and fill them."""
        symbols, likely = self.universe.symbols, self.dice.choice((0.3, 0.9))
        for first in range(0, len(symbols), 10):
            self.everywhere()
            self.signals(*(
                self.signal(symbol, Action.ENTER_LONG, quantity=self.dice.choice((None, 5.0, 2.5)))
                for symbol in symbols[first : first + 10]
            ))  # fmt: skip
            for _ in range(len(self.waiting)):
                self.send(OrderEventType.ACCEPTED)
                if self.dice.random() < likely:
                    self.fill(whole=True)
            self.soon()

    def retreat(self) -> None:
        """Take back the entries of many symbols; a while later others are entered."""
        self.crowd()
        for order in self.venue.ours:
            self.see(self.venue.show(order, status=VenueOrderStatus.CANCELED))
        self.enter()
        self.pass_(2.5)
        self.enter()
        self.enter()

    def held(self) -> list[str]:
        return [symbol for symbol in self.view()["holdings"] if symbol in self.universe]

    def leave(self) -> None:
        if held := self.held():
            symbol = self.dice.choice(held)
            self.everywhere()
            self.signals(self.leaving(symbol))

    def leaving(self, symbol: str) -> Signal:
        is_long = self.view()["holdings"][symbol][0] > 0
        return self.signal(symbol, Action.EXIT_LONG if is_long else Action.EXIT_SHORT)

    def turn(self) -> None:
        """Close a position and open the other side of it: at one close, or while the exit is under way."""
        if not (held := self.held()):
            return
        symbol = self.dice.choice(held)
        is_long = self.view()["holdings"][symbol][0] > 0
        out, back = (Action.EXIT_LONG, Action.ENTER_SHORT) if is_long else (Action.EXIT_SHORT, Action.ENTER_LONG)
        strategy = self.dice.choice(STRATEGIES)
        self.everywhere()
        away = self.signal(symbol, out, strategy=strategy)
        against = self.signal(symbol, back, strategy=strategy)
        if self.dice.random() < 0.5:
            self.signals(away, against)
        else:
            self.signals(away)
            self.soon()
            self.signals(self.signal(symbol, back, strategy=strategy, quantity=self.dice.choice((None, 7.0))))
        self.send(self.dice.choice((OrderEventType.ACCEPTED, OrderEventType.ACCEPTED, OrderEventType.REFUSED)))
        match self.dice.choice(AFTER_EXIT):
            case AfterExit.TOO_MUCH_TIME:
                self.pass_(2.5)
            case AfterExit.SOME_TIME:
                self.soon()
            case AfterExit.FILL_OF_ANOTHER:
                self.fill()
        self.fill(symbol=symbol, whole=True)
        if self.dice.random() < 0.5:
            self.fill(symbol=symbol, whole=True)

    # ---- the venue's common ways

    def tell(self, order_id: str, event_type: OrderEventType, venue_order_id: str = "", **more: Any) -> None:
        event = OrderEvent(
            order_id=order_id, type=event_type, at=self.at, mono=self.mono, venue_order_id=venue_order_id, **more
        )
        self.give(RequestResult(event=event))

    def see(self, order: VenueOrder, **changes: Any) -> None:
        self.give(OrderReport(order=replace(order, **changes), mono=self.mono))

    def send(self, event_type: OrderEventType | None = None) -> None:
        """Send what waits, and hear what became of it."""
        if not self.waiting:
            return
        request = self.waiting.pop(0)
        self.tell(request.order_id, OrderEventType.SENDING)
        accepted, dice = OrderEventType.ACCEPTED, self.dice
        event_type = event_type or dice.weighed(OUTCOMES)
        if event_type is OrderEventType.AMBIGUOUS and dice.random() < 0.5:
            self.venue.accept(request)  # it is there, and no message said so
        if event_type is accepted:
            order = self.venue.accept(request)
            if dice.random() < 0.1:  # its fill is faster than the answer
                self.execute(order, order.quantity)
            if dice.random() < 0.1:
                self.see(order)
            self.tell(request.order_id, event_type, order.venue_order_id)
            if dice.random() < 0.3:
                self.see(order)
        elif event_type is OrderEventType.REFUSED:
            self.ghosts.append(request)
            self.tell(request.order_id, event_type, reason="no", refusal=dice.choice((None, *Refusal)))
        else:
            self.ghosts.append(request)
            self.tell(request.order_id, event_type, reason="the line broke")

    def execute(self, order: VenueOrder, quantity: Decimal) -> Fill:
        trade = self.venue.fill(order, quantity, self.price(order.symbol), self.at)
        self.give(FillReport(fill=trade, mono=self.mono))
        return trade

    def fill(self, *, symbol: str = "", whole: bool = False) -> None:
        orders = [order for order in self.venue.ours if not symbol or order.symbol == symbol]
        if not orders:
            return
        order = self.dice.choice(orders)
        rest = order.quantity - order.filled
        quantity = rest if whole or self.dice.random() < 0.6 else max(D(1), rest // self.dice.choice((2, 3)))
        self.execute(order, quantity)
        if self.dice.random() < 0.3:
            self.see(self.venue.orders[order.venue_order_id])

    def answer(self) -> None:
        """Answer a cancel or a change that is on its way."""
        if self.cancels:
            wish = self.cancels.pop(0)
            event_type = self.dice.choice(
                (OrderEventType.CANCEL_ACCEPTED,) * 3 + (OrderEventType.CANCEL_REFUSED, OrderEventType.CANCEL_UNKNOWN)
            )
            if not wish.venue_order_id:
                if waits := [r for r in self.waiting if r.order_id == wish.order_id]:
                    self.waiting.remove(waits[0])
                    self.tell(wish.order_id, OrderEventType.LAPSED)
                return
            self.tell(wish.order_id, event_type)
            order = self.venue.orders.get(wish.venue_order_id)
            if (
                event_type is OrderEventType.CANCEL_ACCEPTED
                and order in self.venue.working
                and self.dice.random() < 0.8
            ):
                status = self.dice.choice((VenueOrderStatus.CANCELED,) * 4 + (VenueOrderStatus.EXPIRED,))
                self.see(self.venue.show(order, status=status))
        elif self.changes:
            change = self.changes.pop(0)
            event_type = self.dice.choice(
                (OrderEventType.REPLACED,) * 3 + (OrderEventType.REPLACE_REFUSED, OrderEventType.REPLACE_UNKNOWN)
            )
            order = self.venue.orders.get(change.venue_order_id)
            is_done = event_type is OrderEventType.REPLACED or self.dice.random() < 0.5
            if is_done and order in self.venue.working:
                order = self.venue.show(
                    order, price=change.request.price, quantity=change.request.quantity, kind=change.request.kind
                )
            if event_type is not OrderEventType.REPLACED or self.dice.random() < 0.5:
                self.tell(change.order_id, event_type)
            elif order is not None:
                self.see(order)

    def look(self) -> None:
        """Show the venue's books as they are."""
        self.mono += SECOND // 10
        self.give(self.venue.books(self.mono - SECOND // 20))

    def close(self) -> None:
        """Tell the strategies a close."""
        columns = dict.fromkeys(("ids", "open", "high", "low", "close", "volume", "ticks"), np.zeros(0, dtype=np.int64))
        self.told(BarBatch(interval=MINUTE, ends_at=self.at, seen_at=self.mono, quoted_at=self.mono, **columns))

    def joined(self) -> None:
        for source in ("kite", "orders"):
            self.give(LinkUp(source=source, mono=self.mono))
        self.give(BrokerSession(mono=self.mono))
        self.look()

    def heal(self) -> None:
        """Let all be well again."""
        self.reason = ""
        self.give(ClockOffset(mono=self.mono, offset_ns=0))
        self.give(FrozenSymbols(symbols=(), mono=self.mono))
        self.give(DiskSpaceState(mono=self.mono, allows=DiskAllowance.ALL))
        self.joined()
        self.give(Command(verb=CommandVerb.RESUME, reason="by hand", scope=EVERYTHING, id=f"c{self.venue.number()}"))
        self.look()
        self.everywhere()


# Step -> how often it comes among the others.
CALM = {
    "soon": 8, "later": 2, "some": 12, "everywhere": 3, "enter": 12, "leave": 4, "turn": 5, "send": 16, "fill": 14,
    "answer": 8, "look": 4, "crowd": 1, "retreat": 1, "heal": 1, "close": 1,
}  # fmt: skip
