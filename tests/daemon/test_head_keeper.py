"""The heads of a run under way: an older copy that is put in the journal's place after a kill is known at the start."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tradebot.clock import ManualClock
from tradebot.daemon.head_keeper import SAVE_EVERY_S, JournalHeadKeeper
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command
from tradebot.journal import journal_heads
from tradebot.journal.writer import Journal


class Killed(Exception):
    pass


async def test_a_copy_of_an_hour_ago_is_known_after_a_kill(tmp_path: Path) -> None:
    clock, told, state = ManualClock(), list[str](), tmp_path / "state"
    async with Journal(state, run="T1", clock=clock) as journal:
        keeping = JournalHeadKeeper(journal.path, begun=0, clock=clock, tell=lambda event: told.append(event.name))
        turns = 0

        async def goes_on(seconds: float) -> None:
            nonlocal turns
            turns += 1
            assert seconds == SAVE_EVERY_S
            if turns == 1:
                shutil.copytree(state, tmp_path / "copy")
                journal.append("halt", Command(verb=CommandVerb.HALT, reason="what I saw"), at=1)
                await journal.wait_durable()
            elif turns == 2:
                raise Killed

        clock.on_sleep = goes_on
        journal.append("halt", Command(verb=CommandVerb.HALT), at=0)
        await journal.wait_durable()
        with pytest.raises(Killed):
            await keeping.save_periodically()
        assert journal_heads._beside(journal.path).read_text().startswith("2 ")
        assert not journal_heads.head_mismatch_reason(journal.path)
    for name in ("journal.sqlite3", "journal.sqlite3-wal"):
        shutil.copy(tmp_path / "copy" / name, state / name)
    assert "row 2 is not the one that a run left" in journal_heads.head_mismatch_reason(state / "journal.sqlite3")
    assert told == []


async def test_heads_that_cannot_be_written_are_told_once_until_they_can_be(tmp_path: Path) -> None:
    clock, told = ManualClock(), list[str]()
    async with Journal(tmp_path, run="T1", clock=clock) as journal:
        journal.append("halt", Command(verb=CommandVerb.HALT), at=0)
        await journal.wait_durable()
        keeping = JournalHeadKeeper(journal.path, begun=0, clock=clock, tell=lambda event: told.append(event.name))
        journal_heads._beside(journal.path).mkdir()
        assert [await keeping.save_head() for _ in range(3)] == [{}, {}, {}]
        assert told == ["head_not_kept"]
        journal_heads._beside(journal.path).rmdir()
        assert (await keeping.save_head())["rows"] == 1
        journal_heads._beside(journal.path).unlink()
        journal_heads._beside(journal.path).mkdir()
        assert await keeping.save_head() == {}
        assert told == ["head_not_kept"] * 2
