"""The control socket over real sockets: who may speak, how much, how long, and that a mistake ends with its request."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tradebot.control import api_application, connection_places, server
from tradebot.control.client import send_request
from tradebot.control.control_apis import ControlApis
from tradebot.control.operator_api import BadRequest
from tradebot.errors import DaemonUnavailable, RequestRefused, StateError


class ScriptedApi:
    """Stands for the operator API; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.crowded = asyncio.Event()

    def current_status(self) -> dict[str, Any]:
        return {"asked": len(self.asked)}

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        if len(self.asked) == connection_places.MAX_CONNECTIONS:
            self.crowded.set()
        match body.get("reason"):
            case "bug":
                raise ZeroDivisionError("a bug of ours")
            case "slow":
                await asyncio.Event().wait()
            case "wrong":
                raise BadRequest("that is wrong", status=409)
            case "disk":
                raise StateError("the disk is gone")
        return {"halted": True}

    resume = flatten = stop = halt


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[ScriptedApi]:
    api = ScriptedApi()
    async with server.serve_control_socket(folder, ControlApis(api)):  # type: ignore[arg-type]
        yield api


async def raw(folder: Path, head: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(int(x.split(b":")[1]) for x in answer.split(b"\r\n") if x.lower().startswith(b"content-length"))
        text = await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()
    status = int(answer.split()[1])
    return status, json.loads(text) if text.startswith(b"{") else {}


def post(body: bytes, route: str = "/halt", extra: str = "", kind: str = "application/json") -> tuple[str, bytes]:
    head = f"POST {route} HTTP/1.1\nHost: localhost\nContent-Type: {kind}\nContent-Length: {len(body)}"
    return head + (f"\n{extra}" if extra else ""), body


@pytest.mark.both_loops
async def test_the_socket_is_the_users_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with listening(tmp_path) as api:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await asyncio.to_thread(send_request, tmp_path, "POST", "/halt", {"reason": "x"}) == {"halted": True}
        assert await asyncio.to_thread(send_request, tmp_path, "GET", "/status") == {"asked": 1}
    assert api.asked == [{"reason": "x"}]
    assert not path.exists()


async def test_a_socket_that_a_crash_left_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "control.sock"))
    with pytest.raises(DaemonUnavailable, match="no daemon runs"):
        send_request(tmp_path, "GET", "/status")
    async with listening(tmp_path):
        assert await asyncio.to_thread(send_request, tmp_path, "GET", "/status") == {"asked": 0}
    (tmp_path / "control.sock").write_text("notes")
    with pytest.raises(StateError):
        async with listening(tmp_path):
            pass
    assert (tmp_path / "control.sock").read_text() == "notes"


async def test_a_state_directory_with_a_long_name_works(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with listening(folder):
        assert await asyncio.to_thread(send_request, folder, "GET", "/status") == {"asked": 0}


def test_nobody_there_is_one_sentence_that_names_the_way_without_a_daemon(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnavailable, match=r"no daemon runs.*tradebot kill"):
        send_request(tmp_path / "nowhere", "GET", "/status")
    assert DaemonUnavailable.exit_code == 69


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (*post(b"{"), 400),
        (*post(b"[1]"), 400),
        (*post(b"\xff\xfe"), 400),
        (*post(b"[" * 60_000), 400),
        (*post(b"{}" + b" " * (64 << 10)), 413),
        (*post(b"{}", kind="text/plain"), 415),
        (*post(b"a=b", kind="application/x-www-form-urlencoded"), 415),
        (*post(b"{}", extra="Origin: http://evil.example"), 403),
        (post(b"{}")[0].replace("localhost", "evil.example"), b"{}", 403),
        (*post(b"{}", extra="Host: localhost"), 400),
        (*post(b'{"reason": "wrong"}'), 409),
        (*post(b'{"reason": "disk"}'), 503),
        (*post(b"{}", route="/nothing"), 404),
        ("GET /halt HTTP/1.1\nHost: localhost", b"", 405),
        ("POST /status HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 0", b"", 405),
        ("rubbish", b"", 400),
    ],
    ids=("no JSON", "no object", "no UTF-8", "deep JSON", "long", "text", "form", "origin", "host", "2 hosts", "wrong",
         "disk", "no route", "no method", "no post", "no HTTP"),
)  # fmt: skip
async def test_a_request_that_is_not_as_it_should_be_is_refused(
    head: str, body: bytes, status: int, tmp_path: Path
) -> None:
    async with listening(tmp_path) as api:
        got, _ = await raw(tmp_path, head, body)
        assert got == status
        assert api.asked == [] or status in (409, 503)
        assert await asyncio.to_thread(send_request, tmp_path, "GET", "/status")


async def test_a_bug_behind_a_request_ends_with_that_request(tmp_path: Path) -> None:
    async with listening(tmp_path):
        with pytest.raises(DaemonUnavailable):
            await asyncio.to_thread(send_request, tmp_path, "POST", "/halt", {"reason": "bug"})
        with pytest.raises(RequestRefused, match="that is wrong"):
            await asyncio.to_thread(send_request, tmp_path, "POST", "/halt", {"reason": "wrong"})
        assert await asyncio.to_thread(send_request, tmp_path, "GET", "/status") == {"asked": 2}


async def test_a_request_that_takes_too_long_is_answered_and_a_silent_one_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_places, "CONNECTION_TIMEOUT_S", 0.2)
    async with listening(tmp_path), asyncio.timeout(3):
        monkeypatch.setattr(api_application, "REQUEST_TIMEOUT_S", 0.05)
        assert (await raw(tmp_path, *post(b'{"reason": "slow"}')))[0] == 504
        unfinished = post(b"{}" + b" " * 100)[0]
        assert (await raw(tmp_path, unfinished, b"{}"))[0] == 504
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
        writer.write(b"POST /halt HTTP/1.1\r\nHost: local")
        assert await reader.read() == b""
        writer.close()


async def test_slow_connections_make_room_for_a_request_that_comes_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    async with listening(tmp_path), asyncio.TaskGroup() as tasks, asyncio.timeout(10):
        over = asyncio.Event()

        async def slow() -> None:
            while not over.is_set():
                try:
                    reader, writer = await asyncio.open_unix_connection(path)
                except BlockingIOError:  # more wait to be accepted than may
                    await asyncio.sleep(0)
                    continue
                try:
                    writer.write(b"POST /halt HTTP/1.1\r\nHost: local")
                    await reader.read()
                finally:
                    writer.transport.abort()

        crowd = [tasks.create_task(slow(), name=f"slow-{n}") for n in range(3 * connection_places.MAX_CONNECTIONS)]
        for _ in range(5):
            assert await asyncio.to_thread(send_request, tmp_path, "GET", "/status")
        over.set()
        for one in crowd:
            one.cancel()


async def test_when_every_place_waits_for_an_answer_the_next_one_is_told_so(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    head, body = post(b'{"reason": "slow"}')
    request = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body
    async with listening(tmp_path) as api:
        held = [await asyncio.open_unix_connection(path) for _ in range(connection_places.MAX_CONNECTIONS)]
        for _, writer in held:
            writer.write(request)
        await api.crowded.wait()
        with pytest.raises(DaemonUnavailable, match="too many"):
            await asyncio.to_thread(send_request, tmp_path, "GET", "/status")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()


async def test_malformed_requests_are_one_warning_with_their_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(tmp_path):
        for _ in range(10):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
            writer.write(b"GET /status HTTP/1.1\r\nHost: localhost\r\nno header\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
    told = [record for record in caplog.records if "malformed" in record.getMessage()]
    assert [(record.levelname, record.exc_info) for record in told] == [("WARNING", None)]
    assert len(caplog.records) == 1


def test_the_socket_of_a_process_that_hangs_does_not_hang_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.control.client.ANSWER_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "control.sock"))
        deaf.listen(1)
        with pytest.raises(DaemonUnavailable, match=r"did not answer within 0\.1 s; `tradebot kill`"):
            send_request(tmp_path, "GET", "/status")
        with pytest.raises(
            DaemonUnavailable, match=r"within 0\.1 s; what was asked may still take effect when it goes on; `"
        ):
            send_request(tmp_path, "POST", "/halt", {})
    os.unlink(tmp_path / "control.sock")
