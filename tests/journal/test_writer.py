"""The writer: order, durability, groups, the one owner, and every way it can fail."""

# ruff: noqa: PT012 -- a failed journal raises where it is left, so the whole context stands under `raises`

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.journal.ledger_by_hand import START, close, fact, intent, run, tamper, write
from tradebot.clock import ManualClock
from tradebot.domain.message import Message
from tradebot.domain.order import OrderEventType
from tradebot.errors import InvariantBroken, StateError
from tradebot.journal.journal_file import JournalFile
from tradebot.journal.reader import read_rows, verify_chain
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import CommitListener, Journal, WriteLimits
from tradebot.journal.writer_thread import QueuedRow


def opened(state_dir: Path, *listeners: CommitListener, **more: object) -> Journal:
    journal = Journal(state_dir, run="r1", clock=ManualClock(START), **more)  # type: ignore[arg-type]
    for listener in listeners:
        journal.subscribe_to_commits(listener)
    return journal


@contextmanager
def a_slow_disk() -> Iterator[threading.Event]:
    """Hold back every commit until the event is set."""
    free, commit = threading.Event(), JournalFile._commit

    def wait(self: JournalFile, connection: sqlite3.Connection, group: list[QueuedRow]) -> int:
        assert free.wait(10)
        return commit(self, connection, group)

    with patch.object(JournalFile, "_commit", wait):
        yield free
        free.set()


@pytest.mark.both_loops
async def test_rows_stand_on_disk_in_the_order_they_were_appended(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        tickets = [journal.append("order", intent(f"TB{i}"), at=START + i) for i in range(500)]
        await journal.wait_durable()

        found = list(read_rows(tmp_path / FILE_NAME))
        assert [row.seq for row in found] == tickets == list(range(1, 501))
        assert [row.at for row in found] == [START + i for i in range(500)]
        assert [row.message.order_id for row in found] == [f"TB{i}" for i in range(500)]  # type: ignore[attr-defined]
        assert {row.run for row in found} == {"r1"}
        assert {row.wall_at for row in found} == {START}


async def test_a_row_is_visible_to_other_processes_once_it_is_durable(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.wait_durable(journal.append("order", intent("TB1"), at=START))
        question = (
            "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT kind FROM rows').fetchall())"
        )
        call = [sys.executable, "-c", question, str(tmp_path / FILE_NAME)]

        seen = await asyncio.to_thread(subprocess.check_output, call, text=True)

    assert seen.strip() == "[('order',)]"


async def test_the_lag_is_how_long_the_oldest_queued_row_has_waited(tmp_path: Path) -> None:
    clock = ManualClock(START)
    with a_slow_disk() as free:
        async with Journal(tmp_path, run="r1", clock=clock) as journal:
            lags = [journal.lag_ns]
            journal.append("order", intent("TB1"), at=START)
            clock.now_ns += 500
            journal.append("order", intent("TB2"), at=START)
            clock.now_ns += 70
            lags.append(journal.lag_ns)
            free.set()
            await journal.wait_durable()
            lags.append(journal.lag_ns)
            clock.now_ns += 10_000
            journal.append("order", intent("TB3"), at=START)
            clock.now_ns += 9
            lags.append(journal.lag_ns)

    assert lags == [0, 570, 0, 9]


async def test_the_lag_of_what_a_commit_left_behind_counts_from_the_newest_row_of_the_commit(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with Journal(tmp_path, run="r1", clock=clock) as journal:
        clock.now_ns += 100
        first = QueuedRow(journal.append("order", intent("TB1"), at=START), START, clock.now_ns, "order", intent("TB1"))
        clock.now_ns += 50
        journal.append("order", intent("TB2"), at=START)
        clock.now_ns += 7
        journal._committed([first])
        assert journal.lag_ns == 57
        await journal.wait_durable()


async def test_rows_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    groups: list[int] = []
    with a_slow_disk() as free:
        async with opened(tmp_path, lambda done: groups.append(len(done))) as journal:
            for i in range(300):
                journal.append("order", intent(f"TB{i}"), at=START)
            free.set()
            await journal.wait_durable()

    # The first row wakes the thread alone; what was queued behind it is one commit.
    assert sum(groups) == 300
    assert len(groups) <= 2


async def test_a_long_queue_is_cut_into_commits(tmp_path: Path) -> None:
    groups: list[int] = []
    with a_slow_disk() as free, patch("tradebot.journal.writer_thread.MAX_GROUP_ROWS", 100):
        async with opened(tmp_path, lambda done: groups.append(len(done))) as journal:
            for i in range(250):
                journal.append("order", intent(f"TB{i}"), at=START)
            free.set()
            await journal.wait_durable()

    assert max(groups) == 100
    assert verify_chain(tmp_path / FILE_NAME).rows == 250


async def test_a_row_that_is_waited_for_takes_the_row_of_the_turn_before_along(tmp_path: Path) -> None:
    groups: list[int] = []
    async with opened(tmp_path, lambda done: groups.append(len(done))) as journal:
        journal.append("order", intent("TB1"), at=START)
        await asyncio.sleep(0)
        await journal.wait_durable(journal.append("order", fact("TB1", OrderEventType.SENDING), at=START))

    assert groups == [2]


async def test_a_row_that_nobody_waits_for_reaches_the_disk_as_well(tmp_path: Path) -> None:
    written = asyncio.Event()
    async with opened(tmp_path, lambda done: written.set()) as journal, asyncio.timeout(10):
        journal.append("order", intent("TB1"), at=START)
        await written.wait()

    assert verify_chain(tmp_path / FILE_NAME).rows == 1


async def test_each_listener_hears_each_row_once_in_order_before_the_waiter_goes_on(tmp_path: Path) -> None:
    heard: list[tuple[int, str, Message]] = []
    other: list[tuple[int, str, Message]] = []
    async with opened(tmp_path, heard.extend, other.extend) as journal:
        first = intent("TB1")
        ticket = journal.append("order", first, at=START)
        journal.append("close", close(), at=START)
        await journal.wait_durable(ticket)
        assert heard[0] == other[0] == (1, "order", first)
        await journal.wait_durable()

    assert [(seq, kind) for seq, kind, _ in heard] == [(1, "order"), (2, "close")]
    assert other == heard


async def test_leaving_writes_what_is_queued(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for i in range(1_000):
            journal.append("order", intent(f"TB{i}"), at=START)

    assert not (tmp_path / f"{FILE_NAME}-wal").exists()
    assert verify_chain(tmp_path / FILE_NAME).rows == 1_000


async def test_a_second_run_continues_the_chain(tmp_path: Path) -> None:
    await write(tmp_path, ("run", run("r1")))
    path = await write(tmp_path, ("run", run("r2")), run_id="r2")

    assert [(row.seq, row.run) for row in read_rows(path)] == [(1, "r1"), (2, "r2")]
    assert verify_chain(path).is_intact


async def test_a_made_directory_and_its_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    before = os.umask(0)
    try:
        async with opened(state) as journal:
            await journal.wait_durable(journal.append("run", run(), at=START))
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in state.iterdir()}
    finally:
        os.umask(before)

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


async def test_a_cancelled_wait_leaves_the_journal_sound(tmp_path: Path) -> None:
    with a_slow_disk() as free:
        async with opened(tmp_path) as journal:
            journal.append("order", intent("TB1"), at=START)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await journal.wait_durable()
            free.set()
            await journal.wait_durable()

    assert verify_chain(tmp_path / FILE_NAME).rows == 1


# ---- the one owner


async def test_a_second_opener_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StateError, match=rf"in use by another tradebot \(pid {os.getpid()}\)"):
            async with opened(tmp_path):
                pass

    async with opened(tmp_path):
        pass


async def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"holiday pictures" * 100)

    with pytest.raises(StateError, match="not a journal"):
        async with opened(tmp_path):
            pass

    assert path.read_bytes() == b"holiday pictures" * 100


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    tamper(tmp_path / FILE_NAME, "CREATE TABLE pictures (name TEXT)")

    with pytest.raises(StateError, match="not a journal"):
        async with opened(tmp_path):
            pass


async def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run()))
    tamper(path, "UPDATE meta SET value = '2' WHERE name = 'schema_version'")

    with pytest.raises(StateError, match=r"newer version \(schema 2, this one knows up to 1\)"):
        async with opened(tmp_path):
            pass
    with pytest.raises(StateError, match="newer version"):
        list(read_rows(path))


async def test_a_changed_last_row_is_refused(tmp_path: Path) -> None:
    path = await write(tmp_path, ("run", run()), ("order", intent("TB1")))
    tamper(path, "UPDATE rows SET at = at + 1 WHERE seq = 2")

    with pytest.raises(StateError, match=r"last row \(2\) was changed"):
        async with opened(tmp_path):
            pass
    tamper(path, "UPDATE rows SET at = at - 1 WHERE seq = 2")
    async with opened(tmp_path):
        pass


async def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(StateError, match="state"):
        async with opened(tmp_path / "state"):
            pass


# ---- failures


async def test_a_write_error_releases_every_waiter_and_is_never_tried_again(tmp_path: Path) -> None:
    tries = 0

    def fail(self: JournalFile, connection: sqlite3.Connection, group: list[QueuedRow]) -> int:
        nonlocal tries
        tries += 1
        raise sqlite3.OperationalError("disk I/O error")

    raised: list[str] = []

    async def wait(journal: Journal, ticket: int) -> None:
        try:
            await journal.wait_durable(ticket)
        except StateError as error:
            raised.append(str(error))

    with patch.object(JournalFile, "_commit", fail), pytest.raises(StateError, match="disk I/O error"):
        async with opened(tmp_path) as journal:
            async with asyncio.TaskGroup() as tasks:
                for i in range(3):
                    tasks.create_task(wait(journal, journal.append("order", intent(f"TB{i}"), at=START)))
            assert len(raised) == 3
            assert all("disk I/O error" in text for text in raised)
            with pytest.raises(StateError, match="disk I/O error"):
                await journal.raise_on_failure()
            with pytest.raises(StateError, match="disk I/O error"):
                journal.append("order", intent("TB9"), at=START)
            with pytest.raises(StateError, match="disk I/O error"):
                await journal.wait_durable()

    assert tries == 1


async def test_the_directory_stays_locked_until_a_failed_journal_is_left(tmp_path: Path) -> None:
    def fail(self: JournalFile, connection: sqlite3.Connection, group: list[QueuedRow]) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    with patch.object(JournalFile, "_commit", fail), pytest.raises(StateError, match="disk I/O error"):
        async with opened(tmp_path) as journal:
            journal.append("order", intent("TB1"), at=START)
            await journal.failed.wait()
            with pytest.raises(StateError, match="in use"):
                async with opened(tmp_path):
                    pass

    async with opened(tmp_path):
        pass


async def test_a_row_that_cannot_be_encoded_breaks_the_journal(tmp_path: Path) -> None:
    with pytest.raises(InvariantBroken, match="could not be encoded"):
        async with opened(tmp_path) as journal:
            await journal.wait_durable(journal.append("order", fact("\ud800", OrderEventType.SENDING), at=START))


async def test_a_disk_that_takes_too_long_fails_the_journal(tmp_path: Path) -> None:
    with a_slow_disk() as free, pytest.raises(StateError, match=r"more than 0\.01 s"):
        async with opened(tmp_path, limits=WriteLimits(durable_within_s=0.01)) as journal:
            try:
                await journal.wait_durable(journal.append("order", intent("TB1"), at=START))
            finally:
                assert journal.failed.is_set()
                free.set()


async def test_a_queue_without_end_fails_the_journal(tmp_path: Path) -> None:
    with a_slow_disk() as free, pytest.raises(StateError, match="5 rows behind"):
        async with opened(tmp_path, limits=WriteLimits(queue_rows=5)) as journal:
            try:
                for i in range(6):
                    journal.append("order", intent(f"TB{i}"), at=START)
            finally:
                assert journal.failed.is_set()
                free.set()

    assert verify_chain(tmp_path / FILE_NAME).rows == 5


async def test_leaving_does_not_wait_for_ever_for_the_disk(tmp_path: Path) -> None:
    with a_slow_disk(), pytest.raises(StateError, match=r"1 rows were not on disk 0\.01 s after the end"):
        async with opened(tmp_path, limits=WriteLimits(close_within_s=0.01)) as journal:
            journal.append("order", intent("TB1"), at=START)


async def test_a_full_disk_fails_the_journal_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    program = f"""
import asyncio, json, resource
from pathlib import Path
from tradebot.clock import WallClock
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.errors import StateError
from tradebot.journal.writer import Journal

async def main():
    acknowledged, told = 0, ""
    try:
        async with Journal(Path({str(tmp_path)!r}), run="r1", clock=WallClock()) as journal:
            limit = journal.path.with_name(journal.path.name + "-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            while True:
                fact = OrderEvent(order_id="TB1", type=OrderEventType.SENDING, at=1, reason="x" * 200_000)
                acknowledged = journal.append("order", fact, at=1)
                await journal.wait_durable(acknowledged)
    except StateError as error:
        told = str(error)
    print(json.dumps([acknowledged - 1, told]))

asyncio.run(main())
"""
    answer = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert answer.returncode == 0, answer.stderr

    acknowledged, told = json.loads(answer.stdout)
    assert "a row could not be written" in told
    assert acknowledged > 0
    verdict = verify_chain(tmp_path / FILE_NAME)
    assert verdict.is_intact
    assert verdict.rows >= acknowledged
