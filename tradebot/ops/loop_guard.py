"""Guards the event loop: an uncaught exception ends the run, a late loop is reported, a stalled one with its stack.

Otherwise a callback that raises, or a task whose exception is never retrieved, would be one line on standard error, and
the daemon would go on without it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, NoReturn

from tradebot.clock import MILLISECOND, SECOND, Clock
from tradebot.errors import InvariantBroken
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import ConnectionBroken, ExceptionUncaught, LoopDelayed, LoopStalled

# A loop blocked for longer than LATE_NS and a beat is always noticed, one blocked for less than LATE_NS never
BEAT_S = 0.02
LATE_NS = 50 * MILLISECOND  # a beat that comes this much too late counts
SAMPLE_EVERY_S = 0.25  # seconds between two checks of the last beat by the thread
STALLED_NS = SECOND  # a loop without a beat for this long is reported with its stack, once a stall
WARN_EVERY_NS = 30 * SECOND
MAX_STACK_FRAMES = 12  # frames of a stack that are shown, the innermost


class LoopGuard:
    """Guards the running loop inside its context. `tell` takes events and must be safe in any thread."""

    def __init__(self, clock: Clock, *, tell: EventListener) -> None:
        self._clock, self._tell = clock, tell
        self._broken = asyncio.Event()
        self._why = ""
        self._late = self._worst = self._told_at = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="loop-guard", daemon=True)

    async def __aenter__(self) -> LoopGuard:
        self._loop = asyncio.get_running_loop()
        self._id = threading.get_ident()
        self._loop.set_exception_handler(self._on_exception)
        self._beat_at = self._clock.monotonic_ns()
        self._timer = self._loop.call_later(BEAT_S, self._beat, self._beat_at + int(BEAT_S * SECOND))
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._timer.cancel()
        self._loop.set_exception_handler(None)
        self._thread.join(SAMPLE_EVERY_S)

    async def wait_for_fault(self) -> NoReturn:
        """Wait for an uncaught exception and raise InvariantBroken for it."""
        await self._broken.wait()
        raise InvariantBroken(f"a part of the daemon failed where nobody listens: {self._why}; start it again")

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error, message = context.get("exception"), str(context.get("message", ""))
        # A broken connection is caused by the venue or the reader, and the owner of the transport notices it too.
        is_ours = error is not None and not isinstance(error, OSError)
        trace = traceback.format_exception(error)[-MAX_STACK_FRAMES:] if error is not None else []
        event_class = ExceptionUncaught if is_ours else ConnectionBroken
        self._tell(event_class(reason=message, error=repr(error), trace=trace))
        if is_ours:
            self._why = self._why or f"{message}: {error!r}"
            self._broken.set()

    def _beat(self, due: int) -> None:
        now = self._clock.monotonic_ns()
        late = now - due
        if late > LATE_NS:
            self._late, self._worst = self._late + 1, max(self._worst, late)
            if now - self._told_at > WARN_EVERY_NS:
                self._tell(LoopDelayed(times=self._late, worst_ms=self._worst // MILLISECOND))
                self._late, self._worst, self._told_at = 0, 0, now
        self._beat_at = now
        self._timer = self._loop.call_later(BEAT_S, self._beat, now + int(BEAT_S * SECOND))

    # ---- in the thread

    def _sample(self) -> None:
        reported_beat_at = 0
        while not self._ended.wait(SAMPLE_EVERY_S):
            beat_at = self._beat_at
            stalled = self._clock.monotonic_ns() - beat_at
            if stalled > STALLED_NS and beat_at != reported_beat_at:
                reported_beat_at = beat_at
                frame = sys._current_frames().get(self._id)
                stack = [
                    f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_stack(frame)[-MAX_STACK_FRAMES:]
                ]
                self._tell(LoopStalled(seconds=round(stalled / SECOND, 1), stack=stack))
