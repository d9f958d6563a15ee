"""The order sender: once the SENDING row is on disk the request leaves, once; the reply goes back to the desk.

After an ambiguous reply the order is UNKNOWN, and reconciliation looks it up. No request is ever sent a second time.
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

# The controls that a halt from here names.
KILL_CONTROL, DISK_CONTROL, ACCESS_CONTROL = "kill", "disk", "access"


class JournalAppender(Protocol):
    """What the stages need of the journal."""

    def append(self, kind: str, message: Message, *, at: int) -> int:
        """Append a row of `kind` at `at` (market ns) and return its ticket for `wait_durable`."""
        ...

    async def wait_durable(self, ticket: int | None = None) -> None:
        """Wait until the row of `ticket` is on disk, or with None all rows appended so far."""
        ...


class SendRules(NamedTuple):
    """The rules for sending orders; times are wall seconds.

    An entry older than `deadline_s` when its turn comes lapses unsent. An order whose row is not on disk within
    `durable_within_s` is not sent, and trading halts. While `kill_reason` returns a reason, no order leaves and trading
    halts; cancels still leave. `shards` is how many requests may be under way at once.
    """

    deadline_s: float = 2.0
    durable_within_s: float = 5.0
    kill_reason: Callable[[], str] = lambda: ""
    shards: int = 16


class OrderSender:
    """Sends the orders, changes and cancels of its `queue` by the `rules`.

    `post` takes results for the desk and halt commands. `on_outcome_unknown()` is called when reconciliation must look
    an order up, `on_login_dead(reason)` when an order route says that our login is dead. `measure(name, ns)` takes
    latencies.
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
        self._post, self._on_outcome_unknown, self._measure = post, on_outcome_unknown, measure
        self._rules, self._on_login_dead = rules, on_login_dead
        self._deadline = int(rules.deadline_s * SECOND)
        self._killed: str | None = None  # the kill reason read in this turn of the loop, else None
        self.queue = OrderQueue(rules.shards)

    async def run_shard(self, shard: int) -> None:
        """Send the messages of one shard of the queue for ever."""
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
        if self._is_killed(order_id, OrderEventType.NOT_SENT):  # again, because the disk may have taken long
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
            self._on_outcome_unknown()
            return
        self._measure("order_to_ack", self._clock.monotonic_ns() - sent)
        self._on_reply(request.order_id, reply)

    def _lateness(self, request: OrderRequest) -> str:
        # Why it is too late to send an order, "" if it is not. An entry relies on the prices at its decision; an exit
        # is sent however late it is.
        age = self._clock.monotonic_ns() - request.decided_at
        if request.purpose.is_exit or age <= self._deadline:
            return ""
        return f"{age / SECOND:.1f} s after the decision"

    def _on_reply(self, order_id: str, reply: Reply) -> None:
        match reply:
            case Accepted():
                self._report(order_id, OrderEventType.ACCEPTED, venue_order_id=reply.venue_order_id)
            case Refused():
                # First, so that the desk knows of a dead login before it counts the rejection of the order.
                self._check_denial(reply)
                self._report(order_id, OrderEventType.REFUSED, reason=reply.reason, refusal=reply.refusal)
            case NotSent():
                self._report(order_id, OrderEventType.NOT_SENT, reason=reply.reason)

    async def _modify(self, modify: Modify) -> None:
        # The desk has journaled its REPLACE_SENT row. As with a new order, no byte leaves until that row is on disk.
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
        self._on_outcome_unknown()  # an accepted request is not done yet; the venue's list of orders shows it

    async def _cancel(self, cancel: Cancel) -> None:
        # If the row is not on disk in time, the desk repeats the cancel later.
        if not await self._is_on_disk(cancel.order_id, OrderEventType.CANCEL_UNKNOWN):
            return
        try:
            reply = await self._broker.cancel(order_id=cancel.order_id, venue_order_id=cancel.venue_order_id)
        except (OutcomeUnknown, LinkLost) as error:
            self._report(cancel.order_id, OrderEventType.CANCEL_UNKNOWN, reason=str(error))
            self._on_outcome_unknown()
            return
        if isinstance(reply, Refused | NotSent):
            self._check_denial(reply)
            self._report(cancel.order_id, OrderEventType.CANCEL_REFUSED, reason=reply.reason)
            self._on_outcome_unknown()

    async def _is_on_disk(self, order_id: str, unsent: OrderEventType, ticket: int | None = None) -> bool:
        # Wait for a row. If the disk takes too long, report `unsent` for the order and halt trading.
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
        # The HALT file is read once in a turn of the event loop, however many orders are sent in it. Each read releases
        # the interpreter lock to the journal's thread, and a burst of orders would do so a thousand times.
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
        # A refusal may be about our login or our access, and not about the order.
        if not isinstance(reply, Refused):
            return
        if reply.code == LOGIN_LOST:
            self._on_login_dead(reply.reason)
        elif reply.code == ACCESS_DENIED:
            self._halt(ACCESS_CONTROL, f"the venue refuses us: {reply.reason}")

    def _halt(self, control: str, reason: str) -> None:
        self._post(Command(verb=CommandVerb.HALT, reason=reason, control=control))

    def _report(
        self,
        order_id: str,
        event_type: OrderEventType,
        *,
        reason: str = "",
        venue_order_id: str = "",
        refusal: Refusal | None = None,
    ) -> None:
        event = OrderEvent(
            order_id=order_id,
            type=event_type,
            at=self._clock.market_ns(),
            mono=self._clock.monotonic_ns(),
            reason=reason,
            venue_order_id=venue_order_id,
            refusal=refusal,
        )
        self._post(RequestResult(event=event))
