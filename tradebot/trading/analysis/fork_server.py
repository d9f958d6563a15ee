"""The process that worker processes are forked from: started as early as can be, it imports while the daemon does."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

PRELOAD_MODULE = "tradebot.trading.analysis.worker_preload"


def process_context() -> BaseContext:
    """Return how processes are started here: from the fork server, or afresh where the system has none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([PRELOAD_MODULE])
    return found


def start_fork_server() -> None:
    """Start the fork server without waiting for it; does nothing when it runs, or where the system has none."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        process_context()
        forkserver.ensure_running()
