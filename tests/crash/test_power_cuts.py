"""Power cuts: every write and sync of a real writer as the kernel saw them, and the disks that could be left.

A disk holds what was synced whole; of each later write any 512-byte sectors. Needs strace. TRADEBOT_KILLS=n: n images.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tradebot.checker.evidence import read_evidence
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus
from tradebot.journal.recovery import recover_state
from tradebot.journal.schema import FILE_NAME

IMAGES = int(os.environ.get("TRADEBOT_KILLS", "0")) or 500
SECTOR = 512
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from tradebot.clock import WallClock
from tradebot.domain.order import OrderEvent, OrderEventType, OrderKind, OrderRequest, Side
from tradebot.journal import journal_file, schema, writer
from tradebot.journal.rows import RunRecord

journal_file.CHECKPOINT_PAGES = 8
schema.WAL_BYTES = 1 << 16
if sys.argv[2] == "NORMAL":
    durable = schema._set_durable
    def less(connection, path):
        durable(connection, path)
        connection.execute("PRAGMA synchronous=NORMAL")
    schema._set_durable = less

async def main():
    async with writer.Journal(Path(sys.argv[1]), run="cut", clock=WallClock()) as journal:
        journal.append("run", RunRecord(run_id="cut", mode="paper", account="A"), at=0)
        n = 0
        for i in range(24):
            for _ in range(1 + i % 5):
                n += 1
                wish = OrderRequest(order_id=f"TB{n}", symbol="X", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET,
                                    quantity=1, reason="x" * (n * 577 % 9000))
                fact = OrderEvent(order_id=f"TB{n}", type=OrderEventType.INTENT, at=n, request=wish)
                ticket = journal.append("order", fact, at=n)
            await journal.wait_durable()
            os.write(1, f"acknowledged {ticket}\\n".encode())

asyncio.run(main())
"""
LINE = re.compile(r"^(\d+) +(pwrite64|write|fsync|fdatasync|ftruncate)\((\d+)<([^>]*)>(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>")

pytestmark = [
    pytest.mark.timeout(120 + IMAGES // 20),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


class Write(NamedTuple):
    """One write as it was issued; `at` its place among all."""

    at: int
    name: str
    offset: int
    data: bytes


class Tape:
    """What a writer did to its files. `syncs` are (place, file, place of the sync's begin), `acks` (place, row)."""

    def __init__(self, text: str) -> None:
        self.writes: list[Write] = []
        self.syncs: list[tuple[int, str, int]] = []
        self.acks: list[tuple[int, int]] = []
        self.places = 0
        sizes: dict[str, int] = {}
        pending: dict[str, tuple[str, int]] = {}
        for line in text.splitlines():
            self.places += 1
            if (resumed := RESUMED.match(line)) and resumed[1] in pending:
                self.syncs.append((self.places, *pending.pop(resumed[1])))
            if (found := LINE.match(line)) is None:
                continue
            pid, call, fd, path, rest = found.groups()
            name = Path(bytes.fromhex(path.replace("\\x", "")).decode()).name
            if call in ("fsync", "fdatasync"):
                if "unfinished" in rest:
                    pending[pid] = name, self.places
                else:
                    self.syncs.append((self.places, name, self.places))
            elif call in ("write", "pwrite64"):
                data = bytes.fromhex(rest.split('"')[1].replace("\\x", ""))
                if fd == "1":
                    self.acks.append((self.places, int(data.split()[1])))
                elif name in (FILE_NAME, FILE_NAME + "-wal"):
                    at = rest.rpartition('", ')[2].split(")")[0].split(" <")[0].split(", ")  # length and place
                    offset = sizes.get(name, 0) if call == "write" else int(at[1])
                    sizes[name] = max(sizes.get(name, 0), offset + len(data))
                    self.writes.append(Write(self.places, name, offset, data))

    def acknowledged(self, cut: int) -> int:
        return max((row for place, row in self.acks if place <= cut), default=0)

    def image(self, cut: int, folder: Path, random: np.random.Generator) -> None:
        """Write the files that a cut at `cut` could leave."""
        files: dict[str, bytearray] = {}
        for write in self.writes:
            if write.at > cut:
                break
            is_safe = any(write.at < begun and done <= cut for done, name, begun in self.syncs if name == write.name)
            content = files.setdefault(write.name, bytearray())
            share = 1.0 if is_safe else random.choice([0.0, 0.5, 0.9, 1.0])
            for start in range(0, len(write.data), SECTOR):
                if share < 1.0 and random.random() >= share:
                    continue
                sector = write.data[start : start + SECTOR]
                end = write.offset + start + len(sector)
                content.extend(bytes(max(0, end - len(content))))
                content[write.offset + start : end] = sector
        for name, content in files.items():
            (folder / name).write_bytes(content)


def record(folder: Path, synchronous: str) -> Tape:
    out = folder / f"{synchronous}.txt"
    calls = "trace=pwrite64,write,fsync,fdatasync"
    command = ["strace", "-f", "-y", "-xx", "-s", "200000", "-e", calls, "-o", str(out), sys.executable, "-c", PROGRAM]
    done = subprocess.run([*command, str(folder / synchronous), synchronous], capture_output=True, check=False)
    if done.returncode != 0 and b"ptrace" in done.stderr.lower():
        pytest.skip("this machine does not let a process be traced")
    assert done.returncode == 0, done.stderr.decode()
    return Tape(out.read_text())


def faults(tape: Tape, folder: Path, images: int) -> list[str]:
    random = np.random.default_rng(5)
    first = tape.acks[0][0]
    found = []
    for number in range(images):
        cut = int(random.integers(first, tape.places + 1))
        disk = folder / "disk"
        shutil.rmtree(disk, ignore_errors=True)
        disk.mkdir()
        tape.image(cut, disk, random)
        path, acknowledged = disk / FILE_NAME, tape.acknowledged(cut)
        rows = len(read_evidence(path).journal.cells)
        (chain,) = (v for v in judge_records(path) if v.promise == "I25")
        if rows < acknowledged:
            found.append(f"image {number} at {cut} lost rows {rows + 1} to {acknowledged}")
        elif chain.status is PromiseStatus.BROKEN:
            found.append(f"image {number} at {cut}: {chain.evidence}")
        else:
            assert recover_state(path).rows == rows
    return found


def test_no_power_cut_loses_an_acknowledged_row_or_breaks_the_chain(tmp_path: Path) -> None:
    tape = record(tmp_path, "FULL")
    assert len(tape.acks) == 24
    names = {name for _, name, _ in tape.syncs}
    assert {FILE_NAME, FILE_NAME + "-wal"} <= names, "the log was written and copied"
    assert faults(tape, tmp_path, IMAGES) == []


def test_a_writer_that_syncs_less_is_found_out(tmp_path: Path) -> None:
    assert faults(record(tmp_path, "NORMAL"), tmp_path, 40)
