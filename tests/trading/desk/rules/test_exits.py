"""Exits of many positions: a message sends some, the ticks after it the others, and what works is not asked again."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

import numpy as np

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.fast_gate import FastGate
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Cancel,
    ClockTick,
    Command,
    FillReport,
    RequestResult,
    SessionBegins,
    Signal,
    Signals,
    Submit,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
    VenuePosition,
)
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.book.pending_exits import MAX_EXITS_AT_ONCE
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.gate import Gate, GateDecision
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.placing.requests import OrderRequests
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
MANY = 3 * MAX_EXITS_AT_ONCE + 5
OPEN = 1_770_090_300 * SECOND


class Crowd:
    """A desk that holds a share of each of many symbols, with a gate without controls."""

    def __init__(self, count: int) -> None:
        names = [f"S{i:03d}" for i in range(count)]
        self.universe = Universe([Instrument(symbol=name, token=256 * i) for i, name in enumerate(names, 1)])
        settings = DeskSettings(order_notional=D(1), max_daily_loss=D(10**9))
        book = Book(self.universe, settings, lambda order, fact: D(0))
        self.desk = build_desk(book, gate=Gate([]), id_prefix="T", absent_after_s=60.0)
        self.mono, self.at = 1000 * SECOND, OPEN
        ends = OPEN + 22_500 * SECOND
        self.desk.apply_message(SessionBegins(opens_at=OPEN, closes_at=ends, entries_until=ends, square_off_at=ends))
        held = tuple(
            VenuePosition(symbol=name, exchange="NSE", product="MIS", quantity=D(1), average_price=D(100))
            for name in names
        )
        taken = [(name, D(1), D(100)) for name in names]
        self.desk.recover_state((), adopted=taken, halted="", opens_at=OPEN)
        self.desk.adopt_snapshot(AccountSnapshot(asked_at=self.mono, orders=(), fills=(), positions=held, cash=D(0)))
        last = np.full(count, 10_000)
        self.desk.apply_message(
            Quotes(
                source="t", seen_at=self.mono, ids=np.arange(count), sent_at=np.full(count, OPEN), last=last,
                volume=last, bid=last - 5, ask=last + 5, bid_size=last, ask_size=last,
            )
        )  # fmt: skip

    def tick(self) -> list[OrderRequest]:
        self.mono, self.at = self.mono + SECOND // 20, self.at + SECOND // 20
        return submitted(self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)))

    def cancels(self) -> list[Cancel]:
        self.mono, self.at = self.mono + SECOND // 20, self.at + SECOND // 20
        return [o for o in self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)) if isinstance(o, Cancel)]

    def accept(self, request: OrderRequest) -> None:
        event = OrderEvent(
            order_id=request.order_id, type=OrderEventType.ACCEPTED, at=self.at, mono=self.mono,
            venue_order_id=f"V{request.order_id}",
        )  # fmt: skip
        self.desk.apply_message(RequestResult(event=event))

    def fill(self, request: OrderRequest) -> None:
        """Let an order be sent, accepted and filled."""
        self.tell(request, OrderEventType.SENDING)
        self.accept(request)
        order_id = request.order_id
        fill = Fill(f"F{order_id}", f"V{order_id}", request.symbol, "NSE", request.side, request.quantity, D(100),
                         self.at, request.product)  # fmt: skip
        self.desk.apply_message(FillReport(fill=fill, mono=self.mono))

    def signal(self, symbol: str, action: Action) -> Signals:
        told = Signal(signal_id=f"{symbol}/{action}/{self.mono}", strategy="s", symbol=symbol, action=action,
                      bar_at=self.at, quoted_at=self.mono, made_at=self.mono, close=100.0, quantity=1.0)  # fmt: skip
        return Signals(at=self.at, interval=SECOND, signals=(told,))

    def tell(self, request: OrderRequest, event_type: OrderEventType) -> list[OrderRequest]:
        event = OrderEvent(order_id=request.order_id, type=event_type, at=self.at, mono=self.mono, reason="test")
        return submitted(self.desk.apply_message(RequestResult(event=event)))


def submitted(outputs: list[DeskOutput]) -> list[OrderRequest]:
    return [o.request for o in outputs if isinstance(o, Submit)]


def test_a_flatten_of_many_positions_is_spread_over_ticks_and_every_position_is_closed_once() -> None:
    crowd = Crowd(MANY)
    first = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    later = [crowd.tick() for _ in range(6)]

    assert len(first) == MAX_EXITS_AT_ONCE
    assert all(len(sent) <= 2 * MAX_EXITS_AT_ONCE for sent in later)
    everything = [request.symbol for sent in (first, *later) for request in sent]
    assert sorted(everything) == sorted(crowd.universe.symbols)


def test_an_exit_that_ended_short_is_sent_again_though_thousands_of_others_work() -> None:
    crowd = Crowd(MANY)
    sent = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    for _ in range(6):
        sent += crowd.tick()
    crowd.tell(sent[7], OrderEventType.SENDING)
    crowd.tell(sent[7], OrderEventType.NOT_SENT)

    again = [request for _ in range(40) for request in crowd.tick()]  # after a pause of a second

    assert [request.symbol for request in again] == [sent[7].symbol]


def test_what_was_closed_and_is_held_again_is_not_closed_for_the_wish_of_before() -> None:
    crowd = Crowd(MAX_EXITS_AT_ONCE + 8)
    sent = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    sent += [request for _ in range(6) for request in crowd.tick()]
    for request in sent:
        crowd.fill(request)
    assert crowd.desk.account.open_positions() == {}
    crowd.desk.apply_message(Command(verb=CommandVerb.RESUME))
    again, other = sent[0].symbol, sent[-1].symbol
    for symbol in (again, other):
        (entry,) = submitted(crowd.desk.apply_message(crowd.signal(symbol, Action.ENTER_LONG)))
        crowd.fill(entry)
    exits = submitted(crowd.desk.apply_message(crowd.signal(other, Action.EXIT_LONG)))
    exits += [request for _ in range(6) for request in crowd.tick()]
    assert [request.symbol for request in exits] == [other]


def test_only_what_is_wanted_is_sent_again_at_an_open() -> None:
    crowd = Crowd(2)
    held, wanted = crowd.universe.symbols
    gate = build_gate(limits := Limits(stale_after_s=1e6), kill_reason=lambda: "")
    fast = BacktestDesk(
        crowd.desk.book,
        gate=gate,
        clearance=FastGate(limits, gate),
        id_prefix="T",
        absent_after_s=60.0,
        zero_latency=False,
    )
    assert not fast.resend_exit(held)
    assert crowd.desk.book.pending_exits.requested == {}
    (sent,) = submitted(crowd.desk.apply_message(crowd.signal(wanted, Action.EXIT_LONG)))
    crowd.tell(sent, OrderEventType.SENDING)
    crowd.tell(sent, OrderEventType.NOT_SENT)
    crowd.mono += 2 * SECOND
    crowd.desk.book.conditions.mono = crowd.mono
    assert not fast.resend_exit(held)
    assert [request.symbol for request in submitted(list(fast.resend_exit(wanted)))] == [wanted]


def test_an_exit_that_works_is_not_looked_at_on_each_tick() -> None:
    crowd = Crowd(5)
    crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1"))
    with patch.object(OrderRequests, "build_exit", side_effect=AssertionError("nothing to do")):
        assert crowd.tick() == []


def test_each_order_that_hangs_is_taken_back_at_the_first_tick_after_its_time_whenever_it_was_acknowledged() -> None:
    crowd = Crowd(6)
    sent = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    assert crowd.cancels() == []  # a look at orders that nobody acknowledged yet
    acked, taken = dict[str, int](), dict[str, int]()
    for tick in range(200):
        if tick % 7 == 0 and sent:
            request = sent.pop()
            crowd.tell(request, OrderEventType.SENDING)
            crowd.accept(request)
            acked[request.order_id] = crowd.mono
        for cancel in crowd.cancels():
            taken[cancel.order_id] = crowd.mono
    late = {order_id: taken[order_id] - acked[order_id] for order_id in acked}
    assert len(late) == 6
    assert set(late.values()) == {3 * SECOND + SECOND // 20}


def test_exits_that_the_gate_holds_back_do_not_stand_before_the_others() -> None:
    crowd = Crowd(MANY)
    tried: list[str] = []
    denied = GateDecision("held: back", (), "held")
    with patch.object(Gate, "check_order", lambda self, request, view: tried.append(request.symbol) or denied):
        crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1"))
        for _ in range(3):
            crowd.tick()
    assert set(tried) == set(crowd.universe.symbols)


def test_an_exit_that_a_run_of_more_symbols_left_under_way_is_wanted_by_none_of_fewer() -> None:
    desk = Crowd(1).desk
    desk.book.blotter.adopt_position(PositionKey("", "NSE", "GONE", "MIS"), D(5), D(100))
    request = OrderRequest(
        order_id="T1", symbol="GONE", exchange="NSE", side=Side.SELL, quantity=D(5), kind=OrderKind.MARKET,
        purpose=OrderPurpose.FLATTEN, reason="closing",
    )  # fmt: skip
    begun = [OrderEventType.INTENT, OrderEventType.SENDING, OrderEventType.REFUSED]
    events = [
        OrderEvent("T1", event_type, OPEN, 1, request=request if event_type is OrderEventType.INTENT else None)
        for event_type in begun
    ]
    desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    assert not desk.book.pending_exits.requested
    assert not submitted(desk.apply_message(ClockTick(at=OPEN + SECOND, mono=1001 * SECOND)))


def test_an_exit_that_was_refused_is_tried_again_once_its_pause_is_over_and_not_before() -> None:
    crowd = Crowd(1)
    (sent,) = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    for pause in (1, 2, 4):
        crowd.tell(sent, OrderEventType.SENDING)
        assert crowd.tell(sent, OrderEventType.NOT_SENT) == []
        tries = [crowd.tick() for _ in range(20 * pause)]
        assert [len(tried) for tried in tries] == [0] * (20 * pause - 1) + [1], pause
        (sent,) = tries[-1]


def test_what_has_an_exit_at_work_takes_no_turn_until_something_is_heard_of_it() -> None:
    crowd = Crowd(2)
    sent = submitted(crowd.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    exits = crowd.desk.book.pending_exits
    assert [request.symbol for request in sent] == list(exits.requested)
    assert exits.next_batch(exits.requested) == []
    crowd.tell(sent[1], OrderEventType.SENDING)
    crowd.accept(sent[1])
    assert exits.next_batch(exits.requested) == [sent[1].symbol]
    assert crowd.tick() == []
    assert exits.next_batch(exits.requested) == []
