"""Checkpoints off the commit path: a thread copies the write-ahead log into the journal's database file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from queue import SimpleQueue

from tradebot.journal.schema import connect_checkpointer


class CheckpointThread:
    """Runs a checkpoint each time the writer requests one.

    SQLite before 3.51.3 can lose pages when a checkpoint begins on a log without new frames while another connection
    commits and thereby restarts the log (sqlite.org/wal.html, the WAL-reset bug). `request_checkpoint` is therefore
    called only after a commit that began after the end of the previous checkpoint. The log then has new frames, and
    cannot restart before they are copied.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect_checkpointer(path)
        self._requests: SimpleQueue[bool] = SimpleQueue()  # True: run a checkpoint; False: end the thread
        self._thread = threading.Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self.is_idle, self._idle = True, threading.Event()  # the same twice: the flag to read, the event to wait for
        self._idle.set()
        self.error: sqlite3.Error | None = None
        self._thread.start()

    def request_checkpoint(self) -> None:
        """Start a checkpoint. Call it only while `is_idle`, and after a commit as described above."""
        self.is_idle = False
        self._idle.clear()
        self._requests.put(True)

    def wait_until_idle(self) -> None:
        """Wait until no checkpoint runs."""
        self._idle.wait()

    def stop_thread(self) -> None:
        """End the thread after the current checkpoint."""
        self._requests.put(False)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._requests.get():
            try:
                run_checkpoint(self._connection)  # on a full disk the log stays and is copied later
            except sqlite3.Error as error:
                self.error = error
            self.is_idle = True
            self._idle.set()


def run_checkpoint(connection: sqlite3.Connection) -> bool:
    """Copy what can be copied without waiting; return False where the disk is too full. Raises sqlite3.Error."""
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.OperationalError as error:
        # Nothing is lost: the log keeps its content until a checkpoint has copied all of it.
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        return False
    return True
