"""What is left of a day: after a warm-up no order leaves memory behind, whatever becomes of it.

The bounds are lowered to make the warm-up short. TRADEBOT_ORDERS=n: n orders.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.trading.desk.endless_day import LOWERED, OPEN, Day, counted
from tradebot.clock import ManualClock
from tradebot.journal.writer import Journal

ORDERS = int(os.environ.get("TRADEBOT_ORDERS", "0"))
TRACED, WARM = 1_000, 1_500  # where every allocation is traced, which is slow
RESIDENT = ORDERS or 16_000
LEFT_PER_ORDER = (1 << 20) / 100_000  # bytes: 1 MiB for 100,000 orders
# Of traced memory what one more group of rows holds; of resident memory what the page caches of three databases still
# take up and a few arenas of the allocator, which come and go whole. One object kept for each order is above it.
TRACED_NOISE, RESIDENT_NOISE = 30_000, 1_200_000
MEMORY = Path("/dev/shm")
pytestmark = pytest.mark.timeout(180 + ORDERS // 50)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tradebot-", dir=MEMORY if MEMORY.is_dir() else None) as place:
        yield Path(place)


async def test_orders_leave_no_object_no_descriptor_no_task_no_thread_and_no_timer_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, value in LOWERED:
        monkeypatch.setattr(owner, name, value)
    async with Journal(folder, run="leaks", clock=ManualClock(OPEN)) as journal:
        day = Day(journal)
        tracemalloc.start()
        await day.trade(WARM)
        await day.settle()
        before = counted()
        held, orders = tracemalloc.get_traced_memory()[0], day.n
        await day.trade(TRACED)
        await day.settle()
        slope = (tracemalloc.get_traced_memory()[0] - held) / (day.n - orders)
        tracemalloc.stop()
        assert counted() == before
    assert len(day.rig.desk.book.blotter.orders) <= 301
    assert slope < LEFT_PER_ORDER + TRACED_NOISE / TRACED, f"{slope:.1f} bytes stay for each order"


def test_the_memory_of_the_process_does_not_grow_with_its_orders(folder: Path) -> None:
    program = Path(__file__).with_name("endless_day.py")
    done = subprocess.run(
        [sys.executable, str(program), str(RESIDENT), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["after"] == told["before"], "descriptors, tasks, threads, timers"
    assert told["kept"] <= 301
    orders, held = np.array(told["samples"], dtype=float).T
    slope = float(np.polyfit(orders - orders[0], held - held[0], 1)[0])
    most = LEFT_PER_ORDER + RESIDENT_NOISE / (orders[-1] - orders[0])
    assert slope < most, f"{slope:.1f} bytes stay for each order"
