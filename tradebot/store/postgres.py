"""The store in PostgreSQL: one connection, a deadline on every wait, rows in by COPY and one merge per table.

A late or broken connection is cut, without a request to close or roll back: a server that accepts and does not answer
would keep us waiting. The server rolls back by itself once the connection is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

import asyncpg

from tradebot.clock import Clock
from tradebot.errors import LinkLost
from tradebot.store import migration
from tradebot.store.dsn import dsn_place
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
from tradebot.store.tables import TABLES, ColumnKind, StoreTable, from_cell

COPY_SLICE_ROWS = 100  # rows handed to COPY before the event loop gets its turn: about a tenth of a millisecond
AS_TEXT = (ColumnKind.MONEY, ColumnKind.JSON)  # staged as text, so that the server does the parsing
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, EOFError)


class PostgresStore:
    """A store behind a DSN; its tables are where the role's `search_path` points."""

    def __init__(self, dsn: str, *, clock: Clock, deadlines: StoreDeadlines = StoreDeadlines()) -> None:
        self.place = dsn_place(dsn)
        self._dsn, self._clock, self._deadlines = dsn, clock, deadlines
        self._connection: Any = None
        self._staged: set[str] = set()  # tables with a staging table on this connection

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def connect(self) -> None:
        self._cut()
        async with self._within(self._deadlines.acquire_s, "connecting"):
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=self._deadlines.acquire_s,
                # A pooler between us and the server may give every transaction another backend.
                statement_cache_size=0,
                server_settings={"application_name": "tradebot"},
            )

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(self._deadlines.close_s):
                await connection.close(timeout=self._deadlines.close_s)
        except (TimeoutError, *DATABASE_ERRORS):
            connection.terminate()
        except asyncio.CancelledError:
            connection.terminate()
            raise

    async def __aenter__(self) -> PostgresStore:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def server_version(self) -> str:
        async with self._within(self._deadlines.query_s, "asking for its version"):
            return f"PostgreSQL {await self._connection.fetchval('SHOW server_version')}"

    async def applied_migrations(self) -> list[AppliedMigration]:
        async with self._within(self._deadlines.query_s, "reading its migrations"):
            if await self._connection.fetchval("SELECT to_regclass('schema_migrations')::text") is None:
                return []
            return await self._applied()

    async def migrate(self, *, down_to: int | None = None) -> list[str]:
        async with self._within(MIGRATE_WITHIN_S, "migrating"), self._transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", migration.LOCK_KEY)
            await connection.execute(migration.REGISTER_SQL)
            steps = migration.plan_steps(
                migration.shipped_migrations(), await self._applied(), down_to=down_to, place=self.place
            )
            for way, one in steps:
                await connection.execute(one.up_sql if way == "up" else one.down_sql)
                if way == "up":
                    await connection.execute(
                        "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)",
                        one.version,
                        one.name,
                        one.checksum,
                        self._clock.wall_ns(),
                    )
                else:
                    await connection.execute("DELETE FROM schema_migrations WHERE version = $1", one.version)
        return [f"{one.version:04} {one.name}" for _, one in steps]

    async def read_cursor(self, journal: str) -> Cursor:
        async with self._within(self._deadlines.query_s, "reading the cursor"):
            found = await self._connection.fetchrow("SELECT seq, hash FROM cursors WHERE journal = $1", journal)
        return CURSOR_START if found is None else Cursor(found["seq"], found["hash"])

    async def write_batch(self, batch: LineBatch) -> None:
        async with self._within(self._deadlines.query_s, "writing a batch"), self._transaction() as connection:
            await connection.execute(
                "INSERT INTO cursors VALUES ($1, 0, '') ON CONFLICT (journal) DO NOTHING", batch.journal
            )
            moved = await connection.fetchval(
                "UPDATE cursors SET seq = $4, hash = $5 WHERE journal = $1 AND seq = $2 AND hash = $3 RETURNING seq",
                batch.journal,
                *batch.before,
                *batch.after,
            )
            if moved is None:
                raise LinkLost(f"{self.place}: the cursor is not at row {batch.before.seq}; somebody else moved it")
            for name, rows in batch.tables.items():
                if rows:
                    await self._merge(connection, TABLES[name], rows)

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
            table, where, order_by=order_by, since=since, newest=newest, limit=limit, place="${}"
        )
        async with self._within(self._deadlines.query_s, f"reading {table.name}"):
            found = await self._connection.fetch(text, *values)
        return [{name: from_cell(kind, row[name]) for name, kind in table.columns.items()} for row in found]

    async def _applied(self) -> list[AppliedMigration]:
        found = await self._connection.fetch(
            "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version"
        )
        return [AppliedMigration(*row) for row in found]

    async def _merge(self, connection: Any, table: StoreTable, rows: Sequence[tuple[Any, ...]]) -> None:
        staging = f"staging_{table.name}"
        names = list(table.columns)
        if table.name not in self._staged:
            kinds = [ColumnKind.TEXT if kind in AS_TEXT else kind for kind in table.columns.values()]
            columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
            await connection.execute(f"CREATE TEMP TABLE {staging} ({columns}) ON COMMIT DELETE ROWS")
            self._staged.add(table.name)
        await connection.copy_records_to_table(staging, columns=names, records=self._sliced(rows))
        chosen = ", ".join(f"{n}::{kind}" if kind in AS_TEXT else n for n, kind in table.columns.items())
        await connection.execute(
            f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {chosen} FROM {staging} {merge_clause(table)}"  # noqa: S608
        )

    async def _sliced(self, rows: Sequence[tuple[Any, ...]]) -> AsyncIterator[tuple[Any, ...]]:
        for i, row in enumerate(rows):
            if i % COPY_SLICE_ROWS == COPY_SLICE_ROWS - 1:
                await self._clock.sleep(0)  # lets the order path run first
            yield row

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        # Used instead of asyncpg's own, which after a failure waits for the answer to a ROLLBACK.
        connection = self._connection
        await connection.execute("BEGIN")
        yield connection
        await connection.execute("COMMIT")

    @asynccontextmanager
    async def _within(self, seconds: float, what: str) -> AsyncIterator[None]:
        done = False
        try:
            if what != "connecting" and not self.is_open:
                raise LinkLost(f"{self.place}: the connection is gone")
            async with asyncio.timeout(seconds):
                yield
            done = True
        except TimeoutError as error:
            raise LinkLost(f"{self.place}: {what} took more than {seconds:g} s") from error
        except ValueError as error:
            raise LinkLost(f"{self.place}: {what} failed: {error}") from error
        except DATABASE_ERRORS as error:
            raise LinkLost(f"{self.place}: {what} failed: {_words(error)}") from error
        finally:
            if not done:
                self._cut()

    def _cut(self) -> None:
        connection, self._connection = self._connection, None
        self._staged.clear()
        if connection is not None:
            with suppress(*DATABASE_ERRORS):
                connection.terminate()


def _words(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{text[0] if text else type(error).__name__} ({type(error).__name__})"
