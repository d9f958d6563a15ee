"""The broker of a reader who goes live, rehearsed: an exchange of this machine, a daemon, a person at a browser."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from tests.stories.kite_person import API_KEY, API_SECRET, KEY_OPTIONS, Person, free_port
from tradebot.errors import ExitCode

CONFIG = """
[app]
mode = "live"
symbols = ["RELIANCE", "TCS"]
state_dir = "rehearsal"
[venue]
name = "kite"
[kite]
rest = "http://127.0.0.1:{port}"
ticker = "ws://127.0.0.1:{port}"
account_id = "SIM001"
redirect_url = "http://127.0.0.1:{callback}/kite"
[analysis]
workers = 0
"""
PATIENCE_S = 20.0


class RehearsedBroker:
    """An exchange and a config that points at it, in `folder`; `program` is the command `tradebot`."""

    def __init__(self, folder: Path, program: Path, environment: dict[str, str]) -> None:
        self.port, self.callback = free_port(), free_port()
        config = folder / "rehearsal.toml"
        config.write_text(CONFIG.format(port=self.port, callback=self.callback))
        self.environment = environment | {
            "TRADEBOT_CONFIG": str(config),
            "TRADEBOT_KITE__API_KEY": API_KEY,
            "TRADEBOT_KITE__API_SECRET": API_SECRET,
        }
        self.person = Person(f"http://127.0.0.1:{self.port}")
        self._folder, self._program = folder, program
        self._daemon: subprocess.Popen[bytes] | None = None
        self._exchange = self._begin(
            "exchange", "--symbols", "RELIANCE,TCS", "--at", "2026-11-23T09:20", "--port", str(self.port),
            "--redirect-url", f"http://127.0.0.1:{self.callback}/kite", *KEY_OPTIONS,
        )  # fmt: skip
        assert self._exchange.stdout is not None
        assert json.loads(self._exchange.stdout.readline())

    def begin_daemon(self) -> None:
        """Start the daemon, which needs a login or has one of before; return once it answers."""
        if self._daemon is None:
            self._daemon = self._begin("run", "--yes")
            self._until_answered()

    def end_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(PATIENCE_S)
            self._daemon = None

    def log_in(self) -> None:
        """Log in by the redirected address, so that a login of today is kept."""
        self.begin_daemon()
        done = self._ask("login", "kite", self._pressed()[1])
        assert done.returncode == 0, done.stderr

    def filled_in(self, line: str) -> str:
        """Return a line with the address or the token of a login that a person has just made, where it wants one."""
        if "ADDRESS" in line or "request_token=..." in line:
            shown = "ADDRESS" if "ADDRESS" in line else "http://127.0.0.1:8790/kite?request_token=..."
            return line.replace(shown, self._pressed()[1])
        return line.replace("--request-token TOKEN", f"--request-token {self._pressed()[0]}")

    def come_back(self) -> threading.Thread:
        """Let the browser come back to the command that waits for it, as soon as it does."""
        browser = threading.Thread(target=self._come_back, daemon=True)
        browser.start()
        return browser

    def close(self) -> None:
        self.end_daemon()
        self._exchange.terminate()
        self._exchange.communicate(timeout=PATIENCE_S)

    def _pressed(self) -> tuple[str, str]:
        # Commands follow each other faster than a person types, so the broker's rate limit is met now and then.
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.person.press_login()
            except urllib.error.HTTPError as refused:
                if refused.code != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > until:
                    raise
                threading.Event().wait(0.2)

    def _come_back(self) -> None:
        address, until = self._pressed()[1], time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(address, timeout=PATIENCE_S):
                    return
            except urllib.error.URLError:
                threading.Event().wait(0.05)

    def _until_answered(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while self._ask("status", "--check").returncode == ExitCode.UNAVAILABLE:
            assert time.monotonic() < until, "no daemon came up"

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._program), *words], cwd=self._folder, env=self.environment, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def _begin(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._program), *words], cwd=self._folder, env=self.environment | {"FOR_GOOD": "1"},
            stdout=subprocess.PIPE if words[0] == "exchange" else subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
