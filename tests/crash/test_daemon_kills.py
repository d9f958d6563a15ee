"""kill -9 of the whole daemon under load over real sockets, at seeded times, on one state directory; then the checker.

TRADEBOT_KILLS=n kills n times instead of four.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradebot.checker.promises import judge
from tradebot.checker.verdict import Ruling

STRATEGY = """
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy


class Restless(Strategy):
    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=bars.close > bars.open, exit_long=bars.close < bars.open)
"""
KILLS = int(os.environ.get("TRADEBOT_KILLS", "0")) or 4
SYMBOLS = "RELIANCE,TCS,INFY,SBIN,ITC,HDFCBANK,ICICIBANK,AXISBANK"
pytestmark = pytest.mark.timeout(120 + 10 * KILLS)


class Process:
    """A `tradebot` process; `says` waits for an event among its log lines."""

    def __init__(self, *args: str) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")}
        command = [sys.executable, "-m", "tradebot", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        assert self.process.stdout is not None
        self.out = self.process.stdout

    def line(self) -> bytes:
        line = self.out.readline()
        assert line, self.process.communicate()[1].decode()[-2000:]
        return line

    def says(self, event: str) -> dict[str, Any]:
        while True:
            line: dict[str, Any] = json.loads(self.line())
            if line["event"] == event:
                return line

    def runs_for(self, seconds: float) -> None:
        """Let it run on; nobody waits for anything, which is the point of a kill at a random time."""
        select.select([], [], [], seconds)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Path]:
    log, ready = tmp_path / "exchange.jsonl", tmp_path / "ready.json"
    process = Process("exchange", "--symbols", SYMBOLS, "--speed", "120", "--seed", "7", "--log", str(log),
                      "--at", "2026-11-23T09:15")  # fmt: skip
    ready.write_bytes(process.line())
    yield ready
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def daemon(ready: Path) -> Process:
    state, strategy, config = (ready.with_name(name) for name in ("state", "restless.py", "config.toml"))
    strategy.write_text(STRATEGY)
    config.write_text("[analysis]\nwarmup_bars = 0\n[risk]\nduplicate_window_s = 0.1\n")
    return Process("run", "-c", str(config), "--symbols", SYMBOLS, "--exchange", str(ready), "--state-dir", str(state),
                   "--strategy", f"{strategy}:Restless", "--workers", "0", "--log-format", "json")  # fmt: skip


def test_a_daemon_killed_at_any_time_sends_nothing_twice_and_loses_no_fill(exchange: Path) -> None:
    random = np.random.default_rng(2)
    for number in range(KILLS):
        process = daemon(exchange)
        if number % 4 == 3:
            process.says("daemon_started")  # a second kill, during recovery
            process.runs_for(float(random.uniform(0.0, 0.4)))
        else:
            process.says("order_submitted" if number % 2 else "ready")
            process.runs_for(float(random.uniform(0.0, 0.3)))
        process.end(signal.SIGKILL)
    last = daemon(exchange)
    last.says("order_filled")
    assert last.end(signal.SIGTERM) == 0
    verdicts = judge(exchange.with_name("state") / "journal.sqlite3", against=exchange.with_name("exchange.jsonl"))
    assert [v for v in verdicts if v.ruling is Ruling.BROKEN] == []
    shown = {v.promise for v in verdicts if v.ruling is Ruling.OK}
    assert {"I1", "I2", "I4", "I5", "I8", "I9", "I12", "I13", "I14", "I25"} <= shown
