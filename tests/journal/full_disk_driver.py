"""Fills the disk below a journal and prints what it still took; started by `test_full_disk.py` on a disk of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

sys.path += [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from tests.journal.ledger_by_hand import START, intent
from tests.small_disk import fill_up
from tradebot.clock import ManualClock
from tradebot.errors import StateError
from tradebot.journal.reader import verify_chain
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal

RESERVE = 4 << 20
BODY, PAGE = 2_000, 4_096  # a row with such a reason fills a page


def opened(folder: Path, reserve: int = RESERVE) -> Journal:
    return Journal(folder, run="r1", clock=ManualClock(START), reserve=lambda _: reserve)


async def write(journal: Journal, most: int) -> int:
    """Write rows one by one until the journal fails; returns how many were acknowledged."""
    for n in range(most):
        try:
            await journal.wait_durable(journal.append("order", intent(f"TB{n}", reason="x" * BODY), at=START))
        except StateError:
            return n
    return most


async def in_a_run(folder: Path, reserve: int) -> dict[str, int]:
    taken = 0
    with suppress(StateError):
        async with opened(folder, reserve) as journal:
            before = journal.measure_space()
            fill_up(folder)
            taken = await write(journal, 20_000)
            after = journal.measure_space()
    found = verify_chain(folder / FILE_NAME)
    return {
        "taken": taken * PAGE, "free": after.free_bytes, "reserve": before.reserve_bytes, "left": after.reserve_bytes,
        "rows": found.rows, "acknowledged": taken, "is_intact": found.is_intact,
    }  # fmt: skip


async def after_a_clean_end(folder: Path) -> dict[str, int]:
    async with opened(folder) as journal:
        await write(journal, 50)
    hog = fill_up(folder)
    async with opened(folder) as journal:
        taken, space = await write(journal, 500), journal.measure_space()
    hog.unlink()
    return {"taken": taken, "rows": verify_chain(folder / FILE_NAME).rows, "free": space.free_bytes}


async def after_a_crash(folder: Path) -> dict[str, int]:
    # The log and its index lie there, and the reserve is what the run before left of it.
    script = (
        "import asyncio, os, pathlib, full_disk_driver as d\n"
        "async def main():\n"
        f"    j = await d.opened(pathlib.Path({str(folder)!r})).__aenter__()\n"
        "    await d.write(j, 50); os._exit(9)\n"
        "asyncio.run(main())"
    )
    died = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=Path(__file__).parent)
    assert await died.wait() == 9
    fill_up(folder)
    async with opened(folder) as journal:
        taken = await write(journal, 500)
    return {"taken": taken, "rows": verify_chain(folder / FILE_NAME).rows}


def main(case: str, folder: Path) -> None:
    work = {
        "reserve": lambda: in_a_run(folder, RESERVE),
        "none": lambda: in_a_run(folder, 0),
        "clean": lambda: after_a_clean_end(folder),
        "crash": lambda: after_a_crash(folder),
    }[case]
    sys.stdout.write(json.dumps(asyncio.run(work())))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
