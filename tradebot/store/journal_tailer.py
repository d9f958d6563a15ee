"""Reads the journal while it is written, on its own connection: the rows after a cursor, with their chain checked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tradebot.errors import StateError
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import JournalRow
from tradebot.journal.schema import connect_reader
from tradebot.store.store import CURSOR_START, Cursor

ROW_COLUMNS = "seq, run, at, wall, kind, prev, hash, body"


class JournalTailer:
    """One journal. Every read is a short transaction of its own, so that SQLite can start the writer's log (WAL) over.

    For one thread at a time. All methods but `close_connection` raise StateError when the journal cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._connection: sqlite3.Connection | None = None

    def journal_id(self) -> str | None:
        """Return the id of this journal, which is the hash of its first row; None while it has no row."""
        found = self._ask("SELECT hash FROM rows WHERE seq = 1")
        return None if not found else bytes(found[0][0]).hex()

    def last_seq(self) -> int:
        """Return the seq of the last row on disk, 0 without any."""
        return int(self._ask("SELECT coalesce(max(seq), 0) FROM rows")[0][0])

    def has_cursor_row(self, cursor: Cursor) -> bool:
        """Return whether the journal still has the row of a cursor, unchanged."""
        if cursor == CURSOR_START:
            return True
        found = self._ask("SELECT hash FROM rows WHERE seq = ?", cursor.seq)
        return bool(found) and bytes(found[0][0]).hex() == cursor.hash

    def rows_after(self, cursor: Cursor, *, until_seq: int, limit: int) -> list[JournalRow]:
        """Return up to `limit` rows that follow a cursor, none beyond `until_seq`.

        Raises StateError also for a row that breaks the hash chain.
        """
        query = f"SELECT {ROW_COLUMNS} FROM rows WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608
        found = list(map(JournalRow._make, self._ask(query, cursor.seq, until_seq, limit)))
        seq, head = cursor.seq, cursor.hash
        for row in found:
            if row.seq != seq + 1 or (head and row.prev.hex() != head) or not row.has_valid_hash:
                raise StateError(f"{self.path}: row {row.seq} breaks the chain; `tradebot verify` tells more")
            seq, head = row.seq, row.hash.hex()
        return found

    def last_of_kind(self, kind: str, *, until_seq: int) -> JournalRow | None:
        """Return the last row of a kind, none beyond `until_seq`."""
        query = f"SELECT {ROW_COLUMNS} FROM rows WHERE kind = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
        found = self._ask(query, kind, until_seq)
        return JournalRow._make(found[0]) if found else None

    def rows_of_order(self, order_id: str, *, until_seq: int) -> list[JournalRow]:
        """Return the rows of one order, none beyond `until_seq`."""
        return [row for row in read_rows(self.path, order_id=order_id) if row.seq <= until_seq]

    def close_connection(self) -> None:
        """Close the connection. Closing twice is allowed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, query: str, *values: object) -> list[Any]:
        if self._connection is None:
            self._connection = connect_reader(self.path)
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: the journal cannot be read: {error}") from error
