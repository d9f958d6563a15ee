"""Which daemons of this user run: each leaves a pointer to its state directory in the user's runtime folder.

A pointer only says where a daemon may run. The kernel's lock on the state directory says whether a daemon runs.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tradebot.journal.lock import lock_holder

SYSTEM_FOLDER = "/run/tradebot"  # RuntimeDirectory of the systemd unit
MAX_PATH_BYTES = 4096  # bytes
MAX_POINTERS = 1000  # pointers read per folder


class RunningDaemon(NamedTuple):
    """A daemon that holds the lock of its state directory."""

    pid: int
    state_dir: Path


@contextmanager
def announce_daemon(state_dir: Path) -> Iterator[None]:
    """Leave a pointer to `state_dir` while the context is open; a folder that cannot be written is no error."""
    pointer: Path | None = None
    with suppress(OSError):
        pointer = _own_folder() / str(os.getpid())
        handle = os.open(pointer, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, os.fsencode(state_dir.absolute()))
        finally:
            os.close(handle)
    try:
        yield
    finally:
        if pointer is not None:
            with suppress(OSError):
                pointer.unlink(missing_ok=True)


def running_daemons() -> list[RunningDaemon]:
    """Return the daemons that run, sorted by state directory; pointers left by a crash do not count."""
    found: dict[Path, RunningDaemon] = {}
    for folder in _folders():
        with suppress(OSError):
            for pointer in sorted(folder.iterdir())[:MAX_POINTERS]:
                if (state_dir := _read(pointer)) is not None and (pid := lock_holder(state_dir)) is not None:
                    found[state_dir] = RunningDaemon(pid, state_dir)
    return [found[state_dir] for state_dir in sorted(found)]


def _read(pointer: Path) -> Path | None:
    with suppress(OSError, ValueError):
        handle = os.open(pointer, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            told = os.read(handle, MAX_PATH_BYTES)
        finally:
            os.close(handle)
        path = Path(os.fsdecode(told))
        return path if path.is_absolute() and b"\0" not in told else None
    return None


def _folders() -> list[Path]:
    named = [os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0], SYSTEM_FOLDER]
    return [Path(name) for name in dict.fromkeys(named) if name] + _of_user()


def _of_user() -> list[Path]:
    session = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return [Path(session) / "tradebot", Path(tempfile.gettempdir()) / f"tradebot-{os.getuid()}"]


def _own_folder() -> Path:
    # The runtime directory of the unit, or of the login session, else a folder in /tmp that is ours and not a link.
    if named := os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(named)
    of_session, of_machine = _of_user()
    folder = of_session if of_session.parent.is_dir() else of_machine
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not ours")
    return folder
