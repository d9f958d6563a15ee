"""Saves the journal's head (last hash) beside it during a run, so that a later start detects a journal that lost rows.

A killed run leaves a head that is at most a minute old, so that an older copy in place of the journal is detected too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tradebot.clock import Clock
from tradebot.errors import StateError
from tradebot.journal import journal_heads
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import HeadNotKept

SAVE_EVERY_S = 60.0


class JournalHeadKeeper:
    """Saves one head per run, after those of earlier runs; `begun` is the `seq` of the last row before this run."""

    def __init__(self, path: Path, *, begun: int, clock: Clock, tell: EventListener) -> None:
        self._path, self._last_earlier_row, self._clock, self._tell = path, begun, clock, tell
        self._is_failing = False

    async def save_head(self) -> dict[str, Any]:
        """Save the current head, and return it for the log, which is stored elsewhere; {} after a failure."""
        try:
            rows, head = await asyncio.to_thread(
                journal_heads.append_head, self._path, keep_through_row=self._last_earlier_row
            )
        except StateError as error:
            if not self._is_failing:
                self._tell(HeadNotKept(reason=str(error)))
            self._is_failing = True
            return {}
        self._is_failing = False
        return {"rows": rows, "head": head}

    async def save_periodically(self) -> None:
        """Save the head every `SAVE_EVERY_S` seconds until cancelled."""
        while True:
            await self.save_head()
            await self._clock.sleep(SAVE_EVERY_S)
