"""Pools of ten threads and ten processes, as guides for scripts advise."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

POOL_SIZE = 10


@contextmanager
def open_pools() -> Iterator[tuple[Executor, Executor]]:
    """Open a pool of POOL_SIZE threads and a pool of as many processes."""
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(POOL_SIZE) as threads, ProcessPoolExecutor(POOL_SIZE, mp_context=context) as processes:
        yield threads, processes
