"""The hand that drives the journal's work: usually a thread of its own; whoever simulates the disk brings another."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from tradebot.domain.message import Message
from tradebot.journal.room import free_bytes

GROUP_ROWS = 4_096  # rows of one commit at most, so that the first of a long queue need not wait for the last


class Queued(NamedTuple):
    """A row on its way to the disk."""

    seq: int
    at: int
    wall: int
    kind: str
    message: Message


# Opens the journal up to the first `yield`; each `send` writes and syncs a group, of None ends the work and closes.
Work = Generator[None, list[Queued] | None, None]


class Hand(Protocol):
    """Takes rows from the loop and drives the work with them, in the order they came."""

    def start(self, work: Work) -> None:
        """Begin; called once, in the loop."""
        ...

    def put(self, row: Queued | None) -> None:
        """Take a row without waiting; None is the last one and may come twice."""
        ...

    def join(self) -> None:
        """Wait for the end of the work, which has told the loop already."""
        ...

    def free(self, journal: Path) -> int:
        """Return the bytes that are free on the disk of the journal. May wait for the disk; raises OSError."""
        ...


class WriterThread:
    """The usual hand: one thread, which writes together what has come while it wrote."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Queued | None] = SimpleQueue()
        self._thread: threading.Thread

    def start(self, work: Work) -> None:
        # A daemon thread: what it acknowledged is on disk, so nothing is lost when the process does not wait for it.
        self._thread = threading.Thread(target=self._run, args=(work,), name="journal", daemon=True)
        self._thread.start()

    def put(self, row: Queued | None) -> None:
        self._queue.put(row)

    def join(self) -> None:
        self._thread.join()

    def free(self, journal: Path) -> int:
        return free_bytes(journal)

    def _run(self, work: Work) -> None:
        try:
            next(work)
            while True:
                work.send(self._take())
        except StopIteration:
            return

    def _take(self) -> list[Queued] | None:
        row = self._queue.get()
        if row is None:
            return None
        group = [row]
        while len(group) < GROUP_ROWS:
            try:
                row = self._queue.get_nowait()
            except Empty:
                break
            if row is None:
                self._queue.put(None)
                break
            group.append(row)
        return group
