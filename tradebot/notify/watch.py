"""The watch: what a look at a daemon from outside means, and whether a person is told; once a state, then hourly."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from tradebot.clock import HOUR, SECOND
from tradebot.errors import ExitCode, StateError
from tradebot.ops.private_file import replace_private

FILE_NAME = "watch.json"
MAX_FILE_BYTES = 64 << 10
REMIND_EVERY_NS = HOUR
MAX_SENTENCE_CHARS = 500


class Look(NamedTuple):
    """What a look found: the exit code of `status --check`, 0 for a daemon that trades, and its sentence."""

    code: int
    sentence: str


class WatchedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person was told last: the code, since when it is so, and when it was told; wall ns."""

    code: int = 0
    since_at: int = 0
    told_at: int = 0


class Telling(NamedTuple):
    """What a person is told now."""

    title: str
    body: str


def judge_look(look: Look, before: WatchedState, *, now: int, is_in_hours: bool) -> tuple[Telling | None, WatchedState]:
    """Return what to tell after a look at `now` (wall ns), None for nothing, and the state once it is told.

    Outside of market hours no trouble is told, because a daemon may rest; that one is over is always told.
    """
    if look.code == 0:
        if before.code == 0:
            return None, before
        lasted = _duration_text(now - before.since_at)
        return Telling("the daemon trades again", f"{look.sentence}\nThe trouble lasted {lasted}."), WatchedState()
    if not is_in_hours:
        return None, before
    is_known = look.code == before.code
    if is_known and 0 <= now - before.told_at < REMIND_EVERY_NS:
        return None, before
    since = before.since_at if is_known else now
    lasts = f"\nThis lasts {_duration_text(now - since)} so far." if is_known else ""
    remedy = "Do: tradebot status; journalctl -u tradebot -e; positions may be open without guards."
    told = Telling(_title_of(look), f"{look.sentence[:MAX_SENTENCE_CHARS]}{lasts}\n{remedy}")
    return told, WatchedState(look.code, since, now)


def read_watched(state_dir: Path) -> WatchedState:
    """Return what was told last, the state of a daemon that trades where nothing readable is kept."""
    try:
        with (state_dir / FILE_NAME).open("rb") as file:
            return msgspec.json.decode(file.read(MAX_FILE_BYTES), type=WatchedState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return WatchedState()


def keep_watched(state_dir: Path, state: WatchedState) -> None:
    """Keep what was told. Raises StateError."""
    path = state_dir / FILE_NAME
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(path, msgspec.json.encode(state), is_synced=False)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from error


def _title_of(look: Look) -> str:
    return "the daemon is SILENT" if look.code == ExitCode.UNAVAILABLE else "the daemon needs a person"


def _duration_text(ns: int) -> str:
    minutes = max(ns, 0) // (60 * SECOND)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
