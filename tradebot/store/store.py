"""What a store can do, with either database behind it: the one interface between the outbox and two SQL dialects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from tradebot.store.tables import StoreTable

MIGRATE_WITHIN_S = 60.0  # another process may be migrating, and an index over old rows takes time


class Cursor(NamedTuple):
    """How far a journal is in the tables: the seq and the hash of its last row there."""

    seq: int
    hash: str


CURSOR_START = Cursor(0, "")


class LineBatch(NamedTuple):
    """What rows of a journal add to the tables: table name -> its lines, with columns in the table's order.

    `before` and `after` are the cursors around them. Each table has one line per key.
    """

    journal: str
    before: Cursor
    after: Cursor
    tables: Mapping[str, Sequence[tuple[Any, ...]]]


class StoreDeadlines(NamedTuple):
    """Seconds that a database may take: to connect, for one batch or query, and to close."""

    acquire_s: float = 5.0
    query_s: float = 10.0
    close_s: float = 2.0


class AppliedMigration(NamedTuple):
    """A migration that the database lists as applied; `applied_at` is wall ns."""

    version: int
    name: str
    checksum: str
    applied_at: int


class Store(Protocol):
    """A database with our tables; every call ends within its deadline.

    All calls but `close` raise LinkLost when the database cannot be reached or does not answer. The store is then
    closed and may be opened again. They raise StateError when the database must not be used as it is.
    """

    place: str  # where it is, without secrets

    @property
    def is_open(self) -> bool:
        """Return whether the store is connected."""
        ...

    async def connect(self) -> None:
        """Connect to the database."""
        ...

    async def close(self) -> None:
        """Close the connection in order, or cut it. Closing twice is allowed."""
        ...

    async def __aenter__(self) -> Store: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def server_version(self) -> str:
        """Return the name and version of the database."""
        ...

    async def applied_migrations(self) -> list[AppliedMigration]:
        """Return the applied migrations in order; none where there are no tables yet."""
        ...

    async def migrate(self, *, down_to: int | None = None) -> list[str]:
        """Apply what is missing in one transaction, one process at a time, and return the names of what was done.

        `down_to` undoes the migrations above it instead. Raises StateError for a changed or unknown migration.
        """
        ...

    async def read_cursor(self, journal: str) -> Cursor:
        """Return how far a journal is in the tables, `CURSOR_START` for an unknown one."""
        ...

    async def write_batch(self, batch: LineBatch) -> None:
        """Add the lines and move the cursor, both or neither.

        Raises LinkLost also when the cursor is not where `batch` begins: another process feeds this journal.
        """
        ...

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
        """Return lines whose columns equal `where` and whose column `since[0]` is `since[1]` or more.

        They are sorted by the columns `order_by`, descending with `newest`. `limit` is the largest number of lines.
        """
        ...


def build_select(
    table: StoreTable,
    where: Mapping[str, Any],
    *,
    order_by: Sequence[str],
    since: tuple[str, Any] | None,
    newest: bool,
    limit: int | None,
    place: str,
) -> tuple[str, list[Any]]:
    """Return a SELECT and its values; `place` is the dialect's form of the n-th placeholder, such as `${}`."""
    names = [*where, *order_by, *([since[0]] if since else [])]
    assert all(name in table.columns for name in names), f"{table.name} has no such column among {names}"
    values = list(where.values())
    conditions = [f"{name} = {place.format(i)}" for i, name in enumerate(where, 1)]
    if since is not None:
        values.append(since[1])
        conditions.append(f"{since[0]} >= {place.format(len(values))}")
    text = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608
    if conditions:
        text += f" WHERE {' AND '.join(conditions)}"
    if order_by:
        text += " ORDER BY " + ", ".join(f"{name}{' DESC' if newest else ''}" for name in order_by)
    if limit is not None:
        values.append(limit)
        text += f" LIMIT {place.format(len(values))}"
    return text, values


def merge_clause(table: StoreTable) -> str:
    """Return the ON CONFLICT clause of a table, the same in both dialects."""
    if not table.is_view:
        return "ON CONFLICT DO NOTHING"
    changes = ", ".join(f"{name} = excluded.{name}" for name in table.replaced_columns)
    key = ", ".join(table.key)
    return f"ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE excluded.seq >= {table.name}.seq"
