"""Random days against a venue of thirty lines: whatever is lost, late, told twice or out of order, the books agree.

At every step nothing is booked that did not trade and nothing that may still trade is left out of the exposure; after
the last message, with all answers in and the books read, orders and fills are the venue's exactly. TRADEBOT_DAYS=n: n
days.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import (
    Fill,
    Order,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderRequest,
    OrderState,
    OrderTerms,
    Side,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.rules.missing_fills import MissingFills
from tradebot.trading.desk.rules.report_translator import ReportTranslator
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
E = OrderEventType
QUANTITY = 4
DAYS = int(os.environ.get("TRADEBOT_DAYS", "150"))


class VenueSide:
    """One order as the venue has it: the model, and all of it."""

    def __init__(self, order_id: str, number: int) -> None:
        self.order_id, self.venue_order_id = order_id, f"V{number}"
        self.status, self.filled, self.fills = VenueOrderStatus.OPEN, 0, list[Fill]()
        self.quantity, self.price = QUANTITY, 100
        self.held: tuple[OrderTerms, int] | None = None  # a change under way, and when it was sent

    @property
    def is_live(self) -> bool:
        return self.status is VenueOrderStatus.OPEN

    def shown(self, at: int) -> VenueOrder:
        return VenueOrder(
            venue_order_id=self.venue_order_id, tag=self.order_id, symbol="AAA", exchange="NSE", side=Side.BUY,
            kind=OrderKind.LIMIT, status=self.status, quantity=D(self.quantity), filled=D(self.filled),
            price=D(self.price), average_price=D(100) if self.filled else None, changed_at=at,
        )  # fmt: skip


class Day(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        universe = Universe([Instrument(symbol="AAA", token=256)])
        self.book = Book(universe, DeskSettings(order_notional=D(0)), lambda order, fill: D(0))
        self.blotter = self.book.blotter
        self.missing_fills = MissingFills(self.blotter, universe, lambda symbol: D(100))
        self.translator = ReportTranslator(self.book, self.missing_fills)
        self.mono = self.at = 1000 * SECOND
        self.venue: dict[str, VenueSide] = {}
        self.sent: list[str] = []
        self.replies: list[OrderEvent] = []
        self.told: list[VenueOrder | Fill] = []

    # ---- our side

    def take(self, events: Sequence[OrderEvent]) -> None:
        for event in events:
            order = self.blotter.record_event(event)
            self.missing_fills.note_event(order, event, self.mono)

    def order_event(self, order_id: str, event_type: OrderEventType, **more: object) -> OrderEvent:
        return OrderEvent(order_id=order_id, type=event_type, at=self.at, mono=self.mono, **more)  # type: ignore[arg-type]

    @precondition(lambda self: len(self.sent) < 3)
    @rule(fate=st.sampled_from(["accepted", "refused", "accepted in silence", "lost"]))
    def send(self, fate: str) -> None:
        order_id = f"T{len(self.sent)}"
        self.sent.append(order_id)
        request = OrderRequest(
            order_id=order_id, symbol="AAA", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
            quantity=D(QUANTITY), price=D(100),
        )  # fmt: skip
        self.take([self.order_event(order_id, E.INTENT, request=request), self.order_event(order_id, E.SENDING)])
        if fate.startswith("accepted"):
            self.venue[order_id] = VenueSide(order_id, len(self.sent))
            self.publish(self.venue[order_id])
        event_type = {"accepted": E.ACCEPTED, "refused": E.REFUSED}.get(fate, E.AMBIGUOUS)
        venue_order_id = f"V{len(self.sent)}" if event_type is E.ACCEPTED else ""
        self.replies.append(self.order_event(order_id, event_type, venue_order_id=venue_order_id))

    @precondition(lambda self: self.replies)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.reply(self.replies.pop(data.draw(st.integers(0, len(self.replies) - 1))))

    def reply(self, event: OrderEvent) -> None:
        self.take([event])
        if event.venue_order_id:
            self.take(self.translator.orphan_fill_events(event.venue_order_id, at=self.at, mono=self.mono))

    @precondition(lambda self: self.changeable())
    @rule(data=st.data(), quantity=st.integers(1, QUANTITY + 2), fate=st.sampled_from(["done", "held", "lost"]),
          silent=st.booleans())  # fmt: skip
    def change(self, data: st.DataObject, quantity: int, fate: str, silent: bool) -> None:
        order = data.draw(st.sampled_from(self.changeable()))
        theirs = self.venue[order.order_id]
        terms = OrderTerms(quantity=max(D(quantity), order.filled + 1), price=D(100 + order.replace.tries + 1))
        self.take([self.order_event(order.order_id, E.REPLACE_SENT, terms=terms)])
        if fate != "lost":
            theirs.held = terms, self.mono
        is_refused = fate == "lost" and not silent
        if fate == "done":
            is_refused = not self.arrive(theirs)
        if silent or is_refused:
            event_type = E.REPLACE_UNKNOWN if silent else E.REPLACE_REFUSED
            self.replies.append(self.order_event(order.order_id, event_type))

    def changeable(self) -> list[Order]:
        found = [self.blotter.orders[i] for i in self.venue]
        return [o for o in found if o.state in (OrderState.OPEN, OrderState.PARTIAL) and o.replace.terms is None]

    def arrive(self, theirs: VenueSide) -> bool:
        assert theirs.held is not None
        (terms, _), theirs.held = theirs.held, None
        if not theirs.is_live or terms.quantity <= theirs.filled:
            return False
        theirs.quantity, theirs.price = int(terms.quantity), int(terms.price or 0)
        self.publish(theirs)
        return True

    @rule(seconds=st.sampled_from([1, 3, 6]))
    def wait(self, seconds: int) -> None:
        self.mono += seconds * SECOND
        for theirs in self.venue.values():
            if theirs.held is not None and self.mono - theirs.held[1] > 2 * SECOND:
                self.arrive(theirs)
        self.blotter.expire_reservations(self.mono)
        self.take(self.missing_fills.infer_fills(at=self.at, mono=self.mono))

    # ---- the venue's side

    def publish(self, order: VenueSide) -> None:
        self.at += SECOND // 4
        self.told.append(order.shown(self.at // SECOND * SECOND))  # whole seconds, as the venues stamp

    @precondition(lambda self: any(o.is_live for o in self.venue.values()))
    @rule(data=st.data(), quantity=st.integers(1, QUANTITY))
    def trade(self, data: st.DataObject, quantity: int) -> None:
        order = data.draw(st.sampled_from([o for o in self.venue.values() if o.is_live]))
        quantity = min(quantity, order.quantity - order.filled)
        order.filled += quantity
        order.fills.append(
            Fill(
                execution_id=f"{order.order_id}-{order.filled}",
                venue_order_id=order.venue_order_id,
                symbol="AAA",
                exchange="NSE",
                side=Side.BUY,
                quantity=D(quantity),
                price=D(99),
                traded_at=self.at,
            )
        )
        if order.filled == order.quantity:
            order.status = VenueOrderStatus.FILLED
        self.told.append(order.fills[-1])
        self.publish(order)

    @precondition(lambda self: any(o.is_live for o in self.venue.values()))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from([o for o in self.venue.values() if o.is_live]))
        order.status = VenueOrderStatus.CANCELED
        self.publish(order)

    # ---- between them

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.told))  # any one, again or never
        if isinstance(message, Fill):
            self.take(self.translator.fill_report_events(message, at=self.at, mono=self.mono))
        else:
            self.take(self.translator.order_report_events(message, at=self.at, mono=self.mono))

    @rule(lag=st.integers(0, 2))
    def audit(self, lag: int) -> None:
        self.read(lag)

    def read(self, lag: int) -> None:
        fills = [e for order in self.venue.values() for e in order.fills]
        snapshot = AccountSnapshot(
            asked_at=self.mono,
            orders=tuple(o.shown(self.at // SECOND * SECOND) for o in self.venue.values()),
            fills=tuple(fills[: len(fills) - lag] if lag else fills),
            positions=(),
            cash=D(0),
        )
        self.take(self.translator.snapshot_fill_events(snapshot, at=self.at, mono=self.mono))
        self.take(self.translator.snapshot_order_events(snapshot, at=self.at, mono=self.mono))

    # ---- what must hold

    @invariant()
    def nothing_is_booked_that_did_not_trade(self) -> None:
        for order_id in self.sent:
            order = self.blotter.orders[order_id]
            traded = self.venue[order_id].filled if order_id in self.venue else 0
            assert order.filled <= traded, f"{order_id}: {order.filled} booked, {traded} traded"
        assert self.blotter.positions.position_of("AAA").quantity == sum(
            self.blotter.orders[i].filled for i in self.sent
        )

    @invariant()
    def what_may_still_trade_is_exposed(self) -> None:
        total = 0
        for order_id, theirs in self.venue.items():
            order = self.blotter.orders[order_id]
            held = [int(theirs.held[0].quantity)] if theirs.held is not None else []
            reach = max([theirs.quantity, *held]) if theirs.is_live else theirs.filled
            total += reach
            assert order.filled + order.reserved_quantity(self.mono) >= reach, f"{order_id} may reach {reach}: {order}"
        assert self.blotter.exposure.worst_case("AAA")[0] >= total

    def teardown(self) -> None:
        while self.replies:
            self.reply(self.replies.pop(0))
        for theirs in self.venue.values():
            if theirs.held is not None:
                self.arrive(theirs)
        self.at += SECOND
        self.mono += 11 * SECOND  # the patience for a change of unknown fate
        self.read(0)
        for order_id, theirs in self.venue.items():
            order = self.blotter.orders[order_id]
            assert (order.filled, order.is_live) == (theirs.filled, theirs.is_live), order_id
            if theirs.is_live:
                assert (order.quantity, order.price, order.replace.terms) == (theirs.quantity, theirs.price, None)
            assert not any(e.is_inferred for e in order.fills), f"{order_id} still holds what we made up"
            assert order.value == 99 * theirs.filled
        for order_id in set(self.sent) - self.venue.keys():
            # What the venue never had: still in doubt, refused, or given up when two late lists did not show it.
            states = (OrderState.UNKNOWN, OrderState.REJECTED, OrderState.ABSENT)
            assert self.blotter.orders[order_id].state in states


TestDay = Day.TestCase
TestDay.settings = settings(
    max_examples=DAYS,
    stateful_step_count=50 if DAYS > 150 else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
