"""Checks of the state directory: a journal, a daemon and tables that are broken in each way are named."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.cli.start_in_thread import start_in_thread
from tests.journal.ledger_by_hand import START, intent, tamper, write
from tests.stories.kite_person import free_port
from tradebot.clock import WallClock
from tradebot.config import Config
from tradebot.config.sections import AppSection
from tradebot.config.storage_sections import StoreSection
from tradebot.control.halt_file import HaltFile
from tradebot.doctor.finding import Colour, Finding
from tradebot.doctor.state_checks import check_daemon, check_journal, check_store, judge_journal_size, judge_status
from tradebot.journal import journal_heads
from tradebot.journal.lock import StateLock
from tradebot.store.sqlite import SqliteStore

RUN = {"pid": 7, "state": "trading", "mode": "live", "venue": "kite"}
WELL: dict[str, Any] = {
    **RUN, "halts": [], "feed": {"is_stale": False, "down": {}}, "session": {"is_open": True}, "store": None,
}  # fmt: skip


def colours(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.colour.value) for one in found]


async def ten_rows(folder: Path) -> Path:
    return await write(folder, *(("order", intent(f"TB{i}", at=START + i)) for i in range(1, 11)))


def test_without_a_daemon_and_a_journal_all_is_green(tmp_path: Path) -> None:
    found = [*check_daemon(tmp_path), *check_journal(tmp_path)]
    assert colours(found) == [("daemon", "green"), ("journal", "green")]


def test_a_daemon_that_holds_the_lock_and_does_not_answer_is_red(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.acquire_lock()
    try:
        (found,) = check_daemon(tmp_path)
    finally:
        lock.release_lock()
    assert found.colour is Colour.RED
    assert "kill" in found.remedy


def test_a_start_that_waits_for_a_login_is_asked_over_its_socket(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with start_in_thread(tmp_path):
        lock.acquire_lock()
        try:
            (found,) = check_daemon(tmp_path)
        finally:
            lock.release_lock()
    assert found.colour is Colour.YELLOW, found
    assert "starting" in found.what or "login" in found.what


@pytest.mark.parametrize(
    ("verb", "colour"),
    [("session lost", Colour.RED), ("disk", Colour.RED), ("clock", Colour.RED), ("halt", Colour.YELLOW)],
)
def test_a_status_is_red_where_the_daemon_cannot_trade_at_all(verb: str, colour: Colour) -> None:
    assert judge_status(WELL).colour is Colour.GREEN
    found = judge_status(WELL | {"halts": [{"verb": verb, "scope": "all", "reason": "so it is"}]})
    assert (found.colour, "so it is" in found.what) == (colour, True)


def test_the_halt_file_is_said_without_a_daemon(tmp_path: Path) -> None:
    HaltFile(tmp_path).write_reason("killed by me")
    assert colours(list(check_daemon(tmp_path))) == [("daemon", "green"), ("halt file", "yellow")]


async def test_a_whole_journal_is_green_with_its_size(tmp_path: Path) -> None:
    await ten_rows(tmp_path)
    (found,) = check_journal(tmp_path)
    assert (found.colour, "its last 10 rows intact" in found.what) == (Colour.GREEN, True)


async def test_a_changed_row_at_the_tail_is_red(tmp_path: Path) -> None:
    tamper(await ten_rows(tmp_path), "UPDATE rows SET body = '{}' WHERE seq = 9")
    (found,) = check_journal(tmp_path)
    assert (found.colour, "row 9 is changed" in found.what) == (Colour.RED, True)


async def test_a_missing_row_at_the_tail_is_red(tmp_path: Path) -> None:
    tamper(await ten_rows(tmp_path), "DELETE FROM rows WHERE seq = 9")
    (found,) = check_journal(tmp_path)
    assert (found.colour, "row 9 is missing" in found.what) == (Colour.RED, True)


async def test_rows_that_were_cut_off_are_red(tmp_path: Path) -> None:
    path = await ten_rows(tmp_path)
    journal_heads.append_head(path)
    tamper(path, "DELETE FROM rows WHERE seq = 10")
    (found,) = check_journal(tmp_path)
    assert (found.colour, "restore" in found.remedy) == (Colour.RED, True)
    path.unlink()
    assert [one.colour for one in check_journal(tmp_path)] == [Colour.RED]


def test_a_file_that_is_no_journal_is_red(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_bytes(b"no database at all, but some bytes" * 100)
    assert [one.colour for one in check_journal(tmp_path)] == [Colour.RED]


def test_a_large_journal_and_a_grown_log_are_yellow() -> None:
    assert judge_journal_size(1_999_000_000, 8 << 20, 5_000).colour is Colour.GREEN
    assert judge_journal_size(2_000_000_000, 8 << 20, 5_000).colour is Colour.YELLOW
    assert "one long transaction" in judge_journal_size(1_000_000, 32 << 20, 5_000).what


def store_of(folder: Path, **settings: Any) -> Config:
    return Config(app=AppSection(state_dir=folder), store=StoreSection(**settings))


def test_tables_are_green_once_they_have_their_migrations_and_yellow_before(tmp_path: Path) -> None:
    clock = WallClock()
    assert [one.colour for one in check_store(store_of(tmp_path), clock=clock)] == [Colour.GREEN]

    async def made(*, migrates: bool) -> None:
        async with SqliteStore(tmp_path / "store.sqlite3", clock=clock) as store:
            if migrates:
                await store.migrate()

    asyncio.run(made(migrates=False))
    (found,) = check_store(store_of(tmp_path), clock=clock)
    assert (found.colour, found.remedy) == (Colour.YELLOW, "tradebot db migrate")
    (found,) = check_store(store_of(tmp_path, migrate=False), clock=clock)
    assert found.colour is Colour.RED
    asyncio.run(made(migrates=True))
    assert [one.colour for one in check_store(store_of(tmp_path), clock=clock)] == [Colour.GREEN]
    assert next(o.what for o in check_store(store_of(tmp_path, enabled=False), clock=clock)).startswith("off")


def test_a_file_that_is_no_database_and_a_server_that_is_away_are_red(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"no database at all" * 100)
    (found,) = check_store(store_of(tmp_path), clock=WallClock())
    assert found.colour is Colour.RED
    away = SecretStr(f"postgresql://me:hunter22@127.0.0.1:{free_port()}/tradebot")
    (found,) = check_store(store_of(tmp_path, dsn=away), clock=WallClock())
    assert found.colour is Colour.RED
    assert "hunter22" not in found.what
