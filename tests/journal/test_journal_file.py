"""What is done at the disk, away from the loop: each commit is synced, and the log is copied before it grows."""

# ruff: noqa: PT012 -- a failed journal raises where it is left, so the whole context stands under `raises`

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.journal.ledger_by_hand import START, fact, intent
from tradebot.clock import ManualClock
from tradebot.domain.order import OrderEventType
from tradebot.errors import StateError
from tradebot.journal import journal_file
from tradebot.journal.checkpoints import CheckpointThread
from tradebot.journal.journal_file import JournalFile
from tradebot.journal.reader import verify_chain
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.journal.writer_thread import QueuedRow, WriteWork


def opened(state_dir: Path) -> Journal:
    return Journal(state_dir, run="r1", clock=ManualClock(START))


async def test_each_commit_is_synced(tmp_path: Path) -> None:
    settings: list[tuple[str, int, int]] = []
    serve = JournalFile._serve

    def look(self: JournalFile, connection: sqlite3.Connection, checkpoints: CheckpointThread) -> WriteWork:
        ask = lambda name: connection.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
        settings.append((ask("journal_mode"), ask("synchronous"), ask("wal_autocheckpoint")))
        return serve(self, connection, checkpoints)

    with patch.object(JournalFile, "_serve", look):
        async with opened(tmp_path):
            pass

    assert settings == [("wal", 2, 0)]


async def test_the_log_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    log = tmp_path / f"{FILE_NAME}-wal"
    with patch.object(journal_file, "CHECKPOINT_PAGES", 50):
        async with opened(tmp_path) as journal:
            begun = log.stat().st_size
            for i in range(60):
                journal.append("order", fact("TB1", OrderEventType.SENDING, reason="x" * 200_000), at=START + i)
                await journal.wait_durable()
            assert (tmp_path / FILE_NAME).stat().st_size > begun
            assert log.stat().st_size == begun

    assert verify_chain(tmp_path / FILE_NAME).rows == 60


async def test_the_log_that_grew_under_a_long_reader_is_cut_back_when_the_reader_is_gone(tmp_path: Path) -> None:
    log = tmp_path / f"{FILE_NAME}-wal"
    with patch.object(journal_file, "CHECKPOINT_PAGES", 50):
        async with opened(tmp_path) as journal:
            begun = log.stat().st_size

            async def write(count: int) -> None:
                for _ in range(count):
                    journal.append("order", fact("TB1", OrderEventType.SENDING, reason="x" * 200_000), at=START)
                    await journal.wait_durable()

            await write(1)
            reader = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM rows").fetchone()
            await write(60)
            assert log.stat().st_size > begun
            reader.execute("COMMIT")
            reader.close()
            for _ in range(50):  # the log starts over with the write after the next whole checkpoint
                await write(2)
                if log.stat().st_size == begun:
                    break
            assert log.stat().st_size == begun

    assert verify_chain(tmp_path / FILE_NAME).is_intact


async def test_a_checkpoint_begins_only_after_a_commit_that_began_after_the_one_before_had_ended(
    tmp_path: Path,
) -> None:
    commit, asked_at = JournalFile._commit, list[int]()

    class EndsDuringTheNextCommit:
        is_idle, error, commits = True, None, 0

        def __init__(self, path: Path) -> None:
            checkpoints.append(self)

        def request_checkpoint(self) -> None:
            self.is_idle = False
            asked_at.append(self.commits)

        def stop_thread(self) -> None:
            pass

    checkpoints: list[EndsDuringTheNextCommit] = []

    def end_meanwhile(self: JournalFile, connection: sqlite3.Connection, group: list[QueuedRow]) -> int:
        checkpoints[0].is_idle = True
        checkpoints[0].commits += 1
        return commit(self, connection, group)

    with (
        patch.object(journal_file, "CheckpointThread", EndsDuringTheNextCommit),
        patch.object(journal_file, "CHECKPOINT_PAGES", 0),
        patch.object(JournalFile, "_commit", end_meanwhile),
    ):
        async with opened(tmp_path) as journal:
            for i in range(8):
                await journal.wait_durable(journal.append("order", intent(f"TB{i}"), at=START))

    # After each comes a commit that overlapped, then one after which the writer copies the rest itself.
    assert asked_at == [1, 4, 7]


async def test_a_checkpoint_that_fails_fails_the_journal(tmp_path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(StateError, match="disk I/O error"):
        async with opened(tmp_path) as journal:
            with (
                patch("tradebot.journal.checkpoints.run_checkpoint", fail),
                patch.object(journal_file, "CHECKPOINT_PAGES", 0),
            ):
                while True:
                    journal.append("order", intent("TB1"), at=START)
                    await journal.wait_durable()
