"""Reads a journal from its end backwards, in short transactions, for lists that begin with the newest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tradebot.errors import StateError
from tradebot.journal.rows import JournalRow
from tradebot.journal.schema import connect_reader

WINDOW_ROWS = 5_000  # rows of one transaction, so that the writer's log can restart between two
MAX_WINDOWS = 40  # windows of one search: rows of a kind have no index, and the oldest may be gigabytes away
Found = TypeVar("Found")


class RowQuery(NamedTuple):
    """Which rows: of `kinds`, of `run` unless it is "", and with `text` in the body unless it is empty."""

    kinds: tuple[str, ...]
    run: str = ""
    text: bytes = b""


def search_newest(
    path: Path, query: RowQuery, take: Callable[[JournalRow], Sequence[Found]], *, before: int, limit: int
) -> tuple[list[Found], int]:
    """Return what `take` makes of the newest rows before row `before` (0: the end), and where to go on.

    A row is taken whole: at least `limit` results if there are as many, and more only from the last row. Where to go on
    is 0 once the first row was read. After 200,000 rows the search ends, possibly with fewer results.
    Raises StateError.
    """
    found: list[Found] = []
    connection = connect_reader(Path(path))
    try:
        last = before - 1 if before else _last_seq(connection)
        for _ in range(MAX_WINDOWS):
            for row in _window(connection, query, last):
                found += take(row)
                if len(found) >= limit:
                    return found, row.seq if row.seq > 1 else 0
            last -= WINDOW_ROWS
            if last < 1:
                return found, 0
        return found, last + 1
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be read: {error}") from error
    finally:
        connection.close()


def _last_seq(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(seq) FROM rows").fetchone()
    return int(last or 0)


def _window(connection: sqlite3.Connection, query: RowQuery, last: int) -> list[JournalRow]:
    where = ["seq > ? AND seq <= ?", f"kind IN ({', '.join('?' * len(query.kinds))})"]
    values: list[object] = [last - WINDOW_ROWS, last, *query.kinds]
    if query.run:
        where.append("run = ?")
        values.append(query.run)
    if query.text:
        where.append("instr(body, ?) > 0")
        values.append(query.text)
    sql = "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows WHERE " + " AND ".join(where)  # noqa: S608
    return list(map(JournalRow._make, connection.execute(sql + " ORDER BY seq DESC", values)))
