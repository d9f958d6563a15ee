"""The newest message of the chat that was read, kept beside the journal, so that a restart does not act on it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tradebot.clock import SECOND, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.notify import ChatOffsetNotKept
from tradebot.ops.private_file import replace_private
from tradebot.ops.reminder import Reminder

FILE_NAME = "telegram.json"
MAX_FILE_BYTES = 64 << 10
# A bot without a message for a week may get numbers that begin anywhere, also below those that were read.
VALID_FOR_S = 6 * 86_400
KEEP_WITHIN_S = 2.0  # a disk that hangs must not keep a halt from acting


class _Kept(msgspec.Struct, frozen=True):
    bot: str
    offset: int
    at: int  # unix seconds


class ChatOffset:
    """Keeps the offset of the bot with this `token`: the digits before its colon are its id, and no secret."""

    def __init__(self, state_dir: Path, token: str, *, clock: Clock, tell: EventListener) -> None:
        self._path, self._bot = state_dir / FILE_NAME, token.partition(":")[0]
        self._clock, self._tell = clock, tell
        self._reminder = Reminder(first_s=600.0, longest_s=3600.0)

    async def read_offset(self) -> int:
        """Return the first update that was not read; 0, for the server's choice, where that is not known any more."""
        kept = await asyncio.to_thread(self._read)
        if kept is None or kept.bot != self._bot or self._now_s() - kept.at > VALID_FOR_S:
            return 0
        return kept.offset

    async def keep_offset(self, offset: int) -> None:
        """Keep `offset`; what cannot be kept in time is told, and no error."""
        try:
            async with asyncio.timeout(KEEP_WITHIN_S):
                await asyncio.to_thread(self._write, _Kept(self._bot, offset, self._now_s()))
        except TimeoutError:
            self._note(f"not written within {KEEP_WITHIN_S:g} s")
        except OSError as error:
            self._note(f"{self._path}: {error.strerror or error}")

    def _now_s(self) -> int:
        return self._clock.wall_ns() // SECOND

    def _note(self, reason: str) -> None:
        if times := self._reminder.due_count("offset", self._clock.monotonic_ns()):
            self._tell(ChatOffsetNotKept(reason=reason, times=times))

    def _read(self) -> _Kept | None:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_FILE_BYTES), type=_Kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _write(self, kept: _Kept) -> None:
        replace_private(self._path, msgspec.json.encode(kept), is_synced=True)
