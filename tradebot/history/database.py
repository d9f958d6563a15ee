"""The two databases of the history behind one protocol: a SQLite file, or a PostgreSQL server over asyncpg.

Calls block until the database answers. A backtest has no event loop, and a notebook's event loop is not ours. So a
thread with its own event loop talks to PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import asyncpg

from tradebot.errors import DataError, LinkLost, StateError
from tradebot.store.dsn import dsn_place
from tradebot.store.migration import split_statements
from tradebot.store.postgres import DATABASE_ERRORS

FILE_NAME = "history.sqlite3"
PAGE_BYTES = 32_768  # chunks have some tens of kB; these pages load them twice as fast as SQLite's default of 4,096
MMAP_BYTES = 1 << 33  # address space, not memory
BUSY_TIMEOUT_S = 30.0  # an import in another process locks the file while it writes
# The limit for an answer is long because one may carry a year of minutes, or end a large import.
CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S, CLOSE_TIMEOUT_S = 5.0, 600.0, 2.0
T = TypeVar("T")


class Database(Protocol):
    """Runs plain SQL with `?` for values.

    Calls raise LinkLost when the database does not answer, StateError when it must not be used.
    """

    location: str  # path or server, without secrets

    def fetch_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows."""
        ...

    def execute_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement once for each of `rows`."""
        ...

    def execute_script(self, script: str) -> None:
        """Run a section of a migration; it is written in PostgreSQL's SQL."""
        ...

    def has_table(self, table: str) -> bool:
        """Return whether a table of this name exists."""
        ...

    def lock_writers(self) -> None:
        """Lock other writers out until the transaction ends; call it inside a transaction."""
        ...

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside, or nothing when it raises."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class SqliteDatabase:
    """A SQLite file. With `writes` it is created with mode 0600.

    A crash may lose the newest transaction, never a part of one. Raises DataError when there is no file to read.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        self.location = str(path)
        try:
            self._connection = _for_writing(path) if writes else _for_reading(path)
            self._connection.execute(f"PRAGMA mmap_size={MMAP_BYTES}")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{path}: the history cannot be opened: {error}") from error

    def fetch_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._named():
            return self._connection.execute(sql, values).fetchall()

    def execute_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._named():
            self._connection.executemany(sql, rows)

    def execute_script(self, script: str) -> None:
        for statement in split_statements(script):
            if "SET STORAGE" in statement:
                continue  # only PostgreSQL has it
            # In SQLite only a key of type `integer` is the rowid.
            self.fetch_rows(
                statement.replace("bigint NOT NULL PRIMARY KEY", "integer PRIMARY KEY").replace("bytea", "blob")
            )

    def has_table(self, table: str) -> bool:
        return bool(self.fetch_rows("SELECT 1 FROM sqlite_master WHERE name = ?", table))

    def lock_writers(self) -> None:
        pass  # BEGIN IMMEDIATE holds the lock already

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.fetch_rows("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.fetch_rows("COMMIT")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(f"{self.location}: {error}") from error


class PostgresDatabase:
    """A PostgreSQL server. Tables are in the schema that the role's `search_path` names. Raises LinkLost."""

    def __init__(self, dsn: str) -> None:
        self.location = dsn_place(dsn)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._runner = asyncio.Runner()
        self._connection: Any = None
        try:
            self._connection = self._do(
                asyncpg.connect(
                    dsn,
                    timeout=CONNECT_TIMEOUT_S,
                    statement_cache_size=0,
                    server_settings={"application_name": "tradebot"},
                )
            )
        except BaseException:
            self._end()
            raise

    def fetch_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._do(self._connection.fetch(_numbered(sql), *values))]

    def execute_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._do(self._connection.executemany(_numbered(sql), rows))

    def execute_script(self, script: str) -> None:
        self._do(self._connection.execute(script))

    def has_table(self, table: str) -> bool:
        return self.fetch_rows("SELECT to_regclass(?)::text", table)[0][0] is not None

    def lock_writers(self) -> None:
        self.fetch_rows("SELECT pg_advisory_xact_lock(?::bigint)::text", int.from_bytes(b"history"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.fetch_rows("BEGIN")
        try:
            yield
        except BaseException:
            # The server rolls back by itself when the connection is cut. A server that hangs would not answer ROLLBACK.
            self._connection.terminate()
            raise
        self.fetch_rows("COMMIT")

    def close(self) -> None:
        try:
            if not self._connection.is_closed():
                self._do(self._connection.close(timeout=CLOSE_TIMEOUT_S))
        except LinkLost:
            self._connection.terminate()
        finally:
            self._end()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await work

        try:
            return self._thread.submit(self._runner.run, limited()).result()
        except TimeoutError as error:
            raise LinkLost(f"{self.location}: no answer within {ANSWER_TIMEOUT_S:g} s") from error
        except DATABASE_ERRORS as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LinkLost(f"{self.location}: {first}") from error

    def _end(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


def _for_writing(path: Path) -> sqlite3.Connection:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _for_reading(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise DataError(f"{path}: there is no history yet; `tradebot data import` or `data download` makes one")
    address = f"file:{quote(bytes(path.resolve()))}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _numbered(sql: str) -> str:
    numbers = count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in sql)
