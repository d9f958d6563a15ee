"""The simulated disk: the journal's own work on a real file, in the loop's time, with kills and failures in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import LoopClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command
from tradebot.errors import StateError
from tradebot.journal.reader import read_rows
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.simulation import disk
from tradebot.simulation.disk import SimulatedDiskWriter
from tradebot.simulation.loop import VirtualLoop
from tradebot.simulation.process import Process
from tradebot.simulation.seed_run import garbage_removed
from tradebot.simulation.seeded_random import SeededRandom

HALT = Command(verb=CommandVerb.HALT, reason="a row")


def run(work: Callable[[VirtualLoop, Callable[..., Journal]], Coroutine[Any, Any, Any]], folder: Path) -> list[int]:
    synced: list[int] = []
    with garbage_removed():
        _run(work, folder, synced)
    return synced


def _run(work: Any, folder: Path, synced: list[int]) -> None:
    dice = SeededRandom(3)
    loop = VirtualLoop(dice)

    def journal(**more: Any) -> Journal:
        hand = SimulatedDiskWriter(loop, dice, synced.append, **more)
        return Journal(folder, run="r", clock=LoopClock(loop, wall_offset_ns=0), driver=hand)

    loop.run_until_complete(loop.spawn_process(Process("test"), lambda: work(loop, journal)))
    loop.abandon_loop()


def test_a_row_is_acknowledged_only_after_its_commit_and_takes_a_little_time(tmp_path: Path) -> None:
    async def work(loop: VirtualLoop, journal: Callable[..., Journal]) -> None:
        async with journal() as j:
            before = loop.time()
            ticket = j.append("halt", HALT, at=1)
            assert j.row_numbers == (1, 0)
            await j.wait_durable(ticket)
            assert j.row_numbers == (1, 1)
            assert loop.time() > before
            assert [row.seq for row in read_rows(tmp_path / FILE_NAME)] == [1]

    assert run(work, tmp_path) == [1]


def test_rows_that_come_before_the_commit_begins_share_it(tmp_path: Path) -> None:
    async def work(loop: VirtualLoop, journal: Callable[..., Journal]) -> None:
        async with journal() as j:
            for n in range(50):
                j.append("halt", HALT, at=n)
            await j.wait_durable()

    assert run(work, tmp_path) == [50]


def test_a_kill_keeps_what_was_committed_and_nothing_else(tmp_path: Path) -> None:
    async def work(loop: VirtualLoop, journal: Callable[..., Journal]) -> None:
        daemon = Process("daemon")

        async def live() -> None:
            async with journal() as j:
                await j.wait_durable(j.append("halt", HALT, at=1))
                j.append("halt", HALT, at=2)
                daemon.kill()
                await asyncio.sleep(0)

        loop.spawn_process(daemon, live)
        await asyncio.sleep(60)

    assert run(work, tmp_path) == [1]
    assert [row.seq for row in read_rows(tmp_path / FILE_NAME)] == [1]


def test_a_disk_that_fails_fails_the_journal(tmp_path: Path) -> None:
    async def work(loop: VirtualLoop, journal: Callable[..., Journal]) -> None:
        async def write() -> None:
            async with journal(commits_until_failure=3) as j:
                for n in range(5):
                    await j.wait_durable(j.append("halt", HALT, at=n))

        with pytest.raises(StateError, match="disk I/O error"):
            await write()

    assert run(work, tmp_path) == [1, 2]


def test_what_waits_behind_the_group_that_fails_is_lost_in_silence_as_the_journal_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MAX_GROUP_ROWS", 2)

    async def work(loop: VirtualLoop, journal: Callable[..., Journal]) -> None:
        async def write() -> None:
            async with journal(commits_until_failure=1) as j:
                for n in range(3):
                    j.append("halt", HALT, at=n)
                await j.wait_durable()

        with pytest.raises(StateError, match="disk I/O error"):
            await write()
        await asyncio.sleep(60)
        assert not loop.uncaught_errors

    assert run(work, tmp_path) == []
