"""Writes lines to a descriptor in a thread of its own, so that a stalled reader does not stall the event loop."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

BATCH_BYTES = 65_536  # what a pipe holds
GATHER_S = 0.01  # seconds the first line waits for others: waking the thread costs the loop more than a line


class LineWriter:
    """Writes lines in order. While `capacity` lines wait, new lines are dropped and counted.

    `notice(count)` returns the line that says how many were dropped; it is written in their place.
    """

    def __init__(self, fd: int, *, capacity: int, notice: Callable[[int], bytes]) -> None:
        self._fd, self._capacity, self._notice = fd, capacity, notice
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_writing = self._is_closed = self._is_broken = False
        self.dropped_count = self._unreported = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._begin()

    def write_line(self, line: bytes) -> None:
        """Queue one line. Never blocks on the reader."""
        with self._changed:
            if self._is_broken or self._is_closed or len(self._lines) >= self._capacity:
                self.dropped_count += 1
                self._unreported += 1
                return
            if self._unreported:
                self._lines.append(self._notice(self._unreported))
                self._unreported = 0
            self._lines.append(line)
            if not self._is_writing:
                self._changed.notify_all()

    def flush(self, within_s: float) -> bool:
        """Wait until all lines are written. Returns False after `within_s`, or when the reader is gone."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_broken or not (self._lines or self._is_writing), within_s)
            return done and not self._is_broken

    def close_writer(self, within_s: float = 2.0) -> None:
        """Write the waiting lines and end the thread; waits for it at most `within_s`."""
        with self._changed:
            if self._unreported and not self._is_closed and not self._is_broken:
                self._lines.append(self._notice(self._unreported))
                self._unreported = 0
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(within_s)

    def write_batch(self) -> bool:
        """Write one batch of waiting lines; the thread calls this for ever. Returns False when the reader is gone."""
        with self._changed:
            batch, size = [], 0
            while self._lines and size < BATCH_BYTES:
                batch.append(self._lines.popleft())
                size += len(batch[-1])
        try:
            self._write_all(b"".join(batch))
        except OSError:  # the reader is gone; the daemon trades on without it
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
                self._is_writing = True  # from here on a new line does not wake the thread
                if not self._is_closed:
                    self._changed.wait(GATHER_S)  # so the lines of one order become one system call
            if not self.write_batch():
                return

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another process made the descriptor non-blocking
                select.select([], [self._fd], [], 1.0)
