"""The store in one SQLite file, where there is no PostgreSQL: the same tables, written and read in threads."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tradebot.clock import Clock
from tradebot.errors import LinkLost, StateError
from tradebot.store import migration
from tradebot.store.store import (
    CURSOR_START,
    MIGRATE_WITHIN_S,
    AppliedMigration,
    Cursor,
    LineBatch,
    StoreDeadlines,
    build_select,
    merge_clause,
)
from tradebot.store.tables import TABLES, StoreTable, from_cell

FILE_NAME = "store.sqlite3"
T = TypeVar("T")
AS_TEXT = re.compile(r"\b(?:numeric|jsonb)\b")  # types that SQLite would store as binary floating point


class SqliteStore:
    """A store in a file, created with mode 0600. A crash may lose the newest lines, and the cursor with them."""

    def __init__(self, path: Path, *, clock: Clock, deadlines: StoreDeadlines = StoreDeadlines()) -> None:
        self.place = str(path)
        self._path, self._clock, self._deadlines = Path(path), clock, deadlines
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def connect(self) -> None:
        if self._connection is not None:
            await self.close()
        try:
            async with asyncio.timeout(self._deadlines.acquire_s):
                self._connection = await asyncio.to_thread(self._connect)
        except TimeoutError as error:
            raise LinkLost(f"{self.place}: opening took more than {self._deadlines.acquire_s:g} s") from error
        except (sqlite3.Error, OSError) as error:
            raise self._wrapped("opening", error) from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                async with asyncio.timeout(self._deadlines.close_s):
                    await asyncio.to_thread(connection.close)
            except (TimeoutError, sqlite3.Error):
                connection.interrupt()

    async def __aenter__(self) -> SqliteStore:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def server_version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    async def applied_migrations(self) -> list[AppliedMigration]:
        return await self._run("reading its migrations", self._deadlines.query_s, _applied)

    async def migrate(self, *, down_to: int | None = None) -> list[str]:
        def work(connection: sqlite3.Connection) -> list[str]:
            with _transaction(connection):
                connection.execute(migration.REGISTER_SQL)
                steps = migration.plan_steps(
                    migration.shipped_migrations(), _applied(connection), down_to=down_to, place=self.place
                )
                for way, one in steps:
                    for statement in migration.split_statements(one.up_sql if way == "up" else one.down_sql):
                        connection.execute(to_sqlite_types(statement))
                    if way == "up":
                        values = (one.version, one.name, one.checksum, self._clock.wall_ns())
                        connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", values)
                    else:
                        connection.execute("DELETE FROM schema_migrations WHERE version = ?", (one.version,))
            return [f"{one.version:04} {one.name}" for _, one in steps]

        return await self._run("migrating", MIGRATE_WITHIN_S, work)

    async def read_cursor(self, journal: str) -> Cursor:
        def work(connection: sqlite3.Connection) -> Cursor:
            found = connection.execute("SELECT seq, hash FROM cursors WHERE journal = ?", (journal,)).fetchone()
            return CURSOR_START if found is None else Cursor(*found)

        return await self._run("reading the cursor", self._deadlines.query_s, work)

    async def write_batch(self, batch: LineBatch) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("INSERT OR IGNORE INTO cursors VALUES (?, 0, '')", (batch.journal,))
                moved = connection.execute(
                    "UPDATE cursors SET seq = ?, hash = ? WHERE journal = ? AND seq = ? AND hash = ?",
                    (*batch.after, batch.journal, *batch.before),
                )
                if moved.rowcount != 1:
                    raise LinkLost(f"{self.place}: the cursor is not at row {batch.before.seq}; somebody else moved it")
                for name, rows in batch.tables.items():
                    if rows:
                        connection.executemany(_insert(TABLES[name]), rows)

        await self._run("writing a batch", self._deadlines.query_s, work)

    async def select_lines(
        self,
        table: StoreTable,
        where: Mapping[str, Any],
        *,
        order_by: Sequence[str] = (),
        since: tuple[str, Any] | None = None,
        newest: bool = False,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        text, values = build_select(
            table, where, order_by=order_by, since=since, newest=newest, limit=limit, place="?{}"
        )

        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(text, values).fetchall()

        found = await self._run(f"reading {table.name}", self._deadlines.query_s, work)
        kinds = table.columns.items()
        return [{name: from_cell(kind, v) for (name, kind), v in zip(kinds, row, strict=True)} for row in found]

    async def _run(self, what: str, seconds: float, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise LinkLost(f"{self.place}: the file is not open")
        done = False
        try:
            async with asyncio.timeout(seconds):
                answer = await asyncio.to_thread(work, connection)
            done = True
            return answer
        except TimeoutError as error:
            raise LinkLost(f"{self.place}: {what} took more than {seconds:g} s") from error
        except sqlite3.Error as error:
            raise self._wrapped(what, error) from error
        finally:
            if not done:
                # A thread may still work on it. It rolls back on its own connection; the next connection is new.
                connection.interrupt()
                self._connection = None

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=self._deadlines.query_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _wrapped(self, what: str, error: Exception) -> LinkLost | StateError:
        if isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            return StateError(f"{self.place}: this file is not a store: {error}; the next run makes it anew without it")
        return LinkLost(f"{self.place}: {what} failed: {error}")


def to_sqlite_types(statement: str) -> str:
    """Return a statement of a migration for SQLite, where money and JSON are text."""
    return AS_TEXT.sub("text", statement)


def _insert(table: StoreTable) -> str:
    places = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places}) {merge_clause(table)}"  # noqa: S608


def _applied(connection: sqlite3.Connection) -> list[AppliedMigration]:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    if known is None:
        return []
    found = connection.execute("SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version")
    return [AppliedMigration(*row) for row in found]


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
