"""Keeps one connection to a venue alive, for all venues: reconnect, backoff, liveness. Nothing else retries.

No handshake response ends the retries: a refusal may come from a gateway, and other code checks whether the login is
still valid.
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

# Limits how long frames are read without a pause. The work that they cause takes as long again, before the event loop
# gets control.
TIME_SLICE_NS = MILLISECOND
# A `receive` that took longer has waited; with a frame that had already arrived it takes a tenth of this.
WAITED_NS = 20 * MICROSECOND
LOOK_EVERY_S = 0.25  # wall seconds between two looks for renewed keys, in the wait before a new connection


class Throttled(LinkLost):
    """The venue says that we connect too often. Retry after `after_s` if it names a time, else much later."""

    def __init__(self, text: str, *, after_s: float | None = None) -> None:
        super().__init__(text)
        self.after_s = after_s


class Backoff(Message, frozen=True):
    """The waits between two tries, in wall seconds.

    A wait is uniform between 0 and a ceiling (full jitter). The ceiling starts at `first_s` and doubles up to
    `longest_s`. After `Throttled` the wait is uniform between the venue's time, else `throttled_s`, and twice that. A
    connection that lasted `steady_s` resets the ceiling. At most `tries_per_hour` tries begin in any hour, because full
    jitter alone allows a series of short waits.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    throttled_s: float = 60.0
    steady_s: float = 30.0
    tries_per_hour: int = 240

    def wait_s(
        self, failures: int, *, throttled: bool, rng: np.random.Generator, after_s: float | None = None
    ) -> float:
        """Return the wait in s after `failures` (1 or more) failures in a row; `after_s` is the venue's own time."""
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
    keys_version: Callable[[], int] | None = None,
) -> NoReturn:
    """Call `connect(up)` in an endless loop, with a wait between two calls.

    `connect` opens one connection, calls `up()` when it works, and serves it until it returns or raises LinkLost.
    `on_up` and `on_down(reason)` are called once per change of state; the first state, up or down, is a change too. Any
    other exception from `connect` is a bug and passes through. A wait that the venue did not ask for ends early when
    `keys_version` changes: renewed keys are worth a try at once.
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
        # `tries` is full: the oldest of them must be an hour old before the next one begins.
        if len(tries) == rules.tries_per_hour and (early := tries[0] + HOUR - clock.monotonic_ns()) > 0:
            await clock.sleep(early / SECOND)
        tries.append(clock.monotonic_ns())
        version = keys_version() if keys_version is not None else 0  # of the keys that this try is made with
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
        wait_s = rules.wait_s(failures, throttled=late, rng=rng, after_s=after_s)
        if late or keys_version is None:
            await clock.sleep(wait_s)
        elif await _is_renewed_within(clock, wait_s, keys_version, version):
            failures = 0


async def _is_renewed_within(clock: Clock, wait_s: float, keys_version: Callable[[], int], version: int) -> bool:
    # Wait; return whether keys newer than `version` were given meanwhile or during the try, which ends the wait.
    until = clock.monotonic_ns() + round(wait_s * SECOND)
    while keys_version() == version:
        if (left := until - clock.monotonic_ns()) <= 0:
            return False
        await clock.sleep(min(left / SECOND, LOOK_EVERY_S))
    return True


async def read_frames(
    receive: Callable[[], Awaitable[str | bytes]],
    on_frame: Callable[[str | bytes], None],
    *,
    silent_after_s: float,
    clock: Clock,
) -> NoReturn:
    """Pass every frame to `on_frame`. Raises LinkLost after `silent_after_s` wall seconds without a frame of any kind.

    The limit may take an eighth longer. A socket can die silently, so heartbeats count and an open connection does not.
    An exception from `receive` passes through. While frames arrive faster than they are read, the event loop gets
    control each millisecond.
    """
    time = asyncio.get_running_loop().time
    slack = silent_after_s / 8  # moving the limit at every frame would cost more than reading the frame
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
