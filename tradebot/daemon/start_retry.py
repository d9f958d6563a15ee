"""Retries at start while the venue does not answer: inside the process, logged at once and then rarely, with a limit.

If the daemon ended instead, its supervisor would restart it a few times within a minute and then give up for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tradebot.clock import SECOND, Clock
from tradebot.errors import LinkLost, LoginLost, StoppedEarly, VenueUnavailable
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import Unanswered
from tradebot.ops.reminder import Reminder

Told = TypeVar("Told")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0  # wall seconds; each pause is twice the previous one
STOP_POLL_S = 0.5  # seconds between checks whether the operator wants to stop


class StartRetry:
    """Retries a question to the venue until it answers, for at most `within_s` wall seconds per question.

    `extend` asks the supervisor for more time to start; `stopped` returns True once the operator wants the daemon to
    end. `await_login(reason)` waits for a person where the venue has ended our login meanwhile, and returns False if it
    accepts it still; it is None for a run without a login, and until the start knows its account.
    """

    def __init__(
        self,
        *,
        within_s: float,
        clock: Clock,
        tell: EventListener,
        extend: Callable[[], None] = lambda: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._within_s, self._clock, self._tell = within_s, clock, tell
        self._extend, self._stopped = extend, stopped
        self._reminder = Reminder(first_s=30.0, longest_s=300.0)
        self.await_login: Callable[[str], Awaitable[bool]] | None = None

    async def retry_until_answered(
        self, question: Callable[[], Awaitable[Told]], *, failed: type[Unanswered], gave_up: str
    ) -> Told:
        """Return the venue's answer; log `failed` while there is none.

        Raises VenueUnavailable, with a text that begins with `gave_up`, after the time limit, and StoppedEarly when the
        operator stops the wait. Every other error is raised as it is, because the venue has answered, except a
        LoginLost for which `await_login` waits: then the question is asked again, with the whole time.
        """
        began, pause = self._clock.monotonic_ns(), FIRST_PAUSE_S
        while True:
            try:
                return await self._retry(question, failed, gave_up)
            except LoginLost as error:
                if self.await_login is None:
                    raise
                if await self.await_login(str(error)):
                    began, pause = self._clock.monotonic_ns(), FIRST_PAUSE_S
                    continue
                # One route refuses a login that the venue accepts: a late answer to old keys, or it will never do.
                if self._clock.monotonic_ns() - began >= self._within_s * SECOND:
                    raise
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def ask_with_login(
        self, question: Callable[[], Awaitable[Told]], *, failed: type[Unanswered], gave_up: str
    ) -> Told:
        """Return the answer as `retry_until_answered` does, but raise every LoginLost: the question is about it."""
        return await self._retry(question, failed, gave_up)

    async def _retry(self, question: Callable[[], Awaitable[Told]], failed: type[Unanswered], gave_up: str) -> Told:
        began, pause, tries = self._clock.monotonic_ns(), FIRST_PAUSE_S, 0
        while True:
            tries += 1
            try:
                return await question()
            except LinkLost as error:
                now = self._clock.monotonic_ns()
                waited_s, left_s = (now - began) / SECOND, self._within_s - (now - began) / SECOND
                if left_s <= 0:
                    raise VenueUnavailable(f"{gave_up} ({tries} tries in {waited_s:.0f} s): {error}") from error
                if self._reminder.due_count(failed.name, now):
                    self._tell(failed(tries=tries, reason=str(error), waits_s=round(left_s)))
            await self._sleep(min(pause, max(left_s, 0.0)))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _sleep(self, seconds: float) -> None:
        self._extend()
        until = self._clock.monotonic_ns() + int(seconds * SECOND)
        while (left := (until - self._clock.monotonic_ns()) / SECOND) > 0:
            if self._stopped():
                raise StoppedEarly("stopped while it waited for the venue; nothing was sent")
            await self._clock.sleep(min(left, STOP_POLL_S))
