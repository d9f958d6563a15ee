"""Migrations: once each, one migrator at a time, never changed, never a database of a newer version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.store import day_by_hand as day
from tests.store.postgres_rig import Said
from tests.until import until
from tradebot.clock import WallClock
from tradebot.errors import StateError
from tradebot.store import migration
from tradebot.store.migration import parse_migration, shipped_migrations, split_statements
from tradebot.store.outbox import Outbox
from tradebot.store.store import Store
from tradebot.store.tables import TABLES

NAMES = ["0001 tables", "0002 position_keys"]
Make = Callable[[], Store]
SECOND = "-- migrate:up\nCREATE TABLE notes (id bigint PRIMARY KEY, text text);\n-- migrate:down\nDROP TABLE notes;\n"


async def test_they_are_applied_once_and_noted(store: Store) -> None:
    assert await store.applied_migrations() == []
    assert await store.migrate() == NAMES
    assert await store.migrate() == []

    one, *others = await store.applied_migrations()
    assert len(others) == len(NAMES) - 1
    assert (one.version, one.name, one.checksum) == (1, "tables", shipped_migrations()[0].checksum)
    assert one.applied_at > day.START


async def test_the_tables_have_the_columns_the_program_knows(store: Store) -> None:
    await store.migrate()
    for table in TABLES.values():
        assert await store.select_lines(table, {}, order_by=table.key, limit=1) == []


async def test_undone_and_done_again(store: Store) -> None:
    await store.migrate()
    assert await store.migrate(down_to=0) == NAMES[::-1]
    assert await store.applied_migrations() == []
    assert await store.migrate() == NAMES


async def test_two_migrators_at_once_share_the_work(make_store: Make) -> None:
    done: list[str] = []
    async with make_store() as a, make_store() as b, make_store() as c, asyncio.TaskGroup() as tasks:

        async def migrate(store: Store) -> None:
            done.extend(await store.migrate())

        for store in (a, b, c):
            tasks.create_task(migrate(store))
        await until(lambda: all(task.done() for task in tasks._tasks))
    assert done == NAMES


async def test_a_migration_that_changed_is_refused(store: Store, monkeypatch: Any) -> None:
    await store.migrate()
    one, *others = shipped_migrations()
    changed = one._replace(up_sql=one.up_sql + "\n", checksum="0" * 64)
    monkeypatch.setattr(migration, "shipped_migrations", lambda: [changed, *others])

    with pytest.raises(StateError, match="0001 tables is not the one that was applied"):
        await store.migrate()


async def test_tables_of_a_newer_version_are_refused(make_store: Make, tmp_path: Path, said: Said, monkeypatch: Any) -> None:  # fmt: skip  # noqa: E501
    with monkeypatch.context() as newer:
        newer.setattr(migration, "shipped_migrations", lambda: [*_ours, parse_migration("0009_notes.sql", SECOND)])
        async with make_store() as store:
            assert await store.migrate() == [*NAMES, "0009 notes"]

    async with make_store() as store:
        with pytest.raises(StateError, match=r"newer version \(migration 0009 notes, this one knows up to 0002\)"):
            await store.migrate()
    path = await day.whole_day(tmp_path)
    for migrates in (True, False):
        feeding = Outbox(make_store(), path, clock=WallClock(), tell=said, charges_for=day.bill, migrates=migrates)
        await feeding.feed_store()
        await feeding.finish_and_close()
    assert said.events == ["store_refused", "store_refused"]


_ours = shipped_migrations()


async def test_a_migration_that_fails_leaves_nothing_behind(store: Store, monkeypatch: Any) -> None:
    broken = "-- migrate:up\nCREATE TABLE notes (id bigint);\nCREATE TABLE notes (id bigint);\n-- migrate:down\n"
    with monkeypatch.context() as patched:
        patched.setattr(migration, "shipped_migrations", lambda: [*_ours, parse_migration("0009_notes.sql", broken)])
        with pytest.raises(Exception, match="notes"):
            await store.migrate()
    await store.connect()
    assert await store.applied_migrations() == []
    assert await store.migrate() == NAMES


async def test_an_outbox_that_must_not_migrate_waits_for_somebody_who_may(
    make_store: Make, tmp_path: Path, said: Said, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tradebot.store.outbox.FIRST_RETRY_S", 0.01)
    path = await day.whole_day(tmp_path)
    feeding = Outbox(
        make_store(), path, clock=WallClock(), tell=said, charges_for=day.bill, migrates=False, poll_s=0.005
    )
    task = asyncio.ensure_future(feeding.feed_store())
    await until(lambda: "store_lost" in said.events)
    assert "run `tradebot db migrate`" in feeding.trouble
    async with make_store() as other:
        await other.migrate()
    await until(lambda: "store_restored" in said.events)
    task.cancel()
    await asyncio.wait([task])
    await feeding.finish_and_close()
    async with make_store() as reading:
        assert len(await reading.select_lines(TABLES["fills"], {})) == 5


def test_files_are_refused_that_are_not_migrations() -> None:
    for name, text in (
        ("1_notes.sql", SECOND), ("0002_notes.sql", "CREATE TABLE x (id bigint);"),
        ("0002_notes.sql", "-- migrate:down\n-- migrate:up\n"), ("0002_notes.txt", SECOND),
    ):  # fmt: skip
        with pytest.raises(StateError, match="should be NNNN_name"):
            parse_migration(name, text)


def test_a_checkout_with_other_line_ends_has_the_same_checksum() -> None:
    assert (
        parse_migration("0002_notes.sql", SECOND).checksum
        == parse_migration("0002_notes.sql", SECOND.replace("\n", "\r\n")).checksum
    )


def test_statements_are_split_where_they_end() -> None:
    sql = "CREATE TABLE a (b text DEFAULT ';');\n-- a comment; still\nDROP TABLE a;\n"
    assert len(list(split_statements(sql))) == 2
    with pytest.raises(StateError, match="middle of a statement"):
        list(split_statements("CREATE TABLE a ("))
