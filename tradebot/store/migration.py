"""Migrations: plain SQL files, each applied once and never changed. Finds what is missing and what does not fit."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

from tradebot.errors import StateError
from tradebot.store.store import AppliedMigration

# Any number that no other program uses will do: the bytes of "tradebot".
LOCK_KEY = int.from_bytes(b"tradebot")
REGISTER_SQL = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, name text NOT NULL,"
    " checksum text NOT NULL, applied_at bigint NOT NULL)"
)
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_MARK = re.compile(r"^-- migrate:(up|down)[ \t]*$", re.MULTILINE)


class Migration(NamedTuple):
    """One migration file: the SQL that applies it, and the SQL that undoes it."""

    version: int
    name: str
    up_sql: str
    down_sql: str
    checksum: str


def shipped_migrations(package: str = "tradebot.store") -> list[Migration]:
    """Return the migrations of `package` in this version, in order."""
    found = [
        parse_migration(entry.name, entry.read_text(encoding="utf-8"))
        for entry in files(package).joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def parse_migration(file_name: str, text: str) -> Migration:
    """Parse a file `NNNN_name.sql`. Raises StateError."""
    text = text.replace("\r\n", "\n")
    name, marks = _NAME.fullmatch(file_name), list(_MARK.finditer(text))
    if name is None or [mark[1] for mark in marks] != ["up", "down"]:
        raise StateError(f"{file_name}: should be NNNN_name.sql with a part `-- migrate:up` and then `-- migrate:down`")
    up, down = text[marks[0].end() : marks[1].start()], text[marks[1].end() :]
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Migration(int(name[1]), name[2], up.strip(), down.strip(), checksum)


def missing_migrations(
    known: Sequence[Migration], applied: Sequence[AppliedMigration], *, place: str
) -> list[Migration]:
    """Return the migrations not applied yet.

    Raises StateError where a database and this version do not fit together.
    """
    ours = {migration.version: migration for migration in known}
    newest = max(ours, default=0)
    for one in applied:
        if one.version not in ours and one.version > newest:
            raise StateError(
                f"{place}: its tables were made by a newer version (migration {one.version:04} {one.name}, this one"
                f" knows up to {newest:04}); update tradebot"
            )
        if one.version not in ours or ours[one.version].checksum != one.checksum:
            raise StateError(
                f"{place}: migration {one.version:04} {one.name} is not the one that was applied (its checksum there"
                f" begins with {one.checksum[:12]}); a migration never changes, a new one is added"
            )
    done = {one.version for one in applied}
    return [migration for migration in known if migration.version not in done]


def plan_steps(
    known: Sequence[Migration], applied: Sequence[AppliedMigration], *, down_to: int | None, place: str
) -> list[tuple[str, Migration]]:
    """Return the steps ("up" or "down", migration) in order. Raises StateError as `missing_migrations` does."""
    wanted = missing_migrations(known, applied, place=place)
    if down_to is None:
        return [("up", migration) for migration in wanted]
    done = {one.version for one in applied}
    return [("down", m) for m in reversed(known) if m.version in done and m.version > down_to]


def split_statements(sql: str) -> Iterator[str]:
    """Yield the statements of a part one by one. Raises StateError for an incomplete last one."""
    gathered = ""
    for line in sql.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered.strip()
            gathered = ""
    if gathered.strip():
        raise StateError(f"a migration ends in the middle of a statement: {gathered.strip()[:60]!r}")
