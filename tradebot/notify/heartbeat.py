"""The heartbeat: one GET a minute while the daemon makes progress, because a dead host cannot tell that it is dead."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from tradebot.clock import SECOND, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.notify import HeartbeatMissed, HeartbeatRestored, HeartbeatWithheld
from tradebot.ops.reminder import Reminder

BEAT_EVERY_S = 60.0
LOOK_EVERY_S = 5.0  # how often it is asked whether the daemon makes progress
ANSWER_WITHIN_S = 10.0


class Heartbeat:
    """Sends heartbeats to `url`. `stall_reason` returns what makes no progress, "" while all does, None in a start."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        stall_reason: Callable[[], str | None],
        clock: Clock,
        tell: EventListener,
    ) -> None:
        self._http, self._url, self._stall_reason = http, url, stall_reason
        self._clock, self._tell = clock, tell
        self._missed = 0
        self._reminder = Reminder(first_s=600.0, longest_s=6 * 3600.0)

    async def send_heartbeats(self) -> None:
        """Send one a minute until cancelled."""
        due = self._clock.monotonic_ns()
        while True:
            stuck = self._stall_reason()
            if stuck is not None and self._clock.monotonic_ns() >= due:
                due = self._clock.monotonic_ns() + int(BEAT_EVERY_S * SECOND)
                if stuck:
                    self._miss(HeartbeatWithheld, stuck=stuck)
                elif reason := await self._failure():
                    self._miss(HeartbeatMissed, reason=reason)
                else:
                    self._note_sent()
            await self._clock.sleep(LOOK_EVERY_S)

    async def _failure(self) -> str:
        # Returns why the address did not take it, without the address, which is a secret.
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        try:
            async with self._http.get(self._url, timeout=timeout) as response:
                return "" if response.status < 300 else f"the address answered {response.status}"
        except TimeoutError:
            return f"no answer within {ANSWER_WITHIN_S:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"the address cannot be reached ({type(error).__name__})"

    def _miss(self, kind: type[HeartbeatMissed] | type[HeartbeatWithheld], **fields: str) -> None:
        self._missed += 1
        if times := self._reminder.due_count(kind.name, self._clock.monotonic_ns()):
            self._tell(kind(**fields, times=times))

    def _note_sent(self) -> None:
        if self._missed:
            self._tell(HeartbeatRestored(missed=self._missed))
            self._reminder.forget_topic(HeartbeatWithheld.name)
            self._reminder.forget_topic(HeartbeatMissed.name)
        self._missed = 0
