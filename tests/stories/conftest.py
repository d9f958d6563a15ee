"""Daemons of the test's own, each with its state directory; they end with the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories.real_process import Daemon


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Start `tradebot run` (or another verb) with a state directory of the test's own; ended with the test."""
    started: list[Daemon] = []

    def begin(*args: str, verb: str = "run", env: dict[str, str] | None = None) -> Daemon:
        common = ("--state-dir", str(tmp_path / "state"), "--log-format", "json") if verb == "run" else ()
        started.append(Daemon(verb, *common, *args, env=env))
        return started[-1]

    yield begin
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.kill()
