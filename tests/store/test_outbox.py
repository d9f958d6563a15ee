"""The outbox: nothing lost and nothing twice, whichever side stops when; what it refuses; what the operator reads."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.store import day_by_hand as day
from tests.store.postgres_rig import Said
from tests.until import until
from tradebot.clock import ManualClock, WallClock
from tradebot.errors import LinkLost
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.store import outbox as outbox_file
from tradebot.store import queries
from tradebot.store.journal_tailer import JournalTailer
from tradebot.store.outbox import Outbox
from tradebot.store.sqlite import SqliteStore
from tradebot.store.store import CURSOR_START, LineBatch, Store, StoreDeadlines
from tradebot.store.tables import TABLES

Make = Callable[[], Store]


def outbox(store: Store, path: Path, said: Said, **more: Any) -> Outbox:
    return Outbox(store, path, clock=WallClock(), tell=said, charges_for=day.bill, **({"poll_s": 0.005} | more))


def is_fed(feeding: Outbox, seq: int) -> bool:
    """Whether the rows up to `seq` are in the tables."""
    return feeding.fed_seq >= seq


async def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {name: await store.select_lines(table, {}, order_by=table.key) for name, table in TABLES.items()}


async def set_cursor(store: Store, path: Path, seq: int) -> None:
    """Put the cursor where an older backup of the tables would have it."""
    follower = JournalTailer(path)
    journal = follower.journal_id() or ""
    row = follower.rows_after(CURSOR_START, until_seq=seq, limit=seq)[-1] if seq else None
    follower.close_connection()
    to = CURSOR_START if row is None else CURSOR_START._replace(seq=row.seq, hash=row.hash.hex())
    await store.write_batch(LineBatch(journal, await store.read_cursor(journal), to, {}))


async def test_feeding_again_from_any_row_changes_nothing(store: Store, tmp_path: Path, said: Said) -> None:
    path = await day.whole_day(tmp_path)
    assert await outbox(store, path, said).feed_remaining() == 33
    before = await everything(store)

    for seq in (0, 1, 9, 17, 32):
        await set_cursor(store, path, seq)
        fed = await outbox(store, path, said, batch_rows=4).feed_remaining()
        assert fed == 33 - seq
        assert await everything(store) == before, f"again from row {seq}"


async def test_a_replay_that_is_killed_half_way_goes_on(store: Store, tmp_path: Path, said: Said) -> None:
    path = await day.whole_day(tmp_path)
    await outbox(store, path, said).feed_remaining()
    before = await everything(store)
    await set_cursor(store, path, 0)

    half = outbox(store, path, said, batch_rows=10)
    await half._connect()
    await half._step(to_the_end=True)
    assert await everything(store) == before, "no line goes back to what it was"
    await outbox(store, path, said).feed_remaining()

    assert await everything(store) == before


async def test_rows_arrive_while_the_journal_is_written(make_store: Make, tmp_path: Path, said: Said) -> None:
    store = make_store()
    async with Journal(tmp_path, run="r1", clock=ManualClock(day.START)) as journal, asyncio.TaskGroup() as tasks:
        feeding = outbox(store, journal.path, said)
        task = tasks.create_task(feeding.feed_store())
        for kind, message in day.morning():
            journal.append(kind, message, at=day.START)
            await journal.wait_durable()
        await until(lambda: is_fed(feeding, day.MORNING_ROWS))
        task.cancel()
    await feeding.finish_and_close()

    assert not store.is_open
    async with make_store() as reading:
        assert len(await queries.select_order_events(reading)) == 11
    assert said.events == ["store_migrated", "store_opened"]


async def test_the_last_rows_are_fed_after_the_journal_is_closed(make_store: Make, tmp_path: Path, said: Said) -> None:
    store = make_store()
    feeding = outbox(store, tmp_path / FILE_NAME, said)
    async with Journal(tmp_path, run="r1", clock=ManualClock(day.START)) as journal, asyncio.TaskGroup() as tasks:
        for kind, message in day.morning():
            journal.append(kind, message, at=day.START)
        task = tasks.create_task(feeding.feed_store())
        await until(lambda: "store_opened" in said.events)
        task.cancel()
        journal.append(*day.afternoon()[-1], at=day.START)
    await feeding.finish_and_close()

    async with make_store() as reading:
        (run,) = await queries.select_runs(reading)
        assert run["end_reason"] == "SIGTERM"


async def test_a_cancel_at_any_moment_loses_nothing(make_store: Make, tmp_path: Path, said: Said) -> None:
    path = await day.write(tmp_path, day.many("r1", 60), "r1")
    feeding = outbox(make_store(), path, said, batch_rows=20)
    for turns in range(1, 40, 3):
        task = asyncio.ensure_future(feeding.feed_store())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await feeding.finish_and_close()

    async with make_store() as reading:
        assert len(await queries.select_fills(reading)) == 120
        assert len(await queries.select_order_events(reading)) == 480
        bought, sold = (
            await reading.select_lines(TABLES["positions"], {}),
            await queries.select_fills(reading, side="SELL"),
        )
        assert bought[0]["quantity"] == 0
        assert len({line["execution_id"] for line in sold}) == 60
    assert set(said.events) <= {"store_migrated", "store_opened"}


async def test_two_feeders_of_one_journal_add_each_row_once(make_store: Make, tmp_path: Path, said: Said) -> None:
    path = await day.write(tmp_path, day.many("r1", 20), "r1")
    async with make_store() as one, make_store() as other:
        first, second = outbox(one, path, said, batch_rows=30), outbox(other, path, said, batch_rows=30)
        await first._connect()
        await second._connect()
        await first._step(to_the_end=True)
        with pytest.raises(LinkLost, match="somebody else moved it"):
            await second._step(to_the_end=True)
        await second.feed_remaining()
        assert len(await queries.select_fills(other)) == 40


async def test_a_journal_that_was_cut_is_refused_and_trading_goes_on(
    make_store: Make, tmp_path: Path, said: Said
) -> None:
    path = await day.write(tmp_path, day.morning(), "r1")
    shutil.copy(path, tmp_path / "copy.sqlite3")
    await day.write(tmp_path, day.afternoon(), "r2")
    async with make_store() as store:
        await outbox(store, path, said).feed_remaining()

    shorter = outbox(make_store(), tmp_path / "copy.sqlite3", said)
    await shorter.feed_store()  # returns instead of raising into the daemon's task group
    await shorter.finish_and_close()

    event, fields = said.lines[-1]
    assert (event, fields["level"]) == ("store_refused", "error")
    assert "its row 33 is not the one" in fields["reason"]
    assert shorter.trouble


async def test_a_changed_row_never_reaches_the_tables(make_store: Make, tmp_path: Path, said: Said) -> None:
    path = await day.whole_day(tmp_path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE rows SET body = replace(CAST(body AS TEXT), '2499.95', '9999.95') WHERE seq = 12")
    connection.close()

    feeding = outbox(make_store(), path, said, batch_rows=5)
    await feeding.feed_store()
    await feeding.finish_and_close()

    assert "row 12 breaks the chain" in feeding.trouble
    async with make_store() as reading:
        assert len(await queries.select_order_events(reading)) == 4
        assert [line["price"] for line in await queries.select_fills(reading)] == [Decimal("2500.05")]


async def test_an_old_order_is_folded_again_when_it_is_no_longer_at_hand(
    store: Store, tmp_path: Path, said: Said, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tradebot.store.projection.KEPT_ORDERS", 1)
    await outbox(store, await day.whole_day(tmp_path), said).feed_remaining()

    assert [line["filled"] for line in await queries.select_orders(store)] == [9, 0, 1, 6]


async def test_several_journals_share_a_database(store: Store, tmp_path: Path, said: Said) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = await day.write(tmp_path / "a", day.many("r1", 3), "r1")
    other = await day.write(tmp_path / "b", day.many("r9", 5), "r9")
    await outbox(store, one, said).feed_remaining()
    await outbox(store, other, said).feed_remaining()

    assert len(await queries.select_fills(store)) == 16
    assert len(await queries.select_fills(store, run="r9")) == 10
    assert len(await store.select_lines(TABLES["positions"], {})) == 2


async def test_feeding_leaves_the_loop_to_others(make_store: Make, tmp_path: Path, said: Said) -> None:
    path = await day.write(tmp_path, day.many("r1", 200), "r1")
    feeding, clock, turns = outbox(make_store(), path, said), WallClock(), 0
    task = asyncio.ensure_future(feeding.feed_store())
    async with asyncio.timeout(20):
        while not is_fed(feeding, 1_622):
            await clock.sleep(0)
            turns += 1
    task.cancel()
    await asyncio.wait([task])
    await feeding.finish_and_close()

    # Work on the loop itself would leave a turn or two for each of the few batches.
    assert turns > 200


async def test_a_busy_file_counts_as_down_until_it_is_free(tmp_path: Path, said: Said, monkeypatch: Any) -> None:
    monkeypatch.setattr(outbox_file, "FIRST_RETRY_S", 0.01)
    path = await day.write(tmp_path, day.morning(), "r1")
    place = tmp_path / "store.sqlite3"
    async with SqliteStore(place, clock=WallClock()) as store:
        await store.migrate()
    busy = sqlite3.connect(place, isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    feeding = outbox(SqliteStore(place, clock=WallClock(), deadlines=StoreDeadlines(query_s=0.05)), path, said)
    task = asyncio.ensure_future(feeding.feed_store())
    await until(lambda: "store_lost" in said.events)
    busy.execute("ROLLBACK")
    busy.close()
    await until(lambda: is_fed(feeding, day.MORNING_ROWS))
    task.cancel()
    await asyncio.wait([task])
    await feeding.finish_and_close()

    assert said.events == ["store_lost", "store_restored"]
    assert place.stat().st_mode & 0o077 == 0


async def test_a_batch_that_fails_moves_no_cursor(store: Store, tmp_path: Path, said: Said) -> None:
    path = await day.whole_day(tmp_path)
    await outbox(store, path, said).feed_remaining()
    follower = JournalTailer(path)
    journal = follower.journal_id() or ""
    follower.close_connection()
    before = await store.read_cursor(journal)
    unfit = LineBatch(journal, before, before._replace(seq=before.seq + 1), {"fills": [("no", "such", "columns")]})
    with pytest.raises(Exception):  # noqa: B017 - each database has its own
        await store.write_batch(unfit)
    await store.close()
    await store.connect()
    assert await store.read_cursor(journal) == before


async def test_a_delivery_sale_is_billed_the_same_by_an_outbox_that_starts_between_two(
    store: Store, tmp_path: Path, said: Said
) -> None:
    def sale(order_id: str, run_id: str, number: int) -> list[day.Written]:
        kind, told = day.fill(order_id, 2, "1500", side=day.Side.SELL, symbol="INFY", number=number)
        execution = msgspec.structs.replace(told.fill, product="CNC")  # type: ignore[attr-defined]
        return [
            *day.run(run_id),
            day.intent(order_id, 2, side=day.Side.SELL, symbol="INFY"),
            *day.sent(order_id),
            (kind, msgspec.structs.replace(told, fill=execution)),
        ]

    await day.write(tmp_path, sale("r1-1", "r1", 1), "r1")
    await outbox(store, tmp_path / FILE_NAME, said).feed_remaining()
    await day.write(tmp_path, sale("r2-1", "r2", 2), "r2")
    await outbox(store, tmp_path / FILE_NAME, said).feed_remaining()

    first, second = [line["charges"] for line in await store.select_lines(TABLES["fills"], {}, order_by=["seq"])]
    assert first - second == Decimal("15.34")


async def test_a_store_that_answers_and_takes_nothing_is_told_once_and_asked_less_and_less(
    tmp_path: Path, said: Said, monkeypatch: Any
) -> None:
    monkeypatch.setattr(outbox_file, "FIRST_RETRY_S", 0.001)
    path = await day.write(tmp_path, day.morning(), "r1")
    store, tries = SqliteStore(tmp_path / "store.sqlite3", clock=WallClock()), 0
    write = store.write_batch

    async def full_disk(lines: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise LinkLost("database or disk is full")
        await write(lines)

    monkeypatch.setattr(store, "write_batch", full_disk)
    feeding = outbox(store, path, said)
    began = asyncio.get_running_loop().time()
    task = asyncio.ensure_future(feeding.feed_store())
    await until(lambda: is_fed(feeding, day.MORNING_ROWS))
    task.cancel()
    await asyncio.wait([task])
    await feeding.finish_and_close()

    assert said.events == ["store_migrated", "store_opened", "store_lost", "store_restored"]
    assert asyncio.get_running_loop().time() - began > 0.001 * (1 + 2 + 4 + 8 + 16)
