"""The disk monitor: thresholds told once each way, entries denied early, exits only when the reserve is used up."""

from __future__ import annotations

import threading

import pytest

from tests.told import Told
from tradebot.clock import ManualClock
from tradebot.domain.messages import DiskAllowance, DiskSpaceState
from tradebot.journal.disk_space import MB, JournalSpace
from tradebot.trading import disk_monitor
from tradebot.trading.disk_monitor import LOG_CUT_BYTES, LOG_GROWN_BYTES, DiskMonitor, DiskThresholds

LOW, SHORT = 1000 * MB, 200 * MB


class Disk:
    """A disk that gives its answers in turn, and what the watch made of them."""

    def __init__(self, *answers: JournalSpace | OSError) -> None:
        self.answers = list(answers)
        self.posted: list[DiskSpaceState] = []
        self.told = Told()
        self.asked_in: set[str] = set()
        self.watch = DiskMonitor(
            read_space=self.ask, readers=lambda: ["sqlite3 (4711)"],
            thresholds=DiskThresholds(low_bytes=LOW, short_bytes=SHORT),
            clock=ManualClock(), post=self.posted.append,
            tell=self.told,
        )  # fmt: skip

    def ask(self) -> JournalSpace:
        self.asked_in.add(threading.current_thread().name)
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def look(self) -> list[str]:
        while self.answers:
            await self.watch.check_disk()
        return [event for event, _ in self.told]


def space(free_mb: float, *, reserve: int = 4 * MB, log: int = 0) -> JournalSpace:
    return JournalSpace(free_bytes=int(free_mb * MB), reserve_bytes=reserve, wal_bytes=log)


async def test_room_that_sinks_and_comes_back_is_told_once_at_each_threshold() -> None:
    disk = Disk(*map(space, (5000, 999, 990, 199, 150, 0, 0, 500, 600, 1200)))
    assert await disk.look() == ["disk_space_reduced", "disk_space_depleted", "disk_space_reduced", "disk_space_freed"]
    assert [(told.allows, bool(told.reason)) for told in disk.posted] == [
        (DiskAllowance.EXITS, True), (DiskAllowance.ALL, False),
    ]  # fmt: skip
    assert "199 MB free, 200 MB are wanted" in disk.posted[0].reason


async def test_a_disk_at_the_edge_is_not_told_again_and_again() -> None:
    disk = Disk(*map(space, (199, 205, 199, 219, 199)))
    assert await disk.look() == ["disk_space_depleted"]


async def test_exits_end_with_the_reserve_of_a_full_disk_and_not_before() -> None:
    disk = Disk(space(0), space(0, reserve=200_000), space(0, reserve=100_000), space(50, reserve=100_000))
    assert await disk.look() == ["disk_space_depleted", "disk_space_exhausted", "disk_space_depleted"]
    assert [told.allows for told in disk.posted] == [DiskAllowance.EXITS, DiskAllowance.CANCELS, DiskAllowance.EXITS]
    assert disk.told[1][1]["level"] == "critical"


async def test_a_disk_that_is_short_at_the_first_look_is_known_before_anything_is_sent() -> None:
    disk = Disk(space(10))
    await disk.look()
    assert [told.allows for told in disk.posted] == [DiskAllowance.EXITS]


async def test_the_disk_is_asked_away_from_the_loop() -> None:
    disk = Disk(space(5000), space(5000))
    await disk.look()
    assert threading.current_thread().name not in disk.asked_in


async def test_a_disk_that_hangs_holds_one_thread_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_monitor, "ANSWER_WITHIN_S", 0.02)
    answers, asked = threading.Event(), 0

    def hang() -> JournalSpace:
        nonlocal asked
        asked += 1
        answers.wait(10)
        return space(5000)

    disk = Disk()
    disk.watch._read_space = hang
    for _ in range(3):
        await disk.watch.check_disk()
    assert (asked, [event for event, _ in disk.told]) == (1, ["disk_not_known"])
    answers.set()
    monkeypatch.setattr(disk_monitor, "ANSWER_WITHIN_S", 10)
    await disk.watch.check_disk()
    assert [event for event, _ in disk.told] == ["disk_not_known", "disk_known"]


async def test_a_disk_that_cannot_be_asked_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(space(100), OSError(5, "Input/output error"), space(100))
    assert await disk.look() == ["disk_space_depleted", "disk_not_known", "disk_known"]
    assert disk.told[1][1]["reason"] == "Input/output error"
    assert len(disk.posted) == 1


async def test_a_log_that_grows_is_told_with_its_likely_cause_and_when_it_is_over() -> None:
    grown = space(5000, log=LOG_GROWN_BYTES + 1)
    disk = Disk(
        space(5000, log=LOG_CUT_BYTES),
        grown,
        grown,
        space(5000, log=LOG_GROWN_BYTES - 1),
        space(5000, log=LOG_CUT_BYTES),
        space(5000),
    )
    assert await disk.look() == ["journal_log_grown", "journal_log_cut"]
    assert disk.told[0][1]["likely"] == "read by sqlite3 (4711)"
