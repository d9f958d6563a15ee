"""Drives the journal's writing: a thread by default; a simulation of the disk passes another `WriteDriver`."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from tradebot.domain.message import Message
from tradebot.journal.disk_space import free_disk_bytes

MAX_GROUP_ROWS = 4_096  # rows in one commit; a limit, so that the first row of a long queue does not wait for the last


class QueuedRow(NamedTuple):
    """A row on its way to the disk."""

    seq: int
    at: int
    wall_at: int
    kind: str
    message: Message


# The generator that writes, see `JournalFile.write_work`: `next` opens the journal, `send` of a group writes and syncs
# it, `send(None)` closes it.
WriteWork = Generator[None, list[QueuedRow] | None, None]


class WriteDriver(Protocol):
    """Takes rows from the event loop and passes them, in order, to the generator that writes them."""

    def start_work(self, work: WriteWork) -> None:
        """Start to drive `work`; called once, in the event loop."""
        ...

    def enqueue_row(self, row: QueuedRow | None) -> None:
        """Queue a row without waiting. None ends the work and may come twice."""
        ...

    def wait_until_done(self) -> None:
        """Wait for the end of the work; called after the loop was notified of it."""
        ...

    def free_disk_bytes(self, journal: Path) -> int:
        """Return the free bytes on the disk of the journal. May wait for the disk; raises OSError."""
        ...


class WriterThread:
    """The default driver: one thread, which writes in one group the rows that came while it wrote."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[QueuedRow | None] = SimpleQueue()
        self._thread: threading.Thread

    def start_work(self, work: WriteWork) -> None:
        # A daemon thread: every acknowledged row is on disk, so nothing is lost when the process does not wait for it.
        self._thread = threading.Thread(target=self._run, args=(work,), name="journal", daemon=True)
        self._thread.start()

    def enqueue_row(self, row: QueuedRow | None) -> None:
        self._queue.put(row)

    def wait_until_done(self) -> None:
        self._thread.join()

    def free_disk_bytes(self, journal: Path) -> int:
        return free_disk_bytes(journal)

    def _run(self, work: WriteWork) -> None:
        try:
            next(work)
            while True:
                work.send(self._take())
        except StopIteration:
            return

    def _take(self) -> list[QueuedRow] | None:
        row = self._queue.get()
        if row is None:
            return None
        group = [row]
        while len(group) < MAX_GROUP_ROWS:
            try:
                row = self._queue.get_nowait()
            except Empty:
                break
            if row is None:  # the end: write this group first, then take the None again
                self._queue.put(None)
                break
            group.append(row)
        return group
