"""The daemon's processes of a session, one after another, and the files that each leaves to the next."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradebot.config import Config, load_config
from tradebot.journal.lock import StateLock
from tradebot.journal.schema import FILE_NAME
from tradebot.ops.events.event import Event
from tradebot.ops.events.run import ConfigReloaded
from tradebot.simulation.disk import SimulatedDiskWriter
from tradebot.simulation.output import SimulatedOutput
from tradebot.simulation.process import Process
from tradebot.simulation.scenario import Scenario


class DaemonProcesses:
    """The daemon's processes so far; `disk_writer`, `output` and `known_addresses` belong to the last one that ran.

    `known_addresses` are the venue's addresses and token it was given; `was_ready` tells whether it started trading.
    """

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.is_final = False  # no further process is started
        self.disk_writer: SimulatedDiskWriter | None = None
        self.output: SimulatedOutput | None = None
        self.known_addresses: dict[str, Any] = {}
        self.was_ready = False

    @property
    def last_process(self) -> Process | None:
        """The newest process, None before the first."""
        return self.processes[-1] if self.processes else None

    def new_process(self) -> Process:
        """Add a process and return it."""
        self.processes.append(Process(f"daemon-{len(self.processes)}"))
        return self.processes[-1]

    def attach_devices(
        self, disk_writer: SimulatedDiskWriter, output: SimulatedOutput, known_addresses: dict[str, Any]
    ) -> None:
        """Set the devices and addresses of the process that begins to run."""
        self.disk_writer, self.output, self.known_addresses, self.was_ready = (
            disk_writer,
            output,
            known_addresses,
            False,
        )

    def note_ready(self, _: Event) -> None:
        """Note that the current process has started trading."""
        self.was_ready = True

    def signal_last(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the current process if it is alive and handles the signal."""
        if self.last_process is not None and self.last_process.is_alive and number in self.last_process.signals:
            self.last_process.deliver_signal(number)


class StateFolders:
    """The state folders below `folder`, a new one after each crash; `config` is the daemon's, for the newest one.

    The config file beside them is read for a reload alone. `text_read` is what the daemon read last, `reload_answer`
    what it said to that, None while it has said nothing.
    """

    def __init__(self, scenario: Scenario, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.folder, self.config = folder, scenario.daemon_config(folder / "state-0")
        self.first_config = self.config
        self.log_level: str = self.config.log.level
        self.text_read = ""
        self.reload_answer: Event | None = None
        self._read_config = self.config
        self._loop = loop
        self._locked_s = 0.0

    @property
    def newest_folder(self) -> Path:
        """The state folder of the current process."""
        return self.config.app.state_dir

    @property
    def journal_path(self) -> Path:
        """The journal in the newest state folder."""
        return self.newest_folder / FILE_NAME

    def hold_lock(self, seconds: float) -> None:
        """Let another process hold the lock of the next folder for `seconds`."""
        self._locked_s = seconds

    def copy_after_crash(self, process_number: int) -> None:
        """Copy the files as they were at a crash for process `process_number`; locks are released by the crash."""
        before, after = self.newest_folder, self.folder / f"state-{process_number}"
        if before.exists():
            shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-shm", "lock", "*.sock"))
        self.config = self.config.model_copy(update={"app": self.config.app.model_copy(update={"state_dir": after})})
        if self._locked_s and after.exists():
            lock = StateLock(after)
            lock.acquire_lock()
            self._loop.call_later(self._locked_s, lock.release_lock)
        self._locked_s = 0.0

    @property
    def config_path(self) -> Path:
        """The config file."""
        return self.folder / "config.toml"

    def write_config(self, text: str) -> None:
        """Write the config file; no daemon has answered about it yet."""
        self.config_path.write_text(text)
        self.reload_answer = None

    def read_config(self) -> Config:
        """Read the config file as a daemon does for a reload. Raises ConfigError."""
        self.text_read, self.reload_answer = self.config_path.read_text(), None
        self._read_config = load_config(self.config_path, {"app.state_dir": str(self.newest_folder)})
        return self._read_config

    def note_log_level(self, level: str) -> None:
        """Note the level of the daemon's log from now on."""
        self.log_level = level

    def note_answer(self, event: Event) -> None:
        """Note what a daemon says to a reload; a config that it takes up is the one of the next start as well."""
        self.reload_answer = event
        if isinstance(event, ConfigReloaded):
            self.config = self._read_config


def leaf_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group of errors and in the groups inside it, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaf_errors(inner)
    else:
        yield error
