"""Threads and processes, ten of each, as the guides for scripts advise."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

POOL_SIZE = 10


@contextmanager
def open_pools() -> Iterator[tuple[Executor, Executor]]:
    """Open a pool of HANDS threads and one of as many processes."""
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(POOL_SIZE) as threads, ProcessPoolExecutor(POOL_SIZE, mp_context=context) as processes:
        yield threads, processes
