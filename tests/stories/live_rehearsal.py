"""A live run rehearsed at an exchange of this machine: its folder, the exchange in the broker's place, its person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.stories.kite_person import API_KEY, API_SECRET, KEY_OPTIONS, Person, free_port
from tests.stories.real_process import Daemon

SYMBOLS = "RELIANCE,TCS,INFY"
KEYS = {"TRADEBOT_KITE__API_KEY": API_KEY, "TRADEBOT_KITE__API_SECRET": API_SECRET}
CONFIG = """
[app]
mode = "{mode}"
symbols = {symbols}
[venue]
name = "kite"
[kite]
rest = "http://127.0.0.1:{port}"
ticker = "ws://127.0.0.1:{port}"
account_id = "SIM001"
redirect_url = "http://127.0.0.1:{callback}/kite"
[analysis]
workers = 0
warmup_bars = 20
[[strategy]]
name = "{folder}/trader.py:Trader"
"""


def run_verb(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of the operator on a state directory, with the keys of the app."""
    return subprocess.run(
        [sys.executable, "-m", "tradebot", *words, "--state-dir", str(state)],
        capture_output=True, text=True, timeout=30, check=False, env=dict(os.environ) | KEYS,
    )  # fmt: skip


class Rehearsal:
    """One folder, from empty; `start` is the fixture that starts processes of the test."""

    def __init__(self, start: Any, folder: Path, *, trader: str, symbols: str = SYMBOLS, mode: str = "live") -> None:
        self._start, self.folder, self._symbols = start, folder, symbols
        self.port, self.callback = free_port(), free_port()
        self.log, self.journal = folder / "exchange.jsonl", folder / "state/journal.sqlite3"
        self.config = folder / "config.toml"
        (folder / "trader.py").write_text(trader)
        (folder / "trader.py").chmod(0o600)
        folder.chmod(0o700)
        self.write_config(mode)
        self.person = Person(f"http://127.0.0.1:{self.port}")
        self._exchange: Daemon | None = None

    def write_config(self, mode: str) -> None:
        listed = json.dumps(self._symbols.split(","))
        self.config.write_text(
            CONFIG.format(mode=mode, symbols=listed, port=self.port, callback=self.callback, folder=self.folder)
        )

    def open_exchange(self, at: str, *, speed: float, options: tuple[str, ...] = ()) -> None:
        """Open the exchange of a day; a later one goes on with the account of the one before."""
        resumed = ("--resume",) if self.log.exists() else ()
        self._exchange = self._start(
            "--symbols", self._symbols, "--seed", "7", "--log", str(self.log), "--speed", str(speed), "--at", at,
            "--port", str(self.port), "--redirect-url", f"http://127.0.0.1:{self.callback}/kite", *KEY_OPTIONS,
            *resumed, *options, verb="exchange",
        )  # fmt: skip
        assert self._exchange.process.stdout is not None
        assert self._exchange.process.stdout.readline()

    def close_exchange(self) -> None:
        assert self._exchange is not None
        self._exchange.process.terminate()
        self._exchange.process.communicate(timeout=20)

    def run(self, *options: str) -> Daemon:
        daemon: Daemon = self._start("--config", str(self.config), "--yes", *options, env=KEYS)
        return daemon

    def run_logged_in(self) -> Daemon:
        """Start the daemon, and log in when it asks for it."""
        daemon = self.run()
        daemon.event("login_needed")
        self.log_in()
        return daemon

    def verb(self, *words: str) -> tuple[int, str]:
        """Run a verb of the operator; returns its exit code and what it printed."""
        done = run_verb(self.folder / "state", *words)
        return done.returncode, done.stdout if "--json" in words else done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        """Return what `tradebot status --json` prints."""
        code, said = self.verb("status", "--json")
        assert code == 0, said
        found: dict[str, Any] = json.loads(said)
        return found

    def await_close(self) -> None:
        """Wait until the market of the day is closed, and with it what was open."""
        assert any(not self.status()["session"]["is_open"] for _ in range(100)), "the market does not close"

    def log_in(self) -> str:
        """Log in at the page, and give the daemon the address to which the browser was sent."""
        code, said = self.verb("login", "kite", self.person.press_login()[1])
        assert code == 0, said
        return said

    def log_in_by_browser(self) -> str:
        """Log in as on a machine with a browser: the command waits, the browser comes back to it."""
        waiting = subprocess.Popen(
            [sys.executable, "-m", "tradebot", "login", "kite", "--no-browser", "--state-dir",
             str(self.folder / "state")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert waiting.stderr is not None
        while "waiting at" not in waiting.stderr.readline():
            assert waiting.poll() is None
        address = self.person.press_login()[1]
        with urllib.request.urlopen(address, timeout=10) as page:
            assert "Logged in" in page.read().decode()
        out, errors = waiting.communicate(timeout=20)
        assert waiting.returncode == 0, errors
        return out

    def requests(self, *methods: str) -> list[dict[str, Any]]:
        """Return the order requests (POST, PUT, DELETE of /orders) that the exchange had so far."""
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        wanted = methods or ("POST", "PUT", "DELETE")
        return [r for r in rows if r["kind"] == "request" and r["method"] in wanted and "/orders" in r["path"]]
