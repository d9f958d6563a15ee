"""The writer killed in the middle of its work: what was acknowledged is there, in an unbroken chain, once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journal.ledger_by_hand import run, write
from tradebot.domain.order import OrderEvent
from tradebot.journal.reader import read_rows, verify_chain
from tradebot.journal.schema import FILE_NAME

# Writes without end, says after each wait how many rows are durable, and lets groups of several sizes overlap.
PROGRAM = """
import asyncio, sys
from pathlib import Path
from tradebot.clock import WallClock
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.journal import journal_file, writer

journal_file.CHECKPOINT_PAGES = 30

async def main():
    async with writer.Journal(Path(sys.argv[1]), run="killed", clock=WallClock()) as journal:
        n = 0
        while True:
            for _ in range(1 + n % 7):
                n += 1
                fact = OrderEvent(order_id=f"TB{n}", type=OrderEventType.SENDING, at=n, reason="x" * (n % 3000))
                ticket = journal.append("order", fact, at=n)
            await journal.wait_durable()
            print(ticket, flush=True)

asyncio.run(main())
"""


def acknowledged_before_kill(state_dir: Path, lines: int) -> int:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(state_dir)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for _ in range(lines):
            last = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    whole = [line for line in (last, *rest) if line.endswith("\n")]
    return int(whole[-1])


@pytest.mark.parametrize("lines", [1, 40, 333])
async def test_no_acknowledged_row_is_lost_when_the_writer_is_killed(tmp_path: Path, lines: int) -> None:
    acknowledged = await asyncio.to_thread(acknowledged_before_kill, tmp_path, lines)

    path = tmp_path / FILE_NAME
    found = [row.message for row in read_rows(path)]
    assert len(found) >= acknowledged
    assert [m.order_id for m in found if isinstance(m, OrderEvent)] == [f"TB{i + 1}" for i in range(len(found))]
    assert verify_chain(path).is_intact

    await write(tmp_path, ("run", run("next")), run_id="next")
    after = verify_chain(path)
    assert after.is_intact
    assert after.rows == len(found) + 1
