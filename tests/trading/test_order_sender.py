"""The order sender: the row is durable before the request leaves, once; what the venue answers becomes one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradebot.clock import SECOND, Clock, ManualClock, WallClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.message import Message
from tradebot.domain.messages import Cancel, Command, Modify, RequestResult, Submit
from tradebot.domain.order import OrderEventType, OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.errors import OutcomeUnknown
from tradebot.trading.order_sender import OrderSender, SendRules
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, NotSent, Refused, Reply


def request(order_id: str = "T1", *, symbol: str = "AAA", decided_at: int | None = None) -> OrderRequest:
    return OrderRequest(
        order_id=order_id,
        symbol=symbol,
        exchange="NSE",
        side=Side.BUY,
        kind=OrderKind.MARKET,
        quantity=Decimal(1),
        purpose=OrderPurpose.ENTRY,
        decided_at=WallClock().monotonic_ns() if decided_at is None else decided_at,
    )


class Tape:
    """Records in one list what was appended, made durable, sent and posted; the order is what the tests look at."""

    def __init__(self, answer: Callable[[OrderRequest], Reply] | None = None) -> None:
        self.events: list[str] = []
        self.posted: list[RequestResult | Command] = []
        self.news = asyncio.Event()
        self.answer = answer or (lambda r: Accepted(venue_order_id="V1"))
        self.disk = asyncio.Event()
        self.disk.set()
        self.doubts = 0

    # the journal
    def append(self, kind: str, message: Message, *, at: int) -> int:
        self.events.append(f"append {message.type}")  # type: ignore[attr-defined]
        return len(self.events)

    async def wait_durable(self, ticket: int | None = None) -> None:
        await self.disk.wait()
        self.events.append("durable")

    # the broker
    async def submit(self, order: OrderRequest) -> Reply:
        self.events.append(f"send {order.order_id}")
        return self.answer(order)

    async def modify(self, order: OrderRequest, *, venue_order_id: str) -> Reply:
        self.events.append(f"change {venue_order_id}")
        return self.answer(order)

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        self.events.append(f"cancel {venue_order_id}")
        return self.answer(request(order_id))

    def post(self, message: RequestResult | Command) -> None:
        self.posted.append(message)
        self.news.set()

    def doubt(self) -> None:
        self.doubts += 1
        self.news.set()

    def event_types(self) -> list[OrderEventType]:
        return [m.event.type for m in self.posted if isinstance(m, RequestResult)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def running(
    tape: Tape, clock: Clock | None = None, *, logged_out: Callable[[str], None] = lambda reason: None, **rules: Any
) -> AsyncIterator[OrderSender]:
    execution = OrderSender(
        broker=tape,  # type: ignore[arg-type]
        journal=tape,
        clock=clock or WallClock(),
        post=tape.post,
        on_outcome_unknown=tape.doubt,
        measure=lambda name, ns: None,
        rules=SendRules(**rules),
        on_login_dead=logged_out,
    )
    async with asyncio.TaskGroup() as tasks:
        lanes = [tasks.create_task(execution.run_shard(i)) for i in range(len(execution.queue))]
        yield execution
        for lane in lanes:
            lane.cancel()


async def test_the_sending_row_is_durable_before_the_request_leaves() -> None:
    tape = Tape()
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Submit(request=request()))
        await tape.until(lambda: OrderEventType.ACCEPTED in tape.event_types())
    assert tape.events == ["append sending", "durable", "send T1"]
    assert tape.event_types() == [OrderEventType.SENDING, OrderEventType.ACCEPTED]


async def test_nothing_leaves_while_the_disk_is_slow_and_trading_halts() -> None:
    tape = Tape()
    tape.disk.clear()
    async with running(tape, durable_within_s=0.05) as execution:
        await execution.queue.enqueue_message(Submit(request=request()))
        await tape.until(lambda: any(isinstance(m, Command) for m in tape.posted))
    assert "send T1" not in tape.events
    assert tape.event_types() == [OrderEventType.SENDING, OrderEventType.NOT_SENT]


def raising(error: Exception) -> Callable[[OrderRequest], Reply]:
    def answer(order: OrderRequest) -> Reply:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "event", "doubts", "halts"),
    [
        (lambda r: Refused(reason="margin"), OrderEventType.REFUSED, 0, 0),
        (lambda r: NotSent(reason="no route"), OrderEventType.NOT_SENT, 0, 0),
        (raising(OutcomeUnknown("no answer")), OrderEventType.AMBIGUOUS, 1, 0),
        (lambda r: Refused(reason="address", code=ACCESS_DENIED), OrderEventType.REFUSED, 0, 1),
        (lambda r: Refused(reason="token", code=LOGIN_LOST), OrderEventType.REFUSED, 0, 0),
    ],
)
async def test_each_answer_has_its_outcome_and_nothing_is_sent_twice(
    answer: Callable[[OrderRequest], Reply], event: OrderEventType, doubts: int, halts: int
) -> None:
    tape = Tape(answer)
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Submit(request=request()))
        await tape.until(lambda: execution.queue.pending_count == 0 or len(tape.event_types()) == 2)
        await execution.queue.enqueue_message(Submit(request=request("T2", symbol="AAA")))
        await tape.until(lambda: len(tape.event_types()) == 4)
    assert tape.event_types()[1] is event
    assert (tape.doubts // 2, len([m for m in tape.posted if isinstance(m, Command)]) // 2) == (doubts, halts)
    assert [e for e in tape.events if e.startswith("send")] == ["send T1", "send T2"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Submit(request=request()),
        lambda: Modify(request=request(), venue_order_id="V1"),
        lambda: Cancel(order_id="T1", venue_order_id="V1", reason="test"),
    ],
)
async def test_an_order_route_that_says_the_login_is_dead_is_heard_before_the_refusal_is_told(
    make: Callable[[], Any],
) -> None:
    tape = Tape(lambda r: Refused(reason="token", code=LOGIN_LOST))
    said: list[tuple[str, int]] = []
    async with running(tape, logged_out=lambda reason: said.append((reason, len(tape.posted)))) as execution:
        await execution.queue.enqueue_message(make())
        await tape.until(lambda: execution.queue.done_count == 1 or tape.doubts > 0 or len(tape.event_types()) == 2)
    ((reason, before),) = said
    assert reason == "token"
    assert OrderEventType.REFUSED not in [m.event.type for m in tape.posted[:before] if isinstance(m, RequestResult)]


async def test_an_entry_whose_turn_comes_too_late_lapses_unsent() -> None:
    tape = Tape()
    async with running(tape, deadline_s=1.0) as execution:
        await execution.queue.enqueue_message(
            Submit(request=request(decided_at=WallClock().monotonic_ns() - 2 * SECOND))
        )
        await tape.until(lambda: bool(tape.event_types()))
    assert tape.event_types() == [OrderEventType.LAPSED]
    assert tape.events == []


async def test_a_cancel_waits_for_its_row_and_a_refusal_is_looked_up() -> None:
    tape = Tape(lambda r: Refused(reason="already complete"))
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Cancel(order_id="T1", venue_order_id="V1", reason="test"))
        await tape.until(lambda: tape.doubts == 1)
    assert tape.events == ["durable", "cancel V1"]
    assert tape.event_types() == [OrderEventType.CANCEL_REFUSED]


async def test_a_cancel_without_an_answer_is_told_and_looked_up() -> None:
    tape = Tape(raising(OutcomeUnknown("no answer")))
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Cancel(order_id="T1", venue_order_id="V1", reason="test"))
        await tape.until(lambda: tape.doubts == 1)
    assert tape.event_types() == [OrderEventType.CANCEL_UNKNOWN]


async def test_an_order_withdrawn_before_its_turn_lapses_and_one_already_sent_does_not() -> None:
    tape = Tape()
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Submit(request=request()))
        await execution.queue.enqueue_message(Cancel(order_id="T1", venue_order_id="", reason="test"))
        await tape.until(lambda: bool(tape.event_types()))
        assert tape.event_types() == [OrderEventType.LAPSED]
        await execution.queue.enqueue_message(Submit(request=request("T2")))
        await tape.until(lambda: len(tape.event_types()) == 3)
        await execution.queue.enqueue_message(Cancel(order_id="T2", venue_order_id="", reason="test"))
        await execution.queue.enqueue_message(Submit(request=request("T2")))
        await tape.until(lambda: len(tape.event_types()) == 5)
    assert tape.event_types()[1:] == [OrderEventType.SENDING, OrderEventType.ACCEPTED] * 2


async def test_nothing_but_cancels_leaves_while_killed_and_trading_halts() -> None:
    tape = Tape()
    async with running(tape, kill_reason=lambda: "fat finger") as execution:  # type: ignore[arg-type]
        await execution.queue.enqueue_message(Submit(request=request()))
        await execution.queue.enqueue_message(Cancel(order_id="T0", venue_order_id="V0", reason="test"))
        await tape.until(lambda: "cancel V0" in tape.events and bool(tape.event_types()))
    assert not [e for e in tape.events if e.startswith(("send", "append"))]
    assert tape.event_types() == [OrderEventType.LAPSED]
    assert Command(verb=CommandVerb.HALT, reason="fat finger", control="kill") in tape.posted


async def test_a_kill_that_comes_while_the_row_is_written_still_stops_the_request() -> None:
    tape, killed = Tape(), [""]
    tape.disk.clear()
    async with running(tape, kill_reason=lambda: killed[0]) as execution:  # type: ignore[arg-type]
        await execution.queue.enqueue_message(Submit(request=request()))
        await tape.until(lambda: OrderEventType.SENDING in tape.event_types())
        killed[0] = "fat finger"
        tape.disk.set()
        await tape.until(lambda: len(tape.event_types()) == 2)
    assert "send T1" not in tape.events
    assert tape.event_types() == [OrderEventType.SENDING, OrderEventType.NOT_SENT]


async def test_the_look_at_the_kill_switch_holds_for_one_turn_of_the_loop() -> None:
    tape, looks = Tape(), 0

    def look() -> str:
        nonlocal looks
        looks += 1
        return ""

    async with running(tape, kill_reason=look) as execution:  # type: ignore[arg-type]
        for order_id in ("T1", "T2", "T3"):
            await execution.queue.enqueue_message(Submit(request=request(order_id)))
        await tape.until(lambda: len(tape.event_types()) == 6)
        assert 0 < looks < 6, "three orders in one turn look together"
        before = looks
        await execution.queue.enqueue_message(Submit(request=request("T4")))
        await tape.until(lambda: len(tape.event_types()) == 8)
    assert looks > before, "and the next turn looks again"


async def test_a_change_leaves_after_its_row_and_its_acceptance_is_not_its_effect() -> None:
    tape = Tape()
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Modify(request=request(), venue_order_id="V1"))
        await tape.until(lambda: tape.doubts == 1)
    assert tape.events == ["durable", "change V1"]
    assert tape.event_types() == []


@pytest.mark.parametrize(
    ("answer", "event", "halts"),
    [
        (lambda r: Refused(reason="already complete"), OrderEventType.REPLACE_REFUSED, 0),
        (lambda r: NotSent(reason="no route"), OrderEventType.REPLACE_REFUSED, 0),
        (raising(OutcomeUnknown("no answer")), OrderEventType.REPLACE_UNKNOWN, 0),
        (lambda r: Refused(reason="address", code=ACCESS_DENIED), OrderEventType.REPLACE_REFUSED, 1),
        (lambda r: Refused(reason="token", code=LOGIN_LOST), OrderEventType.REPLACE_REFUSED, 0),
    ],
)
async def test_each_answer_to_a_change_has_its_outcome_and_is_looked_up(
    answer: Callable[[OrderRequest], Reply], event: OrderEventType, halts: int
) -> None:
    tape = Tape(answer)
    async with running(tape) as execution:
        await execution.queue.enqueue_message(Modify(request=request(), venue_order_id="V1"))
        await tape.until(lambda: tape.doubts == 1)
    assert tape.event_types() == [event]
    assert len([m for m in tape.posted if isinstance(m, Command)]) == halts
    assert tape.events.count("change V1") == 1


async def test_no_change_leaves_while_killed_or_while_its_row_is_not_on_disk() -> None:
    killed, slow = Tape(), Tape()
    slow.disk.clear()
    async with running(killed, kill_reason=lambda: "fat finger") as execution:  # type: ignore[arg-type]
        await execution.queue.enqueue_message(Modify(request=request(), venue_order_id="V1"))
        await killed.until(lambda: len(killed.posted) == 2)
    async with running(slow, durable_within_s=0.05) as execution:
        await execution.queue.enqueue_message(Modify(request=request(), venue_order_id="V1"))
        await slow.until(lambda: len(slow.posted) == 2)
    for tape in (killed, slow):
        assert "change V1" not in tape.events
        assert tape.event_types() == [OrderEventType.REPLACE_REFUSED]
        assert any(isinstance(m, Command) and m.verb == "halt" for m in tape.posted)


class SlowDisk(Tape):
    """A disk that takes its time: the clock moves while a row is written."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    async def wait_durable(self, ticket: int | None = None) -> None:
        self.clock.now_ns += int(self.seconds * SECOND)
        await super().wait_durable(ticket)


@pytest.mark.parametrize(("purpose", "sent"), [(OrderPurpose.ENTRY, False), (OrderPurpose.EXIT, True)])
async def test_the_deadline_is_looked_at_last_once_the_row_is_on_disk(purpose: OrderPurpose, sent: bool) -> None:
    clock = ManualClock(100 * SECOND)
    tape = SlowDisk(clock, 3.0)
    order = msgspec.structs.replace(request(decided_at=clock.now_ns), purpose=purpose)
    async with running(tape, clock=clock, deadline_s=2.0) as execution:
        await execution.queue.enqueue_message(Submit(request=order))
        await tape.until(lambda: len(tape.event_types()) == 2)
    assert ("send T1" in tape.events) is sent
    assert tape.event_types() == [OrderEventType.SENDING, OrderEventType.ACCEPTED if sent else OrderEventType.NOT_SENT]


async def test_a_cancel_whose_row_does_not_reach_the_disk_is_in_doubt_and_trading_halts() -> None:
    tape = Tape()
    tape.disk.clear()
    async with running(tape, durable_within_s=0.05) as execution:
        await execution.queue.enqueue_message(Cancel(order_id="T1", venue_order_id="V1", reason="test"))
        await tape.until(lambda: len(tape.posted) == 2)
    assert "cancel V1" not in tape.events
    assert tape.event_types() == [OrderEventType.CANCEL_UNKNOWN]
    assert any(isinstance(m, Command) and m.verb == "halt" for m in tape.posted)
