"""What a process gives up before it runs strategies: secrets in its environment, core dumps, memory without end."""

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
    """Write files for this user alone, dump no core, and let no other process of this user read the memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def scrub_secrets(environment: MutableMapping[str, str], names: Iterable[str]) -> None:
    """Take the variables of the secrets `names` (such as `store.dsn`) out, in any case of letters."""
    hidden = {f"TRADEBOT_{name.replace('.', '__')}".upper() for name in names}
    for name in [name for name in environment if name.upper() in hidden or name.upper().startswith("TRADEBOT_KILL__")]:
        del environment[name]


@contextmanager
def limit_child_memory(megabytes: int) -> Iterator[None]:
    """Let the processes that start while the context is open hold no more memory; more is a MemoryError there."""
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
