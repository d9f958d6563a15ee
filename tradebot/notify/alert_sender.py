"""The alert sender: one for each receiver, with what waits for it; it never holds up who tells an event."""

from __future__ import annotations

import asyncio

from tradebot.clock import SECOND, Clock
from tradebot.notify.alert_group import AlertGroup
from tradebot.notify.alert_pace import AlertPace, PaceSettings
from tradebot.notify.alert_text import AlertWriter
from tradebot.notify.receiver import NotDelivered, Receiver
from tradebot.ops.events.event import Event, EventListener
from tradebot.ops.events.notify import AlertsDelayed, AlertsDelivered, AlertsNotDelivered
from tradebot.ops.reminder import Reminder

LOOK_EVERY_S = 1.0  # how often a waiting message is looked at: another event may make it due
REMIND_S = (300.0, 3600.0)  # how often the log says that a receiver is down


class AlertSender:
    """Sends alerts to one receiver. `post_event` is called on the loop; `send_alerts` is the one that waits.

    While the receiver is down, all that comes is merged into one message, which stays small; nothing is given up.
    """

    def __init__(
        self, receiver: Receiver, pace: PaceSettings, writer: AlertWriter, *, clock: Clock, tell: EventListener
    ) -> None:
        self._receiver, self._pace, self._writer = receiver, AlertPace(pace), writer
        self._clock, self._tell = clock, tell
        self._waiting, self._since_mono = AlertGroup(), 0
        self._wake = asyncio.Event()
        self._reminder = Reminder(first_s=REMIND_S[0], longest_s=REMIND_S[1])
        self._is_down = self._is_ending = False
        self._idle = asyncio.Event()  # no message is under way
        self._idle.set()

    def change_pace(self, settings: PaceSettings) -> None:
        """Send at the pace of `settings` from now on."""
        self._pace.change_settings(settings)

    def post_event(self, event: Event, at: int) -> None:
        """Let an event of `at` (market ns) be sent; returns at once."""
        if not self._waiting:
            self._since_mono = self._clock.monotonic_ns()
        self._waiting.add_event(event, at)
        self._wake.set()

    async def send_alerts(self) -> None:
        """Send what is due, until `send_rest` or cancelled; a message that was under way then waits again."""
        while not self._is_ending:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            while (left := self._due_mono() - self._clock.monotonic_ns()) > 0:
                await self._clock.sleep(min(left / SECOND, LOOK_EVERY_S))
            if not self._is_ending:
                await self._send_once()

    async def send_rest(self) -> None:
        """End the sending: let a message that is under way arrive, and try once to send what waits, due or not."""
        self._is_ending = True
        await self._idle.wait()
        if self._waiting:
            await self._send_once()

    def tell_undelivered(self) -> None:
        """Tell which events were not delivered, if any; to be called last."""
        if self._waiting:
            self._tell(AlertsNotDelivered(receiver=self._receiver.name, events=dict(self._waiting.counts)))

    def _due_mono(self) -> int:
        group = self._waiting
        return self._pace.due_mono(
            group.counts, since_mono=self._since_mono, has_error=group.has_error, is_critical=group.is_critical
        )

    async def _send_once(self) -> None:
        group, self._waiting = self._waiting, AlertGroup()
        is_delivered = False
        self._idle.clear()
        try:
            await self._receiver.deliver_message(self._writer.write_alert(group))
            is_delivered = True
        except NotDelivered as error:
            self._note_failed(error, group)
        finally:
            if not is_delivered:  # cancelled or not taken: it goes before what came meanwhile
                later, self._waiting = self._waiting, group
                group.take_over(later)
            self._idle.set()
        if is_delivered:
            self._note_sent(group)

    def _note_failed(self, error: NotDelivered, group: AlertGroup) -> None:
        mono = self._clock.monotonic_ns()
        self._pace.note_failed(mono, retry_after_s=error.retry_after_s)
        self._is_down = True
        if times := self._reminder.due_count("down", mono):
            waiting, reason = sum(group.counts.values()), self._writer.clean_text(str(error))
            self._tell(AlertsDelayed(receiver=self._receiver.name, reason=reason, waiting=waiting, times=times))

    def _note_sent(self, group: AlertGroup) -> None:
        mono = self._clock.monotonic_ns()
        self._pace.note_sent(group.counts, mono, has_error=group.has_error)
        self._since_mono = mono
        if self._is_down:
            self._is_down = False
            self._reminder.forget_topic("down")
            self._tell(AlertsDelivered(receiver=self._receiver.name, events=sum(group.counts.values())))
