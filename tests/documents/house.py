"""A reader's folder: what the documents say is there is there, and `tradebot` is the real command in a warm process."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.documents.typed import ROOT
from tests.documents.warm import CLIENT
from tradebot.backtest.sample import sample_bars
from tradebot.clock import format_iso
from tradebot.control.checkup import NOT_TRADING
from tradebot.errors import ExitCode

# A reader looks on for a minute, or measures for one. Nothing else of a command is changed.
SHORTER = {
    "run": ["--for", "1s"],
    "exchange": ["--for", "10s"],
    "exchange --port": ["--for", "500ms", "--port", "0"],
    "exchange --plan": ["--for", "500ms"],
    "exchange --demat-consent": ["--for", "500ms"],
    "exchange --faults": ["--for", "500ms"],
    "data download": ["--symbols", "RELIANCE", "--from", "2026-01-20"],
    "bench": ["--symbols", "5", "--latency", "1ms"],
    "bench ticks": ["--symbols", "50", "--for", "1s"],
    "bench orders": ["--rates", "100", "--for", "1s", "--turns", "1"],
    "bench api": ["--for", "1s", "--pairs", "1"],
    "bench start": ["--repeats", "1"],
    "bench burst": ["--symbols", "50", "--bursts", "2", "--full", "1"],
    "bench cycle": ["--symbols", "5", "--repeats", "1", "--latency", "1ms"],
    "bench backtest": ["--bars", "5000", "--symbols", "2", "--bars-each", "100", "--repeats", "1"],
    "bench sweep": ["--trials", "10", "--bars", "1000"],
    "bench startup": ["--symbols", "20", "--bars", "60", "--repeats", "1"],
    "bench warmup": ["--symbols", "9", "--latency", "1ms"],
    "bench fetch": ["--symbols", "10", "--latency", "1ms"],
    "bench indicators": ["--symbols", "10", "--repeats", "1"],
    "bench pool": ["--symbols", "10", "--repeats", "1"],
    "bench history": ["--symbols", "2", "--bars", "1000"],
}
# The recipe of a target, with what it would run from its environment.
MAKE = """#!/bin/bash
plan=$({make} --no-print-directory -n -C {root} "$@") || exit
command=$(sed -n 's/^exec \\.venv\\/bin\\///p' <<< "$plan")
[ -n "$command" ] || {{ echo "no command of this program in: $plan" >&2; exit 70; }}
exec bash -c "$command"
"""
LISTS = "pnl|signals|risk|session|symbols|strategies|pause|unpause"
BESIDE = re.compile(
    rf"tradebot (?:status|halt|resume|reload|flatten|kill|{LISTS}|\w+ --running)\b"
)  # wants a daemon that runs


class Said(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    errors: str


class House:
    """A folder in which commands are typed one after the other; a context manager."""

    def __init__(self, place: Path) -> None:
        self.folder, self._bin, self._number = place / "tradebot", place / "bin", 0
        self._daemon: subprocess.Popen[bytes] | None = None
        self._said = place / "said"
        for folder in (self.folder, self._bin, self._said, place / "runtime"):
            folder.mkdir()
        self._environment = {
            "PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(place / "runtime"), "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self._address = str(place / "warm")

    def __enter__(self) -> House:
        self._programs()
        self._files()
        self._warm = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py")), self._address, json.dumps(SHORTER)],
            env=self._environment, cwd=self.folder, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._warm.stdout is not None
        assert self._warm.stdout.readline() == b"warm\n"
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._warm.pid, signal.SIGKILL)
        self._warm.communicate()

    def type(self, line: str) -> Said:
        """Run a line as a shell does, with a daemon beside it where it wants one."""
        if BESIDE.search(line):
            self._begin_daemon("--symbols", "RELIANCE,TCS")
        else:
            self._end_daemon()
        return self._shell(line.replace("ORDER_ID", self._order() if "ORDER_ID" in line else ""))

    def python(self, name: str, text: str) -> Said:
        """Keep a program under a name and run it."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return self._shell(f"{sys.executable} {name}")

    def _shell(self, line: str) -> Said:
        # Into files: a pipe would be waited for until what goes on in the background lets go of it.
        self._number += 1
        out, errors = (self._said / f"{self._number}.{name}" for name in ("out", "err"))
        person, terminal = pty.openpty()
        os.write(person, b"y\n")  # to what asks first
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", line], cwd=self.folder, env=self._environment,
                stdin=terminal, stdout=stdout, stderr=stderr, check=False, timeout=100,
            )  # fmt: skip
        os.close(person)
        os.close(terminal)
        return Said(done.returncode, out.read_text(errors="replace"), errors.read_text(errors="replace"))

    def _order(self) -> str:
        self._begin_daemon("--symbols", "RELIANCE,TCS,INFY,SBIN,ITC,LT", "--speed", "600")
        found: list[dict[str, str]] = []
        for _ in range(100):
            if found := json.loads(self._shell("tradebot orders --json").out):
                break
        self._end_daemon()
        return found[0]["order_id"]

    def _begin_daemon(self, *options: str) -> None:
        if self._daemon is not None:
            return
        self._daemon = subprocess.Popen(
            ["tradebot", "run", *options], cwd=self.folder,
            env=self._environment | {"FOR_GOOD": "1"}, executable=str(self._bin / "tradebot"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # A start answers before it trades, and takes no command for the desk until then.
        starting = {ExitCode.UNAVAILABLE, NOT_TRADING}
        up = any(self._shell("tradebot status --check").code not in starting for _ in range(200))
        assert up, "no daemon came up"

    def _end_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(20)
            self._daemon = None
            self._shell("tradebot resume")

    def _programs(self) -> None:
        found = shutil.which("make")
        assert found is not None, "make is not installed"
        programs = {
            "tradebot": CLIENT.format(python=sys.executable, address=self._address),
            "make": MAKE.format(make=found, root=ROOT),
        }
        if shutil.which("jq") is None:
            programs["jq"] = "#!/bin/sh\ncat > /dev/null\n"
        for name, text in programs.items():
            path = self._bin / name
            path.write_text(text)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def _files(self) -> None:
        (self.folder / ".venv/bin").mkdir(parents=True)
        (self.folder / ".venv/bin/activate").write_text(f"export PATH={self._bin}:$PATH\n")
        shutil.copy(ROOT / "config.toml", self.folder)
        for name in ("bars", "FOLDER"):
            (self.folder / name).mkdir()
        _, bars = sample_bars(("RELIANCE", "TCS"), days=7)
        for symbol, series in bars.items():
            prices = zip(series.starts, series.open, series.high, series.low, series.close, series.volume, strict=True)
            rows = [
                f"{format_iso(int(start))[:19]}+00:00,"
                + ",".join(f"{price / 100:.2f}" for price in four)
                + f",{volume}"
                for start, *four, volume in prices
            ]
            text = "\n".join(["ts,open,high,low,close,volume", *rows, ""])
            (self.folder / f"bars/{symbol}.csv").write_text(text)
        ticks = [
            f"2026-06-25 09:{15 + second // 60:02d}:{second % 60:02d},{1400 + second % 7},10" for second in range(1_800)
        ]
        (self.folder / "FOLDER/RELIANCE.csv.gz").write_bytes(
            gzip.compress("\n".join(["timestamp,ltp,volume", *ticks, ""]).encode())
        )
        (self.folder / "symbols.txt").write_text("RELIANCE\n")
