"""Keeps the journal's last hash beside it while a run goes on, so that a later start knows a journal that lost its end.

A run that is killed leaves a head that is a minute old: an older copy put in the journal's place is known then as well.
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
    """Keeps one head a run, behind those of the runs before. `keep_through_row` is the journal's last row before this one."""

    def __init__(self, path: Path, *, begun: int, clock: Clock, tell: EventListener) -> None:
        self._path, self._begun, self._clock, self._tell = path, begun, clock, tell
        self._is_failing = False

    async def save_head(self) -> dict[str, Any]:
        """Keep where the journal ends now, and return it for the log, which goes where neither file does."""
        try:
            rows, head = await asyncio.to_thread(journal_heads.append_head, self._path, keep_through_row=self._begun)
        except StateError as error:
            if not self._is_failing:
                self._tell(HeadNotKept(reason=str(error)))
            self._is_failing = True
            return {}
        self._is_failing = False
        return {"rows": rows, "head": head}

    async def save_periodically(self) -> None:
        """Keep it again and again until cancelled."""
        while True:
            await self.save_head()
            await self._clock.sleep(SAVE_EVERY_S)
