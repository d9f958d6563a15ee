"""The lock on the state directory: one daemon at a time. The kernel holds it and drops it with the process."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from tradebot.errors import StateError

UNKNOWN_PID = 0


def lock_holder(state_dir: Path) -> int | None:
    """Return the pid of the daemon that holds the lock of `state_dir`, 0 if it is unknown, None without a daemon."""
    try:
        handle = os.open(state_dir / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return UNKNOWN_PID
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid_text = os.read(handle, 32).strip()
        return int(pid_text) if pid_text.isdigit() else UNKNOWN_PID
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


class StateLock:
    """The lock on `<state_dir>/lock`. The file holds the owner's pid for people; the kernel holds the lock."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "lock"
        self._handle: int | None = None

    def acquire_lock(self) -> None:
        """Take the lock. Raises StateError naming the process that holds it."""
        try:
            # O_NOFOLLOW: through a planted link, another file would be emptied.
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StateError(f"{self.path}: is a link; tradebot makes this file itself, remove the link") from error
            raise StateError(f"{self.path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise StateError(
                f"{self.path.parent}: in use by another tradebot (pid {owner}); stop it or give another --state-dir"
            ) from error
        except OSError as error:
            os.close(handle)
            raise StateError(f"{self.path}: cannot be locked: {error.strerror}") from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release_lock(self) -> None:
        """Release the lock. A second call does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
