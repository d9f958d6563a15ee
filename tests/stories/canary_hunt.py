"""The hunt for canaries: receivers of alerts, requests to the API, the processes of a run, and every place searched."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path

from tests.in_thread import in_thread
from tests.notify.bot_server import BotServer, bot_server
from tests.notify.http_receiver import HttpReceiver, http_receiver

# What each file of the state folder is made to hold.
HOLDERS = {"api.token": "the API's token", "login-kite.json": "the access token"}


class Receivers:
    """A receiver of alerts and a bot's server, in a thread of their own."""

    def __init__(self, http: HttpReceiver, bot: BotServer) -> None:
        self.http, self.bot = http, bot

    def texts(self) -> str:
        """Return every alert that was sent."""
        return json.dumps([self.http.bodies, self.bot.sent])


@asynccontextmanager
async def _receiving() -> AsyncIterator[Receivers]:
    async with http_receiver() as http, bot_server() as bot:
        yield Receivers(http, bot)


def receivers() -> AbstractContextManager[Receivers]:
    """Serve receivers on loopback while the context is open."""
    return in_thread(_receiving(), "receivers")


class Hunt:
    """The canaries by name, and the places in which one of them was found."""

    def __init__(self, **canaries: str) -> None:
        self.canaries, self.found, self.places = canaries, list[str](), 0

    def search(self, place: str, content: str | bytes, *, except_for: str = "") -> None:
        """Look for every canary in the content of a place; `except_for` names one that it is made to hold."""
        raw = content.encode() if isinstance(content, str) else content
        self.places += 1
        for name, text in self.canaries.items():
            if text.encode() in raw and name != except_for:
                at = raw.index(text.encode())
                self.found.append(f"{name} in {place}: ...{raw[max(at - 120, 0) : at + 60]!r}")

    def search_folder(self, folder: Path) -> None:
        """Look into every file below a folder, but for those that are made to hold a secret."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in HOLDERS:
                self.search(str(path), path.read_bytes())

    def search_processes(self, daemon: int) -> None:
        """Look at the command line and the environment of every process of a run; none of them may write a core.

        The environment that the daemon itself was started with stays where the kernel keeps it, for its user alone.
        """
        running = processes_of(daemon)
        assert len(running) >= 4, "the daemon, what forks, and two workers"
        for pid in running:
            folder = Path(f"/proc/{pid}")
            self.search(f"command line of {pid}", (folder / "cmdline").read_bytes())
            if pid != daemon:
                self.search(f"environment of {pid}", (folder / "environ").read_bytes())
            (cores,) = [line for line in (folder / "limits").read_text().splitlines() if line.startswith("Max core")]
            assert cores.split()[4:6] == ["0", "0"], f"process {pid} may write a core"


def processes_of(first: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [first]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def asked(port: int, path: str, *, token: str, body: bytes | None = None) -> str:
    """Return what the API answers, headers included, also where it refuses; of a stream what came within a second."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=1)
    except urllib.error.HTTPError as refused:
        answer = refused
    parts, until = [str(answer.headers)], time.monotonic() + 1
    with answer, suppress(TimeoutError):
        while time.monotonic() < until and (chunk := answer.read1(1 << 20)):
            parts.append(chunk.decode())
    return "".join(parts)
