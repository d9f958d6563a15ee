"""The fork server of the worker processes. Started early, it imports while the daemon does."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

PRELOAD_MODULE = "tradebot.trading.analysis.worker_preload"


def process_context() -> BaseContext:
    """Return the multiprocessing context: of the fork server, or of spawn where the system has no fork server."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([PRELOAD_MODULE])
    return found


def start_fork_server() -> None:
    """Start the fork server without waiting. Does nothing when it runs already or the system has none."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        process_context()
        forkserver.ensure_running()
