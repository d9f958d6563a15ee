"""The standard output of a simulated daemon: the real log writer on a pipe whose reader may stop or leave.

There is no writer thread: lines are written at once while the pipe has space. The loop never waits for the reader.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tradebot.ops.events.event import Event
from tradebot.ops.line_writer import LineWriter
from tradebot.ops.logs import render_json
from tradebot.simulation.loop import SimulationStuck

MAX_WAITING_LINES = 3  # lines that may wait; few, so that the pipe is full within seconds
PIPE_BYTES = 512


class NonBlockingCondition:
    """Replaces the writer's threading condition: on the single loop of a simulation a wait would never end."""

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: Any) -> None:
        return

    def notify_all(self) -> None:
        """Wake no one, because no one waits."""

    def wait(self, *_: Any) -> bool:
        """Raise SimulationStuck instead of waiting."""
        raise SimulationStuck("the daemon waits for the reader of its log")

    wait_for = wait


class SimulatedOutput(LineWriter):
    """Writes the log of one daemon process to its pipe."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._free_bytes = PIPE_BYTES
        self._unread_until_s = 0.0  # loop time, s
        self._is_reader_gone = False
        super().__init__(1, capacity=MAX_WAITING_LINES, notice=lambda count: b"%d lines were lost\n" % count)
        self._changed: Any = NonBlockingCondition()

    def write_event(self, event: Event) -> None:
        """Write an event as a line of the log, as far as the pipe has space."""
        self.write_line(
            render_json(None, event.level, {"event": event.name, "level": event.level, **event.log_fields()})
        )
        while self._lines and (self._has_reader or self._is_reader_gone or self._free_bytes > 0):
            self.write_batch()

    def stop_reading(self, seconds: float) -> None:
        """Stop reading for `seconds`, so that the pipe fills up."""
        self._unread_until_s, self._free_bytes = self._loop.time() + seconds, PIPE_BYTES

    def close_reader(self) -> None:
        """Close the reader's end of the pipe."""
        self._is_reader_gone = True

    @property
    def _has_reader(self) -> bool:
        return self._loop.time() >= self._unread_until_s

    def _begin(self) -> None:
        pass

    def _write_all(self, data: bytes) -> None:
        if self._is_reader_gone:
            raise BrokenPipeError(32, "Broken pipe")
        if not self._has_reader:
            self._free_bytes -= len(data)
