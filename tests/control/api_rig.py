"""The operator's API over a desk driven by hand and a real journal, on both listeners, and a client of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.stories.kite_person import free_port
from tests.told import Told
from tests.trading.desk.desk_rig import DeskRig, with_all_controls
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.control.account_lists import AccountLists
from tradebot.control.answers import ReadyPart
from tradebot.control.control_apis import ControlApis, RunLists
from tradebot.control.event_memory import EventMemory
from tradebot.control.event_stream import EventStreams
from tradebot.control.halt_file import HaltFile
from tradebot.control.journal_lists import JournalLists
from tradebot.control.loopback_address import LoopbackAddress
from tradebot.control.operator_api import OperatorApi
from tradebot.control.run_parts import RunParts
from tradebot.control.server import serve_control_socket, serve_loopback
from tradebot.control.start_api import StartApi
from tradebot.control.status_snapshot import status_snapshot
from tradebot.domain.message import Message
from tradebot.domain.messages import Action, Command
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.ops.event_lines import EventLines

TOKEN = "t" * 43
RUN_ID = "T1"
SUMS = ("run_charges", "run_realized", "run_pnl_net", "day_charges", "day_pnl_net")
MONEY = dict.fromkeys((*SUMS, "whole_charges", "whole_realized", "whole_pnl_net"), "0")
COUNTS = {f"{span}_{what}": 0 for span in ("run", "day", "whole") for what in ("orders", "fills")}
VITALS: dict[str, Any] = {
    "uptime_s": 1.0, "runs_before": 0, "cut_off_before": 0, "last_bar": None, "last_signal": None, "held_back": 0,
    "clock_offset_s": None, "login": {"held_since": 1}, "log_lines_dropped": 0,
    "store": {"fed": 1, "behind": 0, "trouble": ""},
}  # fmt: skip
RUN: dict[str, Any] = {
    "mode": "paper", "run_id": RUN_ID, "pid": 7, "account": "AB1234", "venue": "embedded",
    "symbols": ["AAA", "BBB", "IDX"], "strategies": ["s"],
}  # fmt: skip


class ApiRig:
    """A run whose desk the test drives; `commands` are those that the API gave the desk."""

    def __init__(self, folder: Path, *, secrets: Sequence[str] = (), events: int = 2_000) -> None:
        self.folder, self.desk_rig, self.halt_file = folder, with_all_controls(DeskRig()), HaltFile(folder)
        self.commands, self.outputs, self.stops = list[Command](), list[Message](), list[str]()
        self.end_streams: Callable[[], object] = lambda: None
        self.clock = ManualClock(self.desk_rig.at)
        account, universe = self.desk_rig.desk.account, self.desk_rig.universe
        operator = OperatorApi(
            account=account, universe=universe, strategies=frozenset({"s"}), clock=self.clock,
            halt_file=self.halt_file, command=self._command, status_snapshot=self.snapshot,
            ask_to_stop=self.stops.append,
        )  # fmt: skip
        self.parts = RunParts(
            account, universe, self.clock, [("s", ())], killed=self.halt_file.read_reason, is_trading=lambda: True,
            vitals=lambda: VITALS, money=lambda: MONEY | COUNTS,
        )  # fmt: skip
        rows = JournalLists(folder / FILE_NAME, run_id=RUN_ID, universe=universe, interval_ns=60 * SECOND)
        self.ready = [ReadyPart("trading", True, "")]
        self.memory = EventMemory(RUN_ID, EventLines(run_id=RUN_ID, secrets=secrets), self.clock, size=events)
        self.told = Told()
        self.streams = EventStreams(self.memory, self.clock, self.told)
        start_run = {name: value for name, value in RUN.items() if name not in ("account", "strategies")}
        start = StartApi(start_run, login=lambda: None, ask_to_stop=self.stops.append)
        self.apis = ControlApis(start, events=self.streams)
        self._run = operator, RunLists(AccountLists(self.parts), rows, universe, lambda: tuple(self.ready))

    def begin_run(self) -> None:
        """Let the run answer, after its start."""
        self.apis.begin_run(*self._run)

    def begin_trading(self) -> None:
        """Begin the run, buy AAA behind a stop and leave an entry of BBB at work."""
        self.begin_run()
        self.desk_rig.bought(stop_loss=990.0)
        self.desk_rig.quote("BBB", "500")
        self.desk_rig.signal("BBB", Action.ENTER_LONG)

    def snapshot(self) -> dict[str, Any]:
        """Return the status as a run does."""
        return status_snapshot(
            self.parts, run=RUN, queues=(), pending_requests=0, killed=self.halt_file.read_reason(),
            journal_rows=(1, 1), fills=0, orders=0,
        )  # fmt: skip

    async def write_journal(self, *rows: tuple[str, Message]) -> None:
        """Append rows to the journal of the folder."""
        async with Journal(self.folder, run=RUN_ID, clock=WallClock()) as journal:
            for kind, message in rows:
                journal.append(kind, message, at=1)

    async def _command(self, command: Command) -> None:
        self.commands.append(command)
        self.outputs += self.desk_rig.desk.apply_message(command)


class HttpAnswer(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON values."""
        return json.loads(self.body)


@asynccontextmanager
async def serving(rig: ApiRig) -> AsyncIterator[int]:
    """Serve the rig's API on the socket in its folder and on loopback; yields the port."""
    address = LoopbackAddress("127.0.0.1", free_port())
    async with serve_control_socket(rig.folder, rig.apis), serve_loopback(address, TOKEN, rig.apis):
        try:
            yield address.port
        finally:
            rig.memory.end_waits()


def head_of(method: str, path: str, port: int, *more: str, token: str = TOKEN) -> bytes:
    """Return the head of a request as a program of this machine sends it, with `more` header lines."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def send_bytes(port: int, *parts: bytes) -> HttpAnswer:
    """Send bytes on a connection of their own and return the answer; status 0 where none came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
        async with asyncio.timeout(10):
            return await read_answer(reader)
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> HttpAnswer:
    """Return the next answer of a connection; status 0 where it was closed."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return HttpAnswer(0, {}, b"")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return HttpAnswer(int(head[0].split()[1]), headers, body)


async def fetch_json(port: int, path: str) -> Any:
    """Return the body of a GET that must be answered with 200."""
    answer = await send_bytes(port, head_of("GET", path, port))
    assert answer.status == 200, answer
    return answer.json


async def post_json(port: int, name: str, body: Any) -> HttpAnswer:
    """Return the answer to a POST of a command."""
    raw = json.dumps(body).encode()
    head = head_of(
        "POST", f"/api/v1/{name}", port, "Content-Type: application/json", f"Content-Length: {len(raw)}"
    )  # fmt: skip
    return await send_bytes(port, head, raw)
