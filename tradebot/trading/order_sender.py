"""Execution: a sink. The SENDING row is on disk, then the request leaves, once; the answer goes back as an outcome.

An ambiguous answer is UNKNOWN and is looked up by reconciliation. Nothing here ever sends a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tradebot.clock import SECOND, Clock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.message import Message
from tradebot.domain.messages import Cancel, Command, Modify, RequestResult, Submit
from tradebot.domain.order import OrderEvent, OrderEventType, OrderRequest, Refusal
from tradebot.errors import LinkLost, OutcomeUnknown
from tradebot.trading.order_queue import OrderQueue
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, Broker, NotSent, Refused, Reply

# What halts here, as a halt names it.
KILL_CONTROL, DISK_CONTROL, ACCESS_CONTROL = "kill", "disk", "access"


class JournalAppender(Protocol):
    """What execution needs of the journal."""

    def append(self, kind: str, message: Message, *, at: int) -> int: ...

    async def wait_durable(self, ticket: int | None = None) -> None: ...


class SendRules(NamedTuple):
    """What holds for each order that is to leave; in wall seconds.

    An entry older than `deadline_s` when its turn comes lapses unsent. An order whose row is not durable within
    `durable_within_s` is not sent, and trading halts. While `kill_reason` gives a reason no order leaves and trading halts;
    cancels do leave. `shards` is how many requests may be under way at once.
    """

    deadline_s: float = 2.0
    durable_within_s: float = 5.0
    kill_reason: Callable[[], str] = lambda: ""
    shards: int = 16


class OrderSender:
    """Sends what its `queue` holds by the `rules`.

    `post` takes outcomes and a halt command, `on_outcome_unknown` is called when an outcome must be looked up, `on_login_dead(reason)`
    when an order route says that our login is dead, `measure(name, ns)` takes latencies.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        journal: JournalAppender,
        clock: Clock,
        post: Callable[[RequestResult | Command], None],
        on_outcome_unknown: Callable[[], None],
        measure: Callable[[str, int], None],
        rules: SendRules = SendRules(),
        on_login_dead: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._broker, self._journal, self._clock = broker, journal, clock
        self._post, self._doubt, self._measure = post, on_outcome_unknown, measure
        self._rules, self._logged_out = rules, on_login_dead
        self._deadline = int(rules.deadline_s * SECOND)
        self._killed: str | None = None  # what the look of this turn of the loop found
        self.queue = OrderQueue(rules.shards)

    async def run_shard(self, shard: int) -> None:
        """Serve one lane of the queue for ever."""
        while True:
            message = await self.queue.next_message(shard)
            try:
                match message:
                    case Submit():
                        await self._submit(message.request)
                    case Modify():
                        await self._modify(message)
                    case Cancel():
                        await self._cancel(message)
            finally:
                self.queue.message_done()

    async def _submit(self, request: OrderRequest) -> None:
        order_id, now = request.order_id, self._clock.monotonic_ns()
        if not self.queue.begin_sending(order_id):
            self._report(order_id, OrderEventType.LAPSED, reason="withdrawn before its turn came")
            return
        if late := self._lateness(request):
            self._report(order_id, OrderEventType.LAPSED, reason=f"its turn came {late}")
            return
        if self._is_killed(order_id, OrderEventType.LAPSED):
            return
        sending = OrderEvent(order_id=order_id, type=OrderEventType.SENDING, at=self._clock.market_ns(), mono=now)
        ticket = self._journal.append("order", sending, at=sending.at)
        self._post(RequestResult(event=sending))
        if not await self._is_on_disk(order_id, OrderEventType.NOT_SENT, ticket):
            return
        if self._is_killed(order_id, OrderEventType.NOT_SENT):  # again: the disk may have taken long
            return
        if late := self._lateness(request):
            self._report(order_id, OrderEventType.NOT_SENT, reason=f"its row was on disk {late}")
            return
        await self._send(request)

    async def _send(self, request: OrderRequest) -> None:
        sent = self._clock.monotonic_ns()
        self._measure("signal_to_order", sent - request.signaled_at)
        self._measure("quote_to_order", sent - request.quoted_at)
        try:
            reply = await self._broker.submit(request)
        except OutcomeUnknown as error:
            self._report(request.order_id, OrderEventType.AMBIGUOUS, reason=str(error))
            self._doubt()
            return
        self._measure("order_to_ack", self._clock.monotonic_ns() - sent)
        self._on_reply(request.order_id, reply)

    def _lateness(self, request: OrderRequest) -> str:
        # An entry acts on what was true when it was decided; an exit is wanted however late.
        age = self._clock.monotonic_ns() - request.decided_at
        if request.purpose.is_exit or age <= self._deadline:
            return ""
        return f"{age / SECOND:.1f} s after the decision"

    def _on_reply(self, order_id: str, reply: Reply) -> None:
        match reply:
            case Accepted():
                self._report(order_id, OrderEventType.ACCEPTED, venue_order_id=reply.venue_order_id)
            case Refused():
                self._check_denial(reply)  # first: that a login is dead is no fault of the order
                self._report(order_id, OrderEventType.REFUSED, reason=reply.reason, refusal=reply.refusal)
            case NotSent():
                self._report(order_id, OrderEventType.NOT_SENT, reason=reply.reason)

    async def _modify(self, modify: Modify) -> None:
        # Its REPLACE_SENT row came before it; as with a create, no byte leaves until that is on disk.
        order_id = modify.order_id
        if not await self._is_on_disk(order_id, OrderEventType.REPLACE_REFUSED):
            return
        if self._is_killed(order_id, OrderEventType.REPLACE_REFUSED):
            return
        try:
            reply = await self._broker.modify(modify.request, venue_order_id=modify.venue_order_id)
        except (OutcomeUnknown, LinkLost) as error:
            self._report(order_id, OrderEventType.REPLACE_UNKNOWN, reason=str(error))
        else:
            if isinstance(reply, Refused | NotSent):
                self._check_denial(reply)
                self._report(order_id, OrderEventType.REPLACE_REFUSED, reason=reply.reason)
        self._doubt()  # a venue that took the request has not done it yet: its list tells

    async def _cancel(self, cancel: Cancel) -> None:
        if not await self._is_on_disk(cancel.order_id, OrderEventType.CANCEL_UNKNOWN):  # which is asked for again
            return
        try:
            reply = await self._broker.cancel(order_id=cancel.order_id, venue_order_id=cancel.venue_order_id)
        except (OutcomeUnknown, LinkLost) as error:
            self._report(cancel.order_id, OrderEventType.CANCEL_UNKNOWN, reason=str(error))
            self._doubt()
            return
        if isinstance(reply, Refused | NotSent):
            self._check_denial(reply)
            self._report(cancel.order_id, OrderEventType.CANCEL_REFUSED, reason=reply.reason)
            self._doubt()

    async def _is_on_disk(self, order_id: str, unsent: OrderEventType, ticket: int | None = None) -> bool:
        try:
            async with asyncio.timeout(self._rules.durable_within_s):
                await self._journal.wait_durable(ticket)
        except TimeoutError:
            reason = f"the disk took longer than {self._rules.durable_within_s:g} s"
            self._report(order_id, unsent, reason=reason)
            self._halt(DISK_CONTROL, reason)
            return False
        return True

    def _is_killed(self, order_id: str, unsent: OrderEventType) -> bool:
        # One look holds for a turn of the loop: every look gives the interpreter away to the journal's thread, and a
        # burst would look a thousand times.
        if self._killed is None:
            self._killed = self._rules.kill_reason()
            asyncio.get_running_loop().call_soon(self._forget_kill_check)
        if reason := self._killed:
            self._report(order_id, unsent, reason=reason)
            self._halt(KILL_CONTROL, reason)
        return bool(reason)

    def _forget_kill_check(self) -> None:
        self._killed = None

    def _check_denial(self, reply: Reply) -> None:
        if not isinstance(reply, Refused):
            return
        if reply.code == LOGIN_LOST:
            self._logged_out(reply.reason)
        elif reply.code == ACCESS_DENIED:
            self._halt(ACCESS_CONTROL, f"the venue refuses us: {reply.reason}")

    def _halt(self, control: str, reason: str) -> None:
        self._post(Command(verb=CommandVerb.HALT, reason=reason, control=control))

    def _report(
        self,
        order_id: str,
        event: OrderEventType,
        *,
        reason: str = "",
        venue_order_id: str = "",
        refusal: Refusal | None = None,
    ) -> None:
        fact = OrderEvent(
            order_id=order_id,
            type=event,
            at=self._clock.market_ns(),
            mono=self._clock.monotonic_ns(),
            reason=reason,
            venue_order_id=venue_order_id,
            refusal=refusal,
        )
        self._post(RequestResult(event=fact))
