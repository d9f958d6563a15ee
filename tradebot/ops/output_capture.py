"""Captures what strategies and libraries print, here and in workers, as log events, so that no line mixes with the log.

descriptors 1 and 2 ──pipes──▶ a thread ──`stdout_captured`──▶ log, on a descriptor of its own
"""

from __future__ import annotations

import faulthandler
import os
import select
import sys
import threading
from contextlib import suppress

from tradebot.clock import SECOND, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import OutputDropped, StderrCaptured, StdoutCaptured

PIPE_BYTES = 65_536  # bytes read at once: the capacity of a pipe
MAX_LINE_BYTES = 4_096  # the rest of a longer line is dropped
MAX_LINES_A_SECOND = 20  # further lines are dropped and counted, so that a loop that prints does not fill the disk
JOIN_WITHIN_S = 2.0
EVENT_OF_STREAM = {1: StdoutCaptured, 2: StderrCaptured}


class OutputCapture:
    """Captures what this process prints and reports each line as an event. Lines over the limits are counted.

    `stdout_fd` is the real standard output.
    """

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._true = {fd: os.dup(fd) for fd in EVENT_OF_STREAM}
        self._pipes: dict[int, int] = {}  # pipe -> the descriptor whose output it carries
        self._wake, self._awake = os.pipe()
        for fd in EVENT_OF_STREAM:
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            os.dup2(writing, fd)
            os.close(writing)
            self._pipes[reading] = fd
        self.stdout_fd = self._true[1]
        self._rest = dict.fromkeys(self._pipes, b"")
        self._second, self._told, self._dropped = 0, 0, 0
        self._thread: threading.Thread | None = None
        line_buffer_output()
        faulthandler.enable(self._true[2])  # a crashing process has no thread left to report its output

    def start_reporting(self, tell: EventListener, clock: Clock, *, strategy: str = "") -> None:
        """Report the captured lines to `tell` from now on. `strategy` names the only strategy, if there is only one."""
        self._tell, self._clock, self._strategy = tell, clock, strategy or None
        self._thread = threading.Thread(target=self._run, name="printed", daemon=True)
        self._thread.start()

    def restore_output(self) -> None:
        """Let this process print again, and report what was captured so far; waits at most two seconds."""
        if self._awake < 0:
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        faulthandler.disable()
        for fd, before in self._true.items():
            os.dup2(before, fd)
        os.close(self._awake)  # this ends the reading thread
        self._awake = -1
        if self._thread is not None:
            self._thread.join(JOIN_WITHIN_S)

    def close_capture(self) -> None:
        """Restore the output, and close the real standard output, which the log no longer uses."""
        self.restore_output()
        for fd in (*self._true.values(), *self._pipes, self._wake):
            os.close(fd)

    def _run(self) -> None:
        poll = select.poll()
        for fd in (*self._pipes, self._wake):
            poll.register(fd, select.POLLIN)
        while self._wake not in [fd for fd, _ in poll.poll()]:
            for pipe in self._pipes:
                self._read(pipe)
        for pipe in self._pipes:
            for _ in range(16):  # one read empties a pipe. The number is limited, because a worker may still print
                self._read(pipe)
            self._line(pipe, self._rest[pipe])
        self._count()

    def _read(self, pipe: int) -> None:
        with suppress(BlockingIOError):
            *lines, rest = (self._rest[pipe] + os.read(pipe, PIPE_BYTES)).split(b"\n")
            for line in lines:
                self._line(pipe, line)
            self._rest[pipe] = rest[: MAX_LINE_BYTES + 1]

    def _line(self, pipe: int, line: bytes) -> None:
        if not line.strip():
            return
        now = self._clock.monotonic_ns() // SECOND
        if now != self._second:
            self._count()
            self._second, self._told = now, 0
        self._told += 1
        if self._told > MAX_LINES_A_SECOND:
            self._dropped += 1
            return
        captured = EVENT_OF_STREAM[self._pipes[pipe]]
        text = line[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace")
        self._tell(captured(text=text, cut=len(line) > MAX_LINE_BYTES or None, strategy=self._strategy))

    def _count(self) -> None:
        if self._dropped:
            self._tell(OutputDropped(lines=self._dropped, strategy=self._strategy))
            self._dropped = 0


def line_buffer_output() -> None:
    """Make this process write each printed line at its end, and not when a buffer is full."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
