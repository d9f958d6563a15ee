"""What the machine does to a measurement just now: how slow work is after a pause, how long a write takes.

A figure of a benchmark is that of the program on this machine at this moment. On a machine shared with others the same
work takes longer after every pause, since others have used the caches meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Event
from time import perf_counter_ns, thread_time_ns

import msgspec

PAUSE_S = 0.02
ROUNDS = 9
WRITES = 25
WRITE_BYTES = 4_096
ORDERS = [{"symbol": f"SYM{i:04d}", "quantity": i, "price": f"{100 + i}.05", "levels": [i, i + 1]} for i in range(100)]


def cold_ratio() -> float:
    """Return how many times the processor time a fixed piece of work takes after 20 ms of sleep than after itself.

    The median of nine; the work makes and reads objects as an order does, for some tenths of a millisecond.
    """
    pause = Event()
    _work()
    ratios = []
    for _ in range(ROUNDS):
        pause.wait(PAUSE_S)
        ratios.append(_timed() / _timed())
    return median(ratios)


def durable_write_us(folder: Path | None = None) -> float:
    """Return the median time in us of 4 kB written in place in a file in `folder` and synced (fdatasync).

    By default the folder is that of temporary files, where the benchmarks keep theirs. In place, as the journal's log
    is written, which has its size before: a file that grows is another, slower thing.
    """
    taken = []
    with TemporaryFile(dir=folder, buffering=0) as file:
        file.write(os.urandom(WRITE_BYTES * WRITES))
        os.fsync(file.fileno())
        block = os.urandom(WRITE_BYTES)
        for number in range(WRITES):
            begin = perf_counter_ns()
            os.pwrite(file.fileno(), block, number * WRITE_BYTES)
            os.fdatasync(file.fileno())
            taken.append(perf_counter_ns() - begin)
    return median(taken) / 1e3


def _timed() -> int:
    begin = thread_time_ns()
    _work()
    return max(thread_time_ns() - begin, 1)


def _work() -> int:
    return sum(len(order["symbol"]) for order in msgspec.json.decode(msgspec.json.encode(ORDERS)))
