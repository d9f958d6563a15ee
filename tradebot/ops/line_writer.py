"""Lines to a descriptor from a thread of its own, so that a reader who stalls never stalls the event loop."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

BATCH_BYTES = 65_536  # what a pipe holds
GATHER_S = 0.01  # how long the first line waits for others; waking a thread costs the loop more than a line does


class LineWriter:
    """Writes lines in order; beyond `capacity` waiting ones, new lines are dropped and counted.

    `notice(count)` makes the line that says how many were lost; it is written where they would have stood.
    """

    def __init__(self, fd: int, *, capacity: int, notice: Callable[[int], bytes]) -> None:
        self._fd, self._capacity, self._notice = fd, capacity, notice
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_writing = self._is_closed = self._is_broken = False
        self.dropped_count = self._unsaid = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._begin()

    def write_line(self, line: bytes) -> None:
        """Queue one line; never blocks on the reader."""
        with self._changed:
            if self._is_broken or self._is_closed or len(self._lines) >= self._capacity:
                self.dropped_count += 1
                self._unsaid += 1
                return
            if self._unsaid:
                self._lines.append(self._notice(self._unsaid))
                self._unsaid = 0
            self._lines.append(line)
            if not self._is_writing:
                self._changed.notify_all()

    def flush(self, within_s: float) -> bool:
        """Wait until nothing waits; False when that took longer than `within_s`, or when the reader is gone."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_broken or not (self._lines or self._is_writing), within_s)
            return done and not self._is_broken

    def close_writer(self, within_s: float = 2.0) -> None:
        """Write what waits, at most `within_s` long, and end the thread."""
        with self._changed:
            if self._unsaid and not self._is_closed and not self._is_broken:
                self._lines.append(self._notice(self._unsaid))
                self._unsaid = 0
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(within_s)

    def write_batch(self) -> bool:
        """Write a batch of what waits, as the thread does for ever; False when the reader is gone."""
        with self._changed:
            batch, size = [], 0
            while self._lines and size < BATCH_BYTES:
                batch.append(self._lines.popleft())
                size += len(batch[-1])
        try:
            self._write_all(b"".join(batch))
        except OSError:  # the reader left; the daemon trades on without it
            with self._changed:
                self._is_broken, self._is_writing = True, False
                self.dropped_count += len(batch) + len(self._lines)
                self._lines.clear()
                self._changed.notify_all()
        return not self._is_broken

    def _begin(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines or self._is_closed)
                if not self._lines:
                    return
                self._is_writing = True  # from here on a line wakes nobody
                if not self._is_closed:
                    self._changed.wait(GATHER_S)  # the lines of an order are one call of the system
            if not self.write_batch():
                return

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody made the descriptor non-blocking
                select.select([], [self._fd], [], 1.0)
