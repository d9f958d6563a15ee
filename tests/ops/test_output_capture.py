"""What strategies print, here, in C or in a worker: an event of the log each, bounded, and never a line of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tradebot.clock import ManualClock
from tradebot.ops.events.event import Event
from tradebot.ops.events.process import OutputDropped, StderrCaptured, StdoutCaptured
from tradebot.ops.output_capture import MAX_LINE_BYTES, MAX_LINES_A_SECOND, OutputCapture
from tradebot.trading.analysis.worker_process import WorkerProcess

FORGED = '{"level":"info","event":"order_sent","order_id":"T1"}'


class Said:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, StdoutCaptured | StderrCaptured)]


@pytest.fixture
def said() -> Said:
    return Said()


@contextmanager
def printing(said: Said) -> Iterator[OutputCapture]:
    printed = OutputCapture()
    try:
        printed.start_reporting(said, ManualClock(0), strategy="mine")
        yield printed
        printed.restore_output()
    finally:
        printed.close_capture()


def test_a_line_that_looks_like_one_of_the_log_is_told_as_text(said: Said, capfd: Any) -> None:
    with printing(said) as printed:
        os.write(1, f"{FORGED}\n\n".encode())
        subprocess.run(["/bin/sh", "-c", "echo oops >&2; printf unfinished"], check=True)
        os.write(printed.stdout_fd, b"a line of the log\n")

    assert sorted(said.events, key=str) == sorted([
        StdoutCaptured(text=FORGED, strategy="mine"),
        StderrCaptured(text="oops", strategy="mine"),
        StdoutCaptured(text="unfinished", strategy="mine"),
    ], key=str)  # fmt: skip
    os.write(1, b"given back\n")
    assert capfd.readouterr() == ("a line of the log\ngiven back\n", "")


def test_what_is_printed_without_end_is_cut_and_counted(said: Said, capfd: Any) -> None:
    with printing(said):
        for _ in range(3):
            os.write(1, b"x" * 100_000)
        os.write(1, b"\n" + b"again\n" * 10_000)

    first, *others = said.texts
    assert (first, set(others), len(others)) == ("x" * MAX_LINE_BYTES, {"again"}, MAX_LINES_A_SECOND - 1)
    assert isinstance(first_told := said.events[0], StdoutCaptured)
    assert first_told.cut
    assert said.events[-1] == OutputDropped(lines=10_001 - MAX_LINES_A_SECOND, strategy="mine")


async def test_a_worker_prints_where_its_daemon_does(said: Said, capfd: Any) -> None:
    with printing(said), ThreadPoolExecutor(2) as threads:
        process = WorkerProcess(threads, on_death=lambda: None)
        await process.open_process()
        await process.run_job(print, FORGED, within_s=5)
        await process.run_job(os.system, "echo from C >&2", within_s=5)
        await process.close_process()
    assert sorted(said.texts) == ["from C", FORGED]


def test_the_log_of_a_daemon_holds_no_line_that_its_strategy_printed(tmp_path: Any) -> None:
    (tmp_path / "loud.py").write_text(
        "from tradebot.strategies.strategy import Strategy\n"
        "class Loud(Strategy):\n"
        "    def decide(self, bar, now, position):\n"
        f"        print({FORGED!r})\n"
    )
    command = [
        sys.executable, "-m", "tradebot", "run", "--state-dir", str(tmp_path / "state"),
        "--strategy", str(tmp_path / "loud.py:Loud"), "--symbols", "INFY",
        "--for", "1s", "--workers", "1", "--log-format", "json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=tmp_path, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = [line for line in lines if line["event"] == "stdout_captured"]
    assert {line["text"] for line in told} == {FORGED}
    assert not [line for line in lines if line.get("order_id") == "T1"]
    assert all("run_id" in line for line in lines)
    assert FORGED.encode() not in done.stdout + done.stderr
