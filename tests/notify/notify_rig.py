"""What the tests of alerts share: a writer, a receiver that keeps or refuses, a sender on a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta, timezone

from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.notify.alert_pace import PaceSettings
from tradebot.notify.alert_sender import AlertSender
from tradebot.notify.alert_text import AlertMessage, AlertWriter
from tradebot.notify.receiver import NotDelivered
from tradebot.ops.events.event import Event
from tradebot.ops.redaction import Redactor

START_AT = 1_764_563_400 * SECOND  # 2025-12-01 10:00:00 at +05:30
ZONE = timezone(timedelta(hours=5, minutes=30))


def alert_writer(mode: str = "live", secrets: Iterable[str] = ()) -> AlertWriter:
    return AlertWriter(mode, zone=ZONE, zone_name="IST", redact=Redactor(secrets))


class KeepingReceiver:
    """Keeps every message with the second at which it came; between two seconds it refuses."""

    def __init__(self, clock: ManualClock, down_s: tuple[float, float] = (0, 0)) -> None:
        self.name = "kept 1"
        self._clock, self._down_s = clock, down_s
        self.messages: list[tuple[float, AlertMessage]] = []
        self.tries = 0
        self.retry_after_s = 0.0

    @property
    def now_s(self) -> float:
        return (self._clock.now_ns - START_AT) / SECOND

    async def deliver_message(self, message: AlertMessage) -> None:
        self.tries += 1
        begins, ends = self._down_s
        if begins <= self.now_s < ends:
            raise NotDelivered("it is down", retry_after_s=self.retry_after_s)
        self.messages.append((self.now_s, message))

    @property
    def text(self) -> str:
        return "\n".join(f"{message.title}\n{message.body}" for _, message in self.messages)


class SteppedDay:
    """A sender with one receiver; `advance` moves time second by second and lets the sender work in each."""

    def __init__(self, clock: ManualClock, receiver: KeepingReceiver, sender: AlertSender, told: Told) -> None:
        self.clock, self.receiver, self.sender, self.told = clock, receiver, sender, told

    def post(self, *events: Event) -> None:
        for event in events:
            self.sender.post_event(event, self.clock.now_ns)

    async def advance(self, seconds: float) -> None:
        until = self.clock.now_ns + int(seconds * SECOND)
        while self.clock.now_ns < until:
            self.clock.now_ns = min(self.clock.now_ns + SECOND, until)
            for _ in range(4):
                await asyncio.sleep(0)


class SteppedClock(ManualClock):
    """A manual clock whose sleepers wait until a test has moved it far enough."""

    async def sleep(self, seconds: float) -> None:
        until = self.now_ns + int(seconds * SECOND)
        while self.now_ns < until:  # noqa: ASYNC110
            await asyncio.sleep(0)


@asynccontextmanager
async def stepped_day(
    pace: PaceSettings = PaceSettings(), down_s: tuple[float, float] = (0, 0), writer: AlertWriter | None = None
) -> AsyncIterator[SteppedDay]:
    """Run a sender while the context is open."""
    clock, told = SteppedClock(START_AT), Told()
    receiver = KeepingReceiver(clock, down_s)
    sender = AlertSender(receiver, pace, writer or alert_writer(), clock=clock, tell=told)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sender.send_alerts())
        try:
            yield SteppedDay(clock, receiver, sender, told)
        finally:
            task.cancel()
