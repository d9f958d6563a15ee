"""The store in PostgreSQL: one connection, every wait on it under a deadline, rows in by COPY and one merge a table.

A connection that was late or broke is cut, never asked to close or roll back: a server that accepts and does not answer
would keep us waiting for its goodbye, and it rolls back by itself once the connection is gone.
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
from tradebot.store.dsn import place_of
from tradebot.store.store import MIGRATE_WITHIN_S, START, Applied, Cursor, Deadlines, Lines, merge_clause, query
from tradebot.store.tables import TABLES, Kind, Table, value

SLICE_ROWS = 100  # rows handed to COPY between two turns of the loop: about a tenth of a millisecond
AS_TEXT = (Kind.MONEY, Kind.JSON)  # staged as text, so that the server does the parsing
FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, EOFError)


class PostgresStore:
    """A store behind a DSN; tables live where its role's `search_path` points."""

    def __init__(self, dsn: str, *, clock: Clock, deadlines: Deadlines = Deadlines()) -> None:
        self.place = place_of(dsn)
        self._dsn, self._clock, self._deadlines = dsn, clock, deadlines
        self._connection: Any = None
        self._staged: set[str] = set()  # tables this connection has a staging table for

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def open(self) -> None:
        self._cut()
        async with self._within(self._deadlines.acquire_s, "connecting"):
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=self._deadlines.acquire_s,
                # A pooler between us and the server may hand every transaction to another backend.
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
        except (TimeoutError, *FAULTS):
            connection.terminate()
        except asyncio.CancelledError:
            connection.terminate()
            raise

    async def __aenter__(self) -> PostgresStore:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def version(self) -> str:
        async with self._within(self._deadlines.query_s, "asking for its version"):
            return f"PostgreSQL {await self._connection.fetchval('SHOW server_version')}"

    async def applied(self) -> list[Applied]:
        async with self._within(self._deadlines.query_s, "reading its migrations"):
            if await self._connection.fetchval("SELECT to_regclass('schema_migrations')::text") is None:
                return []
            return await self._applied()

    async def migrate(self, *, down_to: int | None = None) -> list[str]:
        async with self._within(MIGRATE_WITHIN_S, "migrating"), self._transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", migration.LOCK_KEY)
            await connection.execute(migration.REGISTER)
            steps = migration.plan(migration.shipped(), await self._applied(), down_to=down_to, place=self.place)
            for way, one in steps:
                await connection.execute(one.up if way == "up" else one.down)
                if way == "up":
                    await connection.execute(
                        "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)",
                        one.version,
                        one.name,
                        one.checksum,
                        self._clock.wall(),
                    )
                else:
                    await connection.execute("DELETE FROM schema_migrations WHERE version = $1", one.version)
        return [f"{one.version:04} {one.name}" for _, one in steps]

    async def cursor(self, journal: str) -> Cursor:
        async with self._within(self._deadlines.query_s, "reading the cursor"):
            found = await self._connection.fetchrow("SELECT seq, hash FROM cursors WHERE journal = $1", journal)
        return START if found is None else Cursor(found["seq"], found["hash"])

    async def write(self, lines: Lines) -> None:
        async with self._within(self._deadlines.query_s, "writing a batch"), self._transaction() as connection:
            await connection.execute(
                "INSERT INTO cursors VALUES ($1, 0, '') ON CONFLICT (journal) DO NOTHING", lines.journal
            )
            moved = await connection.fetchval(
                "UPDATE cursors SET seq = $4, hash = $5 WHERE journal = $1 AND seq = $2 AND hash = $3 RETURNING seq",
                lines.journal,
                *lines.before,
                *lines.after,
            )
            if moved is None:
                raise LinkLost(f"{self.place}: the cursor is not at row {lines.before.seq}; somebody else moved it")
            for name, rows in lines.tables.items():
                if rows:
                    await self._merge(connection, TABLES[name], rows)

    async def select(
        self,
        table: Table,
        where: Mapping[str, Any],
        *,
        order_by: Sequence[str] = (),
        since: tuple[str, Any] | None = None,
        newest: bool = False,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        text, values = query(table, where, order_by=order_by, since=since, newest=newest, limit=limit, place="${}")
        async with self._within(self._deadlines.query_s, f"reading {table.name}"):
            found = await self._connection.fetch(text, *values)
        return [{name: value(kind, row[name]) for name, kind in table.columns.items()} for row in found]

    async def _applied(self) -> list[Applied]:
        found = await self._connection.fetch(
            "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version"
        )
        return [Applied(*row) for row in found]

    async def _merge(self, connection: Any, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        staging = f"staging_{table.name}"
        names = list(table.columns)
        if table.name not in self._staged:
            kinds = [Kind.TEXT if kind in AS_TEXT else kind for kind in table.columns.values()]
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
            if i % SLICE_ROWS == SLICE_ROWS - 1:
                await self._clock.sleep(0)  # orders go first
            yield row

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        # Not asyncpg's own: after a failure that one waits for the answer to a ROLLBACK.
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
        except FAULTS as error:
            raise LinkLost(f"{self.place}: {what} failed: {_words(error)}") from error
        finally:
            if not done:
                self._cut()

    def _cut(self) -> None:
        connection, self._connection = self._connection, None
        self._staged.clear()
        if connection is not None:
            with suppress(*FAULTS):
                connection.terminate()


def _words(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{text[0] if text else type(error).__name__} ({type(error).__name__})"
