"""Reads a journal, also while a daemon writes it: its rows in order, and whether the hash chain is intact.

Rows are read in pages. Each page is a short transaction of its own, so that a slow reader never keeps the writer's log
from restarting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.errors import StateError
from tradebot.journal.chain import GENESIS_HASH
from tradebot.journal.rows import JournalRow, RunRecord, decode_body
from tradebot.journal.schema import connect_reader

PAGE_ROWS = 2_000


class _Torn(StateError):
    pass


class ChainReport(NamedTuple):
    """The result of a check of the hash chain: its intact rows, the hash of the last of them, and the first bad row.

    `why` is "missing", "changed", "reordered" or "torn" (the file itself is damaged), empty when the chain is intact.
    """

    rows: int
    head: bytes
    broken_row: int | None = None
    why: str = ""

    @property
    def is_intact(self) -> bool:
        """Return True when no row is bad."""
        return self.broken_row is None


def read_rows(
    path: Path,
    *,
    kinds: Collection[str] | None = None,
    run: str | None = None,
    since: int | None = None,
    order_id: str | None = None,
) -> Iterator[JournalRow]:
    """Yield the rows in order, filtered by kinds, run, earliest stamp `since` (market ns) and order.

    `order_id` may be the first part of an id; it selects rows of the kind "order". Raises StateError.
    """
    where, values = ["seq > ?"], list[object]([0])
    if kinds is not None:
        where.append(f"kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    if run is not None:
        where.append("run = ?")
        values.append(run)
    if since is not None:
        where.append("at >= ?")
        values.append(since)
    if order_id is not None:
        beginning = b'{"order_id":"' + order_id.encode()
        where.append("kind = 'order' AND substr(body, 1, ?) = ?")
        values += (len(beginning), beginning)
    yield from _pages(Path(path), " AND ".join(where), values)


def verify_chain(path: Path) -> ChainReport:
    """Check the whole chain up to the first row that breaks it. Raises StateError when there is no journal.

    A journal whose last rows were cut off has an intact chain. To detect that, compare `head` with a head kept
    elsewhere, or look that one up with `find_row_by_hash`.
    """
    seq, head, count = 0, GENESIS_HASH, 0
    try:
        for row in _pages(Path(path), "seq > ?", [0]):
            if row.seq != seq + 1:
                return ChainReport(count, head, seq + 1, "missing")
            if row.prev != head or not row.has_valid_hash:
                is_elsewhere = row.prev != head and find_row_by_hash(path, row.prev) is not None
                return ChainReport(count, head, row.seq, "reordered" if is_elsewhere else "changed")
            seq, head, count = row.seq, row.hash, count + 1
    except _Torn:
        return ChainReport(count, head, seq + 1, "torn")
    return ChainReport(count, head)


def verify_tail(path: Path, rows: int) -> ChainReport:
    """Check the last `rows` rows in the way of `verify_chain`, for a quick look at a long one. Raises StateError."""
    found = _first(path, "SELECT coalesce(max(seq), 0) FROM rows")
    assert found is not None, "max() without a group is always one row"
    seq, head, count = max(0, int(found[0]) - rows), GENESIS_HASH, 0
    try:
        for row in _pages(Path(path), "seq > ?", [seq]):
            if row.seq != seq + 1:
                return ChainReport(count, head, seq + 1, "missing")
            # What the first of these rows follows is not read.
            if (count and row.prev != head) or not row.has_valid_hash:
                return ChainReport(count, head, row.seq, "changed")
            seq, head, count = row.seq, row.hash, count + 1
    except _Torn:
        return ChainReport(count, head, seq + 1, "torn")
    return ChainReport(count, head)


def find_row_by_hash(path: Path, hash_: bytes) -> int | None:
    """Return the seq of the row with this hash, None without such a row. Raises StateError."""
    found = _first(path, "SELECT seq FROM rows WHERE hash = ?", (hash_,))
    return None if found is None else int(found[0])


def latest_run(path: Path) -> RunRecord | None:
    """Return the run that began last, None in an empty journal. Raises StateError."""
    found = _first(path, "SELECT body FROM rows WHERE kind = 'run' ORDER BY seq DESC LIMIT 1")
    if found is None:
        return None
    run = decode_body("run", found[0])
    assert isinstance(run, RunRecord)
    return run


def _first(path: Path, sql: str, values: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
    connection = connect_reader(Path(path))
    try:
        found: tuple[Any, ...] | None = connection.execute(sql, values).fetchone()
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be read: {error}") from error
    finally:
        connection.close()
    return found


def _pages(path: Path, where: str, values: list[object]) -> Iterator[JournalRow]:
    query = f"SELECT seq, run, at, wall, kind, prev, hash, body FROM rows WHERE {where} ORDER BY seq LIMIT {PAGE_ROWS}"  # noqa: S608
    connection = connect_reader(path)
    try:
        while True:
            page: list[JournalRow] = []
            broken: sqlite3.Error | None = None
            try:
                page.extend(map(JournalRow._make, connection.execute(query, values)))
            except sqlite3.Error as error:
                broken = error
            yield from page
            if broken is not None:
                raise _Torn(f"{path}: the journal cannot be read: {broken}") from broken
            if len(page) < PAGE_ROWS:
                return
            values[0] = page[-1].seq
    finally:
        connection.close()
