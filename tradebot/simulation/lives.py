"""The lives of a session's daemon: its processes one after another, and the files that each leaves to the next."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path
from typing import Any

from tradebot.journal.lock import StateLock
from tradebot.journal.schema import FILE_NAME
from tradebot.ops.events.event import Event
from tradebot.simulation.disk import SimulatedHand
from tradebot.simulation.output import SimulatedOutput
from tradebot.simulation.process import Process
from tradebot.simulation.scenario import Scenario


class Lives:
    """The daemon's processes so far; `hand`, `output` and `known` belong to the last one that came to run.

    `known` are the addresses, with their token, that it was given; `was_ready` tells whether it came to trade.
    """

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.is_over = False  # no other follows
        self.hand: SimulatedHand | None = None
        self.output: SimulatedOutput | None = None
        self.known: dict[str, Any] = {}
        self.was_ready = False

    @property
    def last(self) -> Process | None:
        return self.processes[-1] if self.processes else None

    def begin(self) -> Process:
        """Return the process of another life."""
        self.processes.append(Process(f"daemon-{len(self.processes)}"))
        return self.processes[-1]

    def run_on(self, hand: SimulatedHand, output: SimulatedOutput, known: dict[str, Any]) -> None:
        """Hear what the life that begins to run has below it."""
        self.hand, self.output, self.known, self.was_ready = hand, output, known, False

    def note_ready(self, _: Event) -> None:
        """Hear that the life that is came to trade."""
        self.was_ready = True

    def terminate(self) -> None:
        """Ask the life that is to stop, if it hears such a signal."""
        if self.last is not None and self.last.is_alive and signal.SIGTERM in self.last.signals:
            self.last.signal(signal.SIGTERM)


class StateFolders:
    """The state folders in `folder`, one more with each crash; `config` is the daemon's, on the newest of them."""

    def __init__(self, scenario: Scenario, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.folder, self.config = folder, scenario.config(folder / "state-0")
        self._scenario, self._loop = scenario, loop
        self._locked_s = 0.0

    @property
    def newest(self) -> Path:
        return self.config.app.state_dir

    @property
    def journal(self) -> Path:
        return self.newest / FILE_NAME

    def hold_lock(self, seconds: float) -> None:
        """Let another process hold the lock of the next folder for a while."""
        self._locked_s = seconds

    def leave_crashed(self, life: int) -> None:
        """Leave to the next life, `life` by number, the files as they lay at a crash; its locks died with it."""
        before, after = self.newest, self.folder / f"state-{life}"
        if before.exists():
            shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-shm", "lock", "*.sock"))
        self.config = self._scenario.config(after)
        if self._locked_s and after.exists():
            lock = StateLock(after)
            lock.acquire()
            self._loop.call_later(self._locked_s, lock.release)
        self._locked_s = 0.0
