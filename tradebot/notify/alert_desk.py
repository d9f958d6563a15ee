"""Passes the chosen events of a run to the alert senders, from any thread, and sends the rest at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from tradebot.errors import TradebotError
from tradebot.notify.alert_choice import AlertChoice
from tradebot.notify.alert_pace import PaceSettings
from tradebot.notify.alert_sender import AlertSender
from tradebot.ops.events.event import Event, EventListener
from tradebot.ops.events.notify import AlertsStopped

Work = Callable[[], Awaitable[None]]
SEND_REST_S = 5.0  # what a stop of the daemon waits for messages to leave
# What a bug in alerts or chat may raise. It ends that part and never the run.
FAILURES = (
    TradebotError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class AlertDesk:
    """Takes events of the bus with `take_event`. `market_ns` gives the time that a person reads beside each."""

    def __init__(self, choice: AlertChoice, senders: Sequence[AlertSender], market_ns: Callable[[], int]) -> None:
        self._choice, self._senders, self.market_ns = choice, tuple(senders), market_ns
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def change_settings(self, choice: AlertChoice, pace: PaceSettings) -> None:
        """Choose alerts by `choice` from now on, and send them at the pace of `pace`; what waits stays."""
        self._choice = choice
        for one in self._senders:
            one.change_pace(pace)

    def take_event(self, event: Event) -> None:
        """Take an event, from any thread; returns at once."""
        if not self._choice.is_wanted(event):
            return
        at = self.market_ns()
        if threading.get_ident() == self._thread:
            self._post(event, at)
        else:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._post, event, at)

    @asynccontextmanager
    async def sending(self, tell: EventListener) -> AsyncIterator[None]:
        """Send while the context is open, then send what waits within a few seconds, and tell what is left."""
        works = {f"alerts {number}": one.send_alerts for number, one in enumerate(self._senders)}
        async with running_beside(works, tell):
            try:
                yield
            finally:
                await self._send_rest(tell)

    async def _send_rest(self, tell: EventListener) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_REST_S), asyncio.TaskGroup() as tasks:
                for number, one in enumerate(self._senders):
                    name = f"last alerts {number}"
                    tasks.create_task(shielded(name, one.send_rest, tell), name=name)
        for one in self._senders:
            one.tell_undelivered()

    def _post(self, event: Event, at: int) -> None:
        for one in self._senders:
            one.post_event(event, at)


@asynccontextmanager
async def running_beside(works: Mapping[str, Work], tell: EventListener) -> AsyncIterator[None]:
    """Run `works` while the context is open; one that fails is told and ends, and nothing else does."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(shielded(name, work, tell), name=name) for name, work in works.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def shielded(name: str, work: Work, tell: EventListener) -> None:
    """Run `work`; tell its failure instead of raising it."""
    try:
        await work()
    except FAILURES as error:
        tell(AlertsStopped(part=name, reason=f"{type(error).__name__}: {error}"))
