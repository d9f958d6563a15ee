"""kill -9 of the whole daemon under load over real sockets, at seeded times, on one state directory; then the checker.

Two campaigns at once, each with an exchange and a journal of its own. TRADEBOT_KILLS=n: n kills of each.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus

STRATEGY = """
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy


class Restless(Strategy):
    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=bars.close > bars.open, exit_long=bars.close < bars.open)
"""
CONFIG = """
[analysis]
warmup_bars = 0
[risk]
duplicate_window_s = 0.1
max_crashes = 0
[execution]
chase = "modify"
"""
CAMPAIGNS = 2
KILLS = int(os.environ.get("TRADEBOT_KILLS", "0")) or 30
SYMBOLS = "RELIANCE,TCS,INFY,SBIN,ITC,HDFCBANK,ICICIBANK,AXISBANK"
SHOWN = {"I1", "I2", "I4", "I5", "I8", "I9", "I12", "I13", "I14", "I25"}
pytestmark = pytest.mark.timeout(300 + 20 * KILLS)


class Zygote:
    """The process that forks the others of one campaign, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lives = folder, 0
        env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")}
        env |= {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip

    def begin(self, *args: str) -> Life:
        self.lives += 1
        fifo = self.folder / f"out-{self.lives}"
        os.mkfifo(fifo)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"args": args, "out": str(fifo)}) + "\n")
        self.process.stdin.flush()
        return Life(self, int(self.line()), fifo)

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the zygote is gone"
        return line

    def close(self) -> None:
        self.process.communicate()


class Life:
    """One forked `tradebot`; `says` waits for an event among its log lines."""

    def __init__(self, zygote: Zygote, pid: int, fifo: Path) -> None:
        self.zygote, self.pid = zygote, pid
        self.out: IO[bytes] = fifo.open("rb")

    def line(self) -> bytes:
        line = self.out.readline()
        assert line, "it ended by itself; its standard error tells why"
        return line

    def says(self, event: str) -> dict[str, Any]:
        while True:
            line: dict[str, Any] = json.loads(self.line())
            if line["event"] == event:
                return line

    def runs_for(self, seconds: float) -> None:
        """Let it run on without waiting for anything: the kill comes at a random time."""
        select.select([], [], [], seconds)

    def end(self, number: int) -> int:
        """Send a signal, read what it still says, and return how it ended: minus the signal, or its exit code."""
        os.kill(self.pid, number)
        while self.out.read(1 << 16):
            pass
        self.out.close()
        return os.waitstatus_to_exitcode(int(self.zygote.line()))


def daemon(zygote: Zygote, ready: Path) -> Life:
    return zygote.begin(
        "run", "-c", str(zygote.folder / "config.toml"), "--symbols", SYMBOLS, "--exchange", str(ready),
        "--state-dir", str(zygote.folder / "state"), "--strategy", f"{zygote.folder / 'restless.py'}:Restless",
        "--workers", "0", "--log-format", "json",
    )  # fmt: skip


def campaign(folder: Path, seed: int) -> None:
    folder.mkdir()
    (folder / "restless.py").write_text(STRATEGY)
    (folder / "config.toml").write_text(CONFIG)
    log, ready = folder / "exchange.jsonl", folder / "ready.json"
    market, killed = Zygote(folder), Zygote(folder)
    market.lives = 1_000_000  # names of its own
    exchange = market.begin("exchange", "--symbols", SYMBOLS, "--speed", "60", "--seed", str(seed), "--log", str(log),
                            "--at", "2026-11-23T09:15")  # fmt: skip
    try:
        ready.write_bytes(exchange.line())
        random = np.random.default_rng(seed)
        for number in range(KILLS):
            life = daemon(killed, ready)
            # In every other life during the start, which is recovery; else under load.
            life.says(("daemon_started", "trading_started", "daemon_started", "order_submitted")[number % 4])
            life.runs_for(float(random.uniform(0.0, 0.3)))
            assert life.end(signal.SIGKILL) == -signal.SIGKILL
        last = daemon(killed, ready)
        last.says("order_filled")
        assert last.end(signal.SIGTERM) == 0
    finally:
        exchange.end(signal.SIGKILL)
        market.close()
        killed.close()
    verdicts = judge_records(folder / "state" / "journal.sqlite3", against=log)
    assert [v for v in verdicts if v.status is PromiseStatus.BROKEN] == []
    assert {v.promise for v in verdicts if v.status is PromiseStatus.OK} >= SHOWN


def test_a_daemon_killed_at_any_time_sends_nothing_twice_and_loses_no_fill(tmp_path: Path) -> None:
    with ThreadPoolExecutor(CAMPAIGNS) as pool:
        for done in [pool.submit(campaign, tmp_path / str(seed), seed) for seed in range(2, 2 + CAMPAIGNS)]:
            done.result()
