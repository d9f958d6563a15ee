"""Keeps one connection to a venue alive, for all venues: reconnect, backoff, liveness; the only place that retries.

No answer to a handshake ends it: a refusal may be a gateway's, and whether the login holds is asked elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn

import numpy as np

from tradebot.clock import HOUR, MICROSECOND, MILLISECOND, SECOND, Clock, TimeSlice
from tradebot.domain.message import Message
from tradebot.errors import LinkLost

TIME_SLICE_NS = MILLISECOND  # of frames on end; what they lead to takes as long again before the loop turns
WAITED_NS = 20 * MICROSECOND  # `receive` of a frame that is there already takes a tenth of it


class Throttled(LinkLost):
    """The venue says we come too often; come back after `after_s` where it names a time, else much later."""

    def __init__(self, text: str, *, after_s: float | None = None) -> None:
        super().__init__(text)
        self.after_s = after_s


class Backoff(Message, frozen=True):
    """How long to wait between tries, in wall seconds.

    A wait is drawn evenly from 0 to a ceiling (full jitter) that starts at `first_s` and doubles up to `longest_s`;
    after `Throttled` it is drawn from the time that the venue named, else `throttled_s`, to twice that. A connection
    that lasted `steady_s` starts over. No more than `tries_per_hour` begin in any hour, because full jitter alone lets
    a series of short waits happen.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    throttled_s: float = 60.0
    steady_s: float = 30.0
    tries_per_hour: int = 240

    def wait_s(
        self, failures: int, *, throttled: bool, rng: np.random.Generator, after_s: float | None = None
    ) -> float:
        """Return the wait after `failures` (1 or more) tries in a row that failed; `after_s` is the venue's word."""
        if throttled:
            least = self.throttled_s if after_s is None else max(after_s, self.first_s)
            return float(rng.uniform(least, 2 * least))
        return float(rng.uniform(0.0, min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))))


async def run_with_reconnect(
    connect: Callable[[Callable[[], None]], Awaitable[None]],
    on_up: Callable[[], None],
    on_down: Callable[[str], None],
    *,
    clock: Clock,
    rng: np.random.Generator,
    backoff: Backoff | None = None,
) -> NoReturn:
    """Run `connect(up)` again and again.

    `connect` opens one connection, calls `up()` when it works, and serves it until it ends, by return or LinkLost.
    `on_up` and `on_down(reason)` are called once a change, beginning with whichever comes first; anything else that
    `connect` raises is a bug and passes through.
    """
    rules = backoff or Backoff()
    tries: deque[int] = deque(maxlen=rules.tries_per_hour)
    is_up: bool | None = None  # None: nothing reported yet
    failures, up_at = 0, 0

    def up() -> None:
        nonlocal is_up, up_at
        if is_up is not True:
            is_up, up_at = True, clock.monotonic_ns()
            on_up()

    while True:
        if len(tries) == rules.tries_per_hour and (early := tries[0] + HOUR - clock.monotonic_ns()) > 0:
            await clock.sleep(early / SECOND)
        tries.append(clock.monotonic_ns())
        try:
            await connect(up)
            error = LinkLost("the connection ended")
        except LinkLost as ended:
            error = ended
        if is_up and clock.monotonic_ns() - up_at >= rules.steady_s * SECOND:
            failures = 0
        failures += 1
        if is_up is not False:
            is_up = False
            on_down(str(error))
        after_s = error.after_s if isinstance(error, Throttled) else None
        late = isinstance(error, Throttled)
        await clock.sleep(rules.wait_s(failures, throttled=late, rng=rng, after_s=after_s))


async def read_frames(
    receive: Callable[[], Awaitable[str | bytes]],
    on_frame: Callable[[str | bytes], None],
    *,
    silent_after_s: float,
    clock: Clock,
) -> NoReturn:
    """Hand every frame to `on_frame`; raises LinkLost when none of any kind came for `silent_after_s` wall seconds.

    It may take an eighth longer. A socket can die without a word, so heartbeats count and an open connection does not.
    What `receive` raises passes through. While frames come faster than they are taken the loop turns each millisecond.
    """
    time = asyncio.get_running_loop().time
    slack = silent_after_s / 8  # moving the limit with every frame would cost more than reading it
    try:
        async with asyncio.timeout(silent_after_s + slack) as limit:
            moved = time()
            turn = TimeSlice(clock, TIME_SLICE_NS)
            while True:
                asked_at = clock.monotonic_ns()
                frame = await receive()
                if clock.monotonic_ns() - asked_at > WAITED_NS:
                    turn.restart()
                if (now := time()) - moved > slack:
                    moved = now
                    limit.reschedule(now + silent_after_s + slack)
                on_frame(frame)
                await turn.yield_if_due()
    except TimeoutError:
        raise LinkLost(f"no frame for {silent_after_s:g} s") from None
