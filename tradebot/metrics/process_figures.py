"""The figures of the daemon's process, from /proc/self and the kernel's accounting.

The client library's own collector reads /proc/stat, which our systemd unit hides (`ProcSubset=pid`): it gave nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit

from tradebot.metrics.figure import Figure

OWN = Path("/proc/self")


def process_figures(began_s: float) -> Iterator[Figure]:
    """Yield memory, CPU time and file descriptors of this process, which began at `began_s` (Unix seconds).

    What the machine does not tell is left out.
    """
    times = os.times()
    yield Figure("process_cpu_seconds_total", times.user + times.system)
    yield Figure("process_start_time_seconds", began_s)
    yield Figure("process_max_fds", getrlimit(RLIMIT_NOFILE)[0])
    with suppress(OSError):
        pages = int((OWN / "statm").read_text().split()[1])
        yield Figure("process_resident_memory_bytes", pages * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError):
        yield Figure("process_open_fds", sum(1 for _ in os.scandir(OWN / "fd")))
