"""The noise of the machine at this moment: how much slower work is after a pause, and how long a durable write takes.

A benchmark measures the program on this machine at this moment. On a shared machine the same work takes longer after
every pause, because other programs have used the caches meanwhile.
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
    """Return the ratio of the processor time of a fixed piece of work after 20 ms of sleep to that right after itself.

    It is the median of nine. The work encodes and decodes objects as an order does, for some tenths of a millisecond.
    """
    pause = Event()
    _work()
    ratios = []
    for _ in range(ROUNDS):
        pause.wait(PAUSE_S)
        ratios.append(_timed() / _timed())
    return median(ratios)


def durable_write_us(folder: Path | None = None) -> float:
    """Return the median time in us to write 4 kB in place in a file in `folder` and sync it (fdatasync).

    The default is the folder of temporary files, which the benchmarks use. The write is in place, as in the journal's
    preallocated log; a write that grows the file is slower.
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
