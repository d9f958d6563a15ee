"""The disk monitor: reads the free space of the journal's disk every two seconds, in a thread, and reports changes.

    enough ▶ low: a warning ▶ short: no entries ▶ full and the reserve used up: only cancels

Entries stop early, while there is space for the rows of exits, cancels and fills. Those may use the journal's reserve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.domain.messages import DiskAllowance, DiskSpaceState
from tradebot.journal.disk_space import MB, JournalSpace
from tradebot.journal.schema import WAL_BYTES
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.storage import (
    DiskKnown,
    DiskNotKnown,
    DiskSpaceDepleted,
    DiskSpaceExhausted,
    DiskSpaceFreed,
    DiskSpaceReduced,
    JournalLogCut,
    JournalLogGrown,
)

CHECK_EVERY_S, ANSWER_WITHIN_S = 2.0, 5.0
FULL_BYTES = MB  # with less free than this no file grows for long
CANCEL_BYTES = 128 << 10  # of the reserve; enough for the rows of a few dozen cancels
# A level ends at this multiple of its threshold, so that a disk at the edge is not reported again and again
RECOVERY_FACTOR = 1.1
# Size of the journal's log at which it is reported, and at which that ends
LOG_GROWN_BYTES, LOG_CUT_BYTES = 4 * WAL_BYTES, 2 * WAL_BYTES


class DiskLevel(IntEnum):
    """How much space is left, from enough to full."""

    ENOUGH, LOW, SHORT, FULL = range(4)


ALLOWED_BY_LEVEL = {
    DiskLevel.ENOUGH: DiskAllowance.ALL,
    DiskLevel.LOW: DiskAllowance.ALL,
    DiskLevel.SHORT: DiskAllowance.EXITS,
    DiskLevel.FULL: DiskAllowance.CANCELS,
}


class DiskThresholds(NamedTuple):
    """Free bytes: below `low_bytes` the operator is warned, below `short_bytes` nothing is opened."""

    low_bytes: int
    short_bytes: int


class DiskMonitor:
    """Calls `read_space` in a thread. `post` takes messages for the desk, `tell` events for the operator.

    `readers` returns the names of processes that have the journal open.
    """

    def __init__(
        self,
        *,
        read_space: Callable[[], JournalSpace],
        readers: Callable[[], Sequence[str]],
        thresholds: DiskThresholds,
        clock: Clock,
        post: Callable[[DiskSpaceState], None],
        tell: EventListener,
    ) -> None:
        self._read_space, self._readers, self._thresholds = read_space, readers, thresholds
        self._clock, self._post, self._tell = clock, post, tell
        self.level = DiskLevel.ENOUGH
        self.disk_space: JournalSpace | None = None  # the newest answer
        # The read that is under way. There is one at a time, so that a disk that hangs blocks only one thread.
        self._pending_read: asyncio.Future[JournalSpace] | None = None
        self._is_unknown = self._is_grown = False

    async def run_checks(self) -> None:
        """Check the disk for ever, every `CHECK_EVERY_S`."""
        while True:
            await self._clock.sleep(CHECK_EVERY_S)
            await self.check_disk()

    async def check_disk(self) -> None:
        """Check the disk once and report what changed; a disk that does not answer is reported too."""
        space = await self._answer()
        if space is None:
            return
        self.disk_space = space
        level = self._level_of(space)
        if level is not self.level:
            before, self.level = self.level, level
            reason = self._reason(space)
            self._say(level, space, reason)
            if ALLOWED_BY_LEVEL[level] is not ALLOWED_BY_LEVEL[before]:
                self._post(
                    DiskSpaceState(mono=self._clock.monotonic_ns(), allows=ALLOWED_BY_LEVEL[level], reason=reason)
                )
        await self._check_log_size(space)

    async def _answer(self) -> JournalSpace | None:
        loop = asyncio.get_running_loop()
        if self._pending_read is None:
            self._pending_read = loop.run_in_executor(None, self._read_space)
        done, _ = await asyncio.wait((self._pending_read,), timeout=ANSWER_WITHIN_S)
        why, space = f"the disk did not answer within {ANSWER_WITHIN_S:g} s", None
        if done:
            try:
                space = self._pending_read.result()
            except OSError as error:
                why = error.strerror or str(error)
            self._pending_read = None
        if (space is None) is not self._is_unknown:
            self._is_unknown = space is None
            if space is None:
                self._tell(DiskNotKnown(reason=why))
            else:
                self._tell(DiskKnown())
        return space

    def _level_of(self, space: JournalSpace) -> DiskLevel:
        short = self._below(space.free_bytes, self._thresholds.short_bytes, DiskLevel.SHORT)
        if space.free_bytes < FULL_BYTES and space.reserve_bytes < CANCEL_BYTES:
            return DiskLevel.FULL
        if short:
            return DiskLevel.SHORT
        return (
            DiskLevel.LOW
            if self._below(space.free_bytes, self._thresholds.low_bytes, DiskLevel.LOW)
            else DiskLevel.ENOUGH
        )

    def _below(self, free: int, threshold: int, level: DiskLevel) -> bool:
        # A level that holds already ends only once there is more space than its threshold.
        return free < (threshold * RECOVERY_FACTOR if self.level >= level else threshold)

    def _reason(self, space: JournalSpace) -> str:
        free, short = space.free_bytes // MB, self._thresholds.short_bytes // MB
        if self.level is DiskLevel.FULL:
            return (
                f"the disk of the journal is full and its reserve is used up ({free} MB,"
                f" {space.reserve_bytes // 1000} KB)"
            )
        if self.level is DiskLevel.SHORT:
            return f"the disk of the journal has {free} MB free, {short} MB are wanted"
        return ""

    def _say(self, level: DiskLevel, space: JournalSpace, reason: str) -> None:
        free_mb, reserve_kb = space.free_bytes // MB, space.reserve_bytes // 1000
        match level:
            case DiskLevel.FULL:
                self._tell(DiskSpaceExhausted(reason=reason, free_mb=free_mb, reserve_kb=reserve_kb))
            case DiskLevel.SHORT:
                self._tell(DiskSpaceDepleted(reason=reason, free_mb=free_mb, reserve_kb=reserve_kb))
            case DiskLevel.LOW:
                short = self._thresholds.short_bytes // MB
                self._tell(DiskSpaceReduced(entries_end_below_mb=short, free_mb=free_mb, reserve_kb=reserve_kb))
            case DiskLevel.ENOUGH:
                self._tell(DiskSpaceFreed(free_mb=free_mb, reserve_kb=reserve_kb))

    async def _check_log_size(self, space: JournalSpace) -> None:
        if not self._is_grown and space.wal_bytes > LOG_GROWN_BYTES:
            self._is_grown = True
            found = await asyncio.get_running_loop().run_in_executor(None, self._readers)
            cause = (
                f"read by {', '.join(found)}" if found else "a disk that is behind, or a reader that is not ours to see"
            )
            self._tell(JournalLogGrown(log_mb=space.wal_bytes // MB, likely=cause))
        elif self._is_grown and space.wal_bytes <= LOG_CUT_BYTES:
            self._is_grown = False
            self._tell(JournalLogCut(log_mb=space.wal_bytes // MB))
