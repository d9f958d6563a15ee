"""Restricts a process before it runs strategies: no secrets in its environment, no core dumps, bounded memory."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager

PR_SET_DUMPABLE = 4
MIB = 1 << 20


def confine_process() -> None:
    """Make files private to this user, forbid core dumps, and keep other processes of this user out of the memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def scrub_secrets(environment: MutableMapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Delete the environment variables of the secrets `names` (such as `store.dsn`), in any letter case.

    Returns the values by these names. Those of the kill switch are deleted and not returned.
    """
    hidden = {f"TRADEBOT_{name.replace('.', '__')}".upper(): name for name in names}
    found = {hidden[name.upper()]: value for name, value in environment.items() if name.upper() in hidden}
    for name in [name for name in environment if name.upper() in hidden or name.upper().startswith("TRADEBOT_KILL__")]:
        del environment[name]
    return found


@contextmanager
def limit_child_memory(megabytes: int) -> Iterator[None]:
    """Limit the memory of processes started inside the context; more raises MemoryError there. 1 MB is 2**20 bytes."""
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
