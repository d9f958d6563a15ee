"""Worker processes for backtests and sweeps: how one begins, and how a pool of them ends."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from tradebot.trading.analysis.worker import end_with_parent


def may_fork() -> bool:
    """Return whether workers may be forked from this process: with other threads they might inherit a held lock."""
    return sys.platform == "linux" and threading.active_count() == 1


def init_worker() -> None:
    """Prepare a new worker process: leave Ctrl-C to the process that started the work, and end whenever it ends.

    What a strategy prints goes to standard error, because standard output is the parent's.
    """
    sys.stdout = sys.stderr
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked worker has inherited the parent's handler
    end_with_parent()


@contextmanager
def closing_pool(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Shut a pool down after the block: in order, or at once if the block fails or is interrupted."""
    try:
        yield
    except BaseException:
        kill_pool(pool)
        raise
    pool.shutdown()


def kill_pool(pool: ProcessPoolExecutor) -> None:
    """Stop a pool at once, busy and hanging workers included; their unfinished work is lost."""
    processes = list((pool._processes or {}).values())  # the pool has no other way to end one that hangs
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
    for process in processes:
        process.join(timeout=5)
