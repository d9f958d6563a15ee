"""The real command in a real process: its log lines as objects, ways to wait for one, to stop it and to kill it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Said(NamedTuple):
    """What a finished process left: its exit code, its log lines as objects, and what it wrote to standard error."""

    code: int
    lines: list[dict[str, Any]]
    errors: str

    def all(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def one(self, event: str) -> dict[str, Any]:
        found = self.all(event)
        assert len(found) == 1, f"{len(found)} lines say {event}"
        return found[0]


class Daemon:
    """A running `tradebot` process; `until` waits for a log line, `stop` and `kill` end it."""

    def __init__(self, *args: str, env: dict[str, str] | None = None, module: str = "tradebot") -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")} | (env or {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.lines: list[dict[str, Any]] = []

    def until(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read log lines until one matches; the process ending first is a failure."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text)
            self.lines.append(line)
            if matches(line):
                return line
        _, errors = self.process.communicate()
        raise AssertionError(f"the process ended before: {errors[-2000:]} {self.lines[-3:]}")

    def event(self, name: str) -> dict[str, Any]:
        return self.until(lambda line: line.get("event") == name)

    def stop(self, within_s: float = 10.0) -> Said:
        self.process.send_signal(signal.SIGTERM)
        return self.wait(within_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def wait(self, within_s: float) -> Said:
        out, errors = self.process.communicate(timeout=within_s)
        self.lines += [json.loads(text) for text in out.splitlines()]
        return Said(self.process.returncode, self.lines, errors)
