"""The space watch: the room of the journal's disk, asked every two seconds away from the loop and told once each way.

    enough ▶ low, said ▶ short, no entries ▶ full and the reserve used up, cancels alone

Entries stop early, while there is room for what exits, cancels and fills write; these go on into the journal's reserve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.domain.messages import DiskAllows, SpaceLeft
from tradebot.journal.room import Room
from tradebot.journal.schema import LOG_BYTES
from tradebot.ops.events.event import Tell
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

EVERY_S, ASK_S = 2.0, 5.0
MB = 1_000_000
FULL_BYTES = MB  # with less free than this no file grows for long
CANCEL_BYTES = 128 << 10  # of the reserve: the rows of a few dozen cancels
BACK = 1.1  # so much of a threshold must be free for it to be over, or a disk at the edge is told of again and again
GROWN, CUT = 4 * LOG_BYTES, 2 * LOG_BYTES  # the log of the journal, told and over


class Level(IntEnum):
    """How little room there is."""

    ENOUGH, LOW, SHORT, FULL = range(4)


DESK = {
    Level.ENOUGH: DiskAllows.ALL,
    Level.LOW: DiskAllows.ALL,
    Level.SHORT: DiskAllows.EXITS,
    Level.FULL: DiskAllows.CANCELS,
}


class Thresholds(NamedTuple):
    """Bytes that must be free: below `low` it is said, below `short` nothing is opened."""

    low: int
    short: int


class SpaceWatch:
    """Asks `ask` in a thread, gives the desk what it must know by `post`, and says with `tell` what a person must.

    `readers` names the processes that have the journal open.
    """

    def __init__(
        self,
        *,
        ask: Callable[[], Room],
        readers: Callable[[], Sequence[str]],
        thresholds: Thresholds,
        clock: Clock,
        post: Callable[[SpaceLeft], None],
        tell: Tell,
    ) -> None:
        self._ask, self._readers, self._thresholds = ask, readers, thresholds
        self._clock, self._post, self._tell = clock, post, tell
        self.level = Level.ENOUGH
        self.room: Room | None = None  # the newest answer
        self._asking: asyncio.Future[Room] | None = None  # one at a time: a disk that hangs holds one thread
        self._is_unknown = self._is_grown = False

    async def run(self) -> None:
        """Look again and again; for a task."""
        while True:
            await self._clock.sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Ask once and say what changed; a disk that does not answer is said too, and asked again."""
        room = await self._answer()
        if room is None:
            return
        self.room = room
        level = self._level_of(room)
        if level is not self.level:
            before, self.level = self.level, level
            reason = self._reason(room)
            self._say(level, room, reason)
            if DESK[level] is not DESK[before]:
                self._post(SpaceLeft(mono=self._clock.monotonic_ns(), allows=DESK[level], reason=reason))
        await self._look_at_log(room)

    async def _answer(self) -> Room | None:
        loop = asyncio.get_running_loop()
        if self._asking is None:
            self._asking = loop.run_in_executor(None, self._ask)
        done, _ = await asyncio.wait((self._asking,), timeout=ASK_S)
        why, room = f"the disk did not answer within {ASK_S:g} s", None
        if done:
            try:
                room = self._asking.result()
            except OSError as error:
                why = error.strerror or str(error)
            self._asking = None
        if (room is None) is not self._is_unknown:
            self._is_unknown = room is None
            if room is None:
                self._tell(DiskNotKnown(reason=why))
            else:
                self._tell(DiskKnown())
        return room

    def _level_of(self, room: Room) -> Level:
        short = self._below(room.free, self._thresholds.short, Level.SHORT)
        if room.free < FULL_BYTES and room.reserve < CANCEL_BYTES:
            return Level.FULL
        if short:
            return Level.SHORT
        return Level.LOW if self._below(room.free, self._thresholds.low, Level.LOW) else Level.ENOUGH

    def _below(self, free: int, threshold: int, level: Level) -> bool:
        return free < (threshold * BACK if self.level >= level else threshold)

    def _reason(self, room: Room) -> str:
        free, short = room.free // MB, self._thresholds.short // MB
        if self.level is Level.FULL:
            return f"the disk of the journal is full and its reserve is used up ({free} MB, {room.reserve // 1000} KB)"
        if self.level is Level.SHORT:
            return f"the disk of the journal has {free} MB free, {short} MB are wanted"
        return ""

    def _say(self, level: Level, room: Room, reason: str) -> None:
        free_mb, reserve_kb = room.free // MB, room.reserve // 1000
        match level:
            case Level.FULL:
                self._tell(DiskSpaceExhausted(reason=reason, free_mb=free_mb, reserve_kb=reserve_kb))
            case Level.SHORT:
                self._tell(DiskSpaceDepleted(reason=reason, free_mb=free_mb, reserve_kb=reserve_kb))
            case Level.LOW:
                short = self._thresholds.short // MB
                self._tell(DiskSpaceReduced(entries_end_below_mb=short, free_mb=free_mb, reserve_kb=reserve_kb))
            case Level.ENOUGH:
                self._tell(DiskSpaceFreed(free_mb=free_mb, reserve_kb=reserve_kb))

    async def _look_at_log(self, room: Room) -> None:
        if not self._is_grown and room.log > GROWN:
            self._is_grown = True
            found = await asyncio.get_running_loop().run_in_executor(None, self._readers)
            cause = (
                f"read by {', '.join(found)}" if found else "a disk that is behind, or a reader that is not ours to see"
            )
            self._tell(JournalLogGrown(log_mb=room.log // MB, likely=cause))
        elif self._is_grown and room.log <= CUT:
            self._is_grown = False
            self._tell(JournalLogCut(log_mb=room.log // MB))
