"""Exits of many positions: a message sends some, the ticks after it the others, and what works is not asked again."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

from tests.trading.desk.desk_rig import submitted
from tests.trading.desk.many_positions import OPEN, ManyPositions
from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.fast_gate import FastGate
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import (
    Action,
    ClockTick,
    Command,
)
from tradebot.domain.order import (
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
)
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.pending_exits import MAX_EXITS_AT_ONCE
from tradebot.trading.desk.gate.gate import Gate, GateDecision
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.placing.requests import OrderRequests

D = Decimal
MANY = 3 * MAX_EXITS_AT_ONCE + 5


def test_a_flatten_of_many_positions_is_spread_over_ticks_and_every_position_is_closed_once() -> None:
    many = ManyPositions(MANY)
    first = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    later = [many.tick() for _ in range(6)]

    assert len(first) == MAX_EXITS_AT_ONCE
    assert all(len(sent) <= 2 * MAX_EXITS_AT_ONCE for sent in later)
    everything = [request.symbol for sent in (first, *later) for request in sent]
    assert sorted(everything) == sorted(many.universe.symbols)


def test_an_exit_that_ended_short_is_sent_again_though_thousands_of_others_work() -> None:
    many = ManyPositions(MANY)
    sent = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    for _ in range(6):
        sent += many.tick()
    many.tell(sent[7], OrderEventType.SENDING)
    many.tell(sent[7], OrderEventType.NOT_SENT)

    again = [request for _ in range(40) for request in many.tick()]  # after a pause of a second

    assert [request.symbol for request in again] == [sent[7].symbol]


def test_what_was_closed_and_is_held_again_is_not_closed_for_the_wish_of_before() -> None:
    many = ManyPositions(MAX_EXITS_AT_ONCE + 8)
    sent = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    sent += [request for _ in range(6) for request in many.tick()]
    for request in sent:
        many.fill(request)
    assert many.desk.account.open_positions() == {}
    many.desk.apply_message(Command(verb=CommandVerb.RESUME))
    again, other = sent[0].symbol, sent[-1].symbol
    for symbol in (again, other):
        (entry,) = submitted(many.desk.apply_message(many.signal(symbol, Action.ENTER_LONG)))
        many.fill(entry)
    exits = submitted(many.desk.apply_message(many.signal(other, Action.EXIT_LONG)))
    exits += [request for _ in range(6) for request in many.tick()]
    assert [request.symbol for request in exits] == [other]


def test_only_what_is_wanted_is_sent_again_at_an_open() -> None:
    many = ManyPositions(2)
    held, wanted = many.universe.symbols
    gate = build_gate(limits := Limits(stale_after_s=1e6), kill_reason=lambda: "")
    fast = BacktestDesk(
        many.desk.book,
        gate=gate,
        clearance=FastGate(limits, gate),
        id_prefix="T",
        absent_after_s=60.0,
        zero_latency=False,
    )
    assert not fast.resend_exit(held)
    assert many.desk.book.pending_exits.requested == {}
    (sent,) = submitted(many.desk.apply_message(many.signal(wanted, Action.EXIT_LONG)))
    many.tell(sent, OrderEventType.SENDING)
    many.tell(sent, OrderEventType.NOT_SENT)
    many.mono += 2 * SECOND
    many.desk.book.conditions.mono = many.mono
    assert not fast.resend_exit(held)
    assert [request.symbol for request in submitted(list(fast.resend_exit(wanted)))] == [wanted]


def test_an_exit_that_works_is_not_looked_at_on_each_tick() -> None:
    many = ManyPositions(5)
    many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1"))
    with patch.object(OrderRequests, "build_exit", side_effect=AssertionError("nothing to do")):
        assert many.tick() == []


def test_each_order_that_hangs_is_taken_back_at_the_first_tick_after_its_time_whenever_it_was_acknowledged() -> None:
    many = ManyPositions(6)
    sent = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    assert many.cancels() == []  # a look at orders that are not acknowledged yet
    acked, taken = dict[str, int](), dict[str, int]()
    for tick in range(200):
        if tick % 7 == 0 and sent:
            request = sent.pop()
            many.tell(request, OrderEventType.SENDING)
            many.accept(request)
            acked[request.order_id] = many.mono
        for cancel in many.cancels():
            taken[cancel.order_id] = many.mono
    late = {order_id: taken[order_id] - acked[order_id] for order_id in acked}
    assert len(late) == 6
    assert set(late.values()) == {3 * SECOND + SECOND // 20}


def test_exits_that_the_gate_holds_back_do_not_stand_before_the_others() -> None:
    many = ManyPositions(MANY)
    tried: list[str] = []
    denied = GateDecision("held: back", (), "held")
    with patch.object(Gate, "check_order", lambda self, request, view: tried.append(request.symbol) or denied):
        many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1"))
        for _ in range(3):
            many.tick()
    assert set(tried) == set(many.universe.symbols)


def test_an_exit_that_a_run_of_more_symbols_left_under_way_is_wanted_by_none_of_fewer() -> None:
    desk = ManyPositions(1).desk
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
    many = ManyPositions(1)
    (sent,) = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    for pause in (1, 2, 4):
        many.tell(sent, OrderEventType.SENDING)
        assert many.tell(sent, OrderEventType.NOT_SENT) == []
        tries = [many.tick() for _ in range(20 * pause)]
        assert [len(tried) for tried in tries] == [0] * (20 * pause - 1) + [1], pause
        (sent,) = tries[-1]


def test_what_has_an_exit_at_work_takes_no_turn_until_something_is_heard_of_it() -> None:
    many = ManyPositions(2)
    sent = submitted(many.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1")))
    exits = many.desk.book.pending_exits
    assert [request.symbol for request in sent] == list(exits.requested)
    assert exits.next_batch(exits.requested) == []
    many.tell(sent[1], OrderEventType.SENDING)
    many.accept(sent[1])
    assert exits.next_batch(exits.requested) == [sent[1].symbol]
    assert many.tick() == []
    assert exits.next_batch(exits.requested) == []
