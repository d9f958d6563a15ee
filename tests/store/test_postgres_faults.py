"""PostgreSQL that dies, hangs, hangs up, refuses: the tables are whole afterwards, the journal never noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.store import day_by_hand as day
from tests.store.postgres_rig import Proxy, Said, Server
from tests.until import until
from tradebot.clock import MILLISECOND, ManualClock, WallClock
from tradebot.errors import LinkLost
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.store import queries
from tradebot.store.dsn import dsn_place, dsn_secrets
from tradebot.store.outbox import Outbox
from tradebot.store.postgres import PostgresStore
from tradebot.store.store import StoreDeadlines
from tradebot.store.tables import TABLES

SHORT = StoreDeadlines(acquire_s=0.3, query_s=0.3, close_s=0.2)
IN_TIME_S = 10.0  # whatever waits on without a deadline waits for ever; a loaded machine needs seconds
ORDERS = 60
ROWS = 2 + ORDERS * 8 + ORDERS // 10


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.store.outbox.FIRST_RETRY_S", 0.02)
    monkeypatch.setattr("tradebot.store.outbox.LONGEST_RETRY_S", 0.1)


def store(dsn: str, deadlines: StoreDeadlines = SHORT) -> PostgresStore:
    return PostgresStore(dsn, clock=WallClock(), deadlines=deadlines)


@contextmanager
def in_time() -> Iterator[None]:
    clock = WallClock()
    before = clock.monotonic_ns()
    yield
    took = (clock.monotonic_ns() - before) / 1e9
    assert took < IN_TIME_S, f"{took:.2f} s"


class Feeding:
    """An outbox at work on a journal with many orders."""

    def __init__(self, path: Path, dsn: str, said: Said, *, batch_rows: int = 50) -> None:
        self.outbox = Outbox(
            store(dsn, StoreDeadlines(0.5, 1.0, 0.2)), path, clock=WallClock(), tell=said, charges_for=day.bill,
            batch_rows=batch_rows, poll_s=0.005,
        )  # fmt: skip

    async def __aenter__(self) -> Feeding:
        self.task = asyncio.ensure_future(self.outbox.feed_store())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.outbox.finish_and_close()

    async def fed(self, rows: int = ROWS) -> None:
        def done() -> bool:
            if self.task.done():
                self.task.result()
            return self.outbox.fed_seq >= rows

        await until(done, within_s=15)


async def assert_whole(dsn: str) -> None:
    """Every row of the journal is in the tables, and none is there twice."""
    async with store(dsn, StoreDeadlines()) as reading:
        events = await queries.select_order_events(reading)
        fills = await queries.select_fills(reading)
        assert len(events) == len({line["seq"] for line in events}) == ORDERS * 8
        assert len(fills) == len({line["execution_id"] for line in fills}) == ORDERS * 2
        assert len(await queries.select_equity(reading)) == ORDERS // 10
        assert {line["state"] for line in await queries.select_orders(reading)} == {"FILLED"}
        (position,) = await reading.select_lines(TABLES["positions"], {})
        assert (position["quantity"], position["bought"]) == (0, sum(f["value"] for f in await bought(reading)))


async def bought(reading: PostgresStore) -> list[dict[str, Any]]:
    return await queries.select_orders(reading, side="BUY")


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    return await day.write(tmp_path, day.many("r1", ORDERS), "r1")


@pytest.mark.parametrize("cut_at", [2_000, 30_000, 70_000])
async def test_a_connection_lost_anywhere_even_in_a_commit_loses_and_doubles_nothing(
    cut_at: int, proxy: Proxy, dsn: str, journal: Path, said: Said
) -> None:
    proxy.cut_at = cut_at
    async with Feeding(journal, proxy.dsn, said) as feeding:
        await feeding.fed()

    assert proxy.cut_at is None, "the proxy never hung up"
    assert proxy.connections >= 2
    await assert_whole(dsn)


async def test_an_answer_to_a_commit_that_is_lost_is_looked_up(
    proxy: Proxy, dsn: str, tmp_path: Path, said: Said
) -> None:
    rows = day.many("r1", ORDERS)
    async with (
        Journal(tmp_path, run="r1", clock=ManualClock(day.START)) as journal,
        Feeding(tmp_path / FILE_NAME, proxy.dsn, said) as feeding,
    ):
        journal.append(*rows[0], at=day.START)
        await feeding.fed(1)
        proxy.lose_answer_to = b"COMMIT\0"  # not the one in ON COMMIT
        for kind, message in rows[1:]:
            journal.append(kind, message, at=day.START)
        await feeding.fed()

    assert proxy.lose_answer_to is None, "no commit was cut off"
    assert said.events == ["store_migrated", "store_opened", "store_lost", "store_restored"]
    await assert_whole(dsn)


async def test_a_server_killed_in_the_middle_of_a_copy_is_found_again(
    server: Server, proxy: Proxy, dsn: str, journal: Path, said: Said
) -> None:
    proxy.cut_at, proxy.on_cut = 40_000, server.kill
    async with Feeding(journal, proxy.dsn, said) as feeding:
        await until(lambda: "store_lost" in said.events)
        server.start()
        await feeding.fed()

    assert said.events == ["store_migrated", "store_opened", "store_lost", "store_restored"]
    assert said.lines[2][1]["action"] == "the journal keeps the rows"
    await assert_whole(dsn)


async def test_rows_of_a_long_outage_follow_when_the_server_is_back(
    server: Server, dsn: str, tmp_path: Path, said: Said
) -> None:
    rows = day.many("r1", ORDERS)
    async with Journal(tmp_path, run="r1", clock=ManualClock(day.START)) as journal:
        for kind, message in rows[:100]:
            journal.append(kind, message, at=day.START)
        async with Feeding(journal.path, dsn, said) as feeding:
            await feeding.fed(100)
            server.kill()
            for kind, message in rows[100:]:
                journal.append(kind, message, at=day.START)
            await journal.wait_durable()
            await until(lambda: "store_lost" in said.events)
            await asyncio.sleep(0.3)  # some tries, all in vain and none told
            server.start()
            await feeding.fed()

    assert said.events == ["store_migrated", "store_opened", "store_lost", "store_restored"]
    assert said.lines[-1][1]["behind"] == ROWS - 100
    await assert_whole(dsn)


async def test_a_server_that_fell_back_behind_its_own_commits_is_fed_again(
    proxy: Proxy, dsn: str, journal: Path, said: Said
) -> None:
    async with Feeding(journal, proxy.dsn, said) as feeding:
        await feeding.fed()
        admin = await asyncpg.connect(dsn)
        names = ", ".join(TABLES)
        await admin.execute(f"TRUNCATE cursors, {names}")
        await admin.close()
        proxy.hang_up()
        await day.write(journal.parent, [day.afternoon()[-1]], "r1")
        await until(lambda: "store_restored" in said.events)
        await feeding.fed(ROWS + 1)

    assert said.lines[-1][1]["behind"] == ROWS + 1
    await assert_whole(dsn)


async def test_a_black_hole_is_left_within_the_deadlines(proxy: Proxy) -> None:
    proxy.is_hole = True
    lost = store(proxy.dsn)
    with in_time(), pytest.raises(LinkLost, match=r"connecting (took more than 0.3 s|failed: )"):
        await lost.connect()
    with in_time():
        await lost.close()

    calls: tuple[Callable[[PostgresStore], Any], ...] = (
        lambda s: s.read_cursor("x"), lambda s: s.select_lines(TABLES["fills"], {}), lambda s: s.server_version(),
    )  # fmt: skip
    for call in calls:
        proxy.is_hole = False
        await lost.connect()
        await lost.migrate()
        proxy.is_hole = True
        with in_time(), pytest.raises(LinkLost, match=r"took more than 0.3 s"):
            await call(lost)
        assert not lost.is_open
        with in_time():
            await lost.close()


async def test_closing_does_not_wait_for_a_black_holes_goodbye(proxy: Proxy) -> None:
    silent = store(proxy.dsn)
    await silent.connect()
    proxy.is_hole = True
    with in_time():
        await silent.close()
    assert not silent.is_open


async def test_a_cancel_leaves_a_black_hole_at_once(proxy: Proxy) -> None:
    silent = store(proxy.dsn, StoreDeadlines(30, 30, 30))
    await silent.connect()
    await silent.migrate()
    proxy.is_hole = True
    asked = asyncio.ensure_future(silent.read_cursor("x"))
    passed = proxy.passed
    await until(lambda: proxy.passed > passed)
    with in_time():
        asked.cancel()
        await asyncio.wait([asked])
        await silent.close()


async def test_orders_do_not_wait_for_a_black_hole(proxy: Proxy, dsn: str, tmp_path: Path, said: Said) -> None:
    clock = WallClock()
    rows = day.many("r1", ORDERS)
    took: list[int] = []
    async with (
        Journal(tmp_path, run="r1", clock=ManualClock(day.START)) as journal,
        Feeding(tmp_path / FILE_NAME, proxy.dsn, said) as feeding,
    ):
        journal.append(*rows[0], at=day.START)
        await feeding.fed(1)
        proxy.is_hole = True
        for kind, message in rows[1:]:
            before = clock.monotonic_ns()
            await journal.wait_durable(journal.append(kind, message, at=day.START))
            took.append(clock.monotonic_ns() - before)
        await until(lambda: "store_lost" in said.events)
        proxy.is_hole = False
        proxy.hang_up()
        await feeding.fed()
    await assert_whole(dsn)
    assert sorted(took)[len(took) // 2] < 200 * MILLISECOND, "half of the rows waited for the hole's deadline"


async def test_the_daemon_stops_in_time_before_a_black_hole(proxy: Proxy, journal: Path, said: Said) -> None:
    outbox = Outbox(
        store(proxy.dsn, StoreDeadlines(30, 30, 0.2)), journal, clock=WallClock(), tell=said, charges_for=day.bill
    )
    await outbox._connect()
    proxy.is_hole = True
    with in_time():
        await outbox.finish_and_close(within_s=0.3)
    assert said.events[-1] == "rows_not_stored"


async def test_a_server_that_takes_no_writes_counts_as_down(dsn: str, journal: Path, said: Said) -> None:
    async with store(dsn, StoreDeadlines()) as ours:
        await ours.migrate()
    outbox = Outbox(
        store(f"{dsn}&default_transaction_read_only=on"), journal, clock=WallClock(), tell=said, charges_for=day.bill,
        migrates=False, poll_s=0.005,
    )  # fmt: skip
    task = asyncio.ensure_future(outbox.feed_store())
    await until(lambda: "store_lost" in said.events)
    task.cancel()
    await asyncio.wait([task])
    await outbox.finish_and_close()
    assert "read-only" in outbox.trouble


async def test_no_word_about_a_failure_holds_the_password(server_dsn: str) -> None:
    refused = server_dsn.replace("tester@", "nobody_here:hunter22@") if "tester@" in server_dsn else ""
    if not refused:
        pytest.skip("the server's own users are not known")
    with pytest.raises(LinkLost) as caught:
        await store(refused).connect()
    assert "nobody_here" in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in dsn_place(refused)
    dsn = "postgresql://u:p%40ss@db.example/t?password=other"
    assert {"p%40ss", "p@ss", "other", dsn} <= set(dsn_secrets(dsn))


async def test_the_staging_tables_go_with_the_connection(dsn: str, journal: Path, said: Said) -> None:
    async with Feeding(journal, dsn, said) as feeding:
        await feeding.fed()
    left = (
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 'staging_%')"
        " + (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in trans%')"
    )
    admin = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(5):
            while await admin.fetchval(left):  # the server cleans up a moment after we have gone
                pass
    finally:
        await admin.close()
