"""The API over loopback HTTP: who may ask, how often and how much, and what a client that means ill costs."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.api_rig import (
    TOKEN,
    ApiRig,
    fetch_json,
    head_of,
    post_json,
    read_answer,
    send_bytes,
    serving,
)
from tradebot.control import api_application, connection_places, request_guard
from tradebot.control.loopback_address import LoopbackAddress
from tradebot.control.server import serve_loopback
from tradebot.errors import StateError

JSON = "Content-Type: application/json"


@pytest.fixture
def rig(tmp_path: Path) -> ApiRig:
    rig = ApiRig(tmp_path)
    rig.begin_run()
    return rig


@pytest.fixture
async def port(rig: ApiRig) -> AsyncIterator[int]:
    async with serving(rig) as port:
        yield port


def halt(port: int, *more: str, host: str = "", token: str = TOKEN) -> bytes:
    head = head_of("POST", "/api/v1/halt", port, JSON, "Content-Length: 2", *more, token=token) + b"{}"
    return head.replace(f"Host: 127.0.0.1:{port}".encode(), f"Host: {host or f'127.0.0.1:{port}'}".encode())


@pytest.mark.both_loops
@pytest.mark.parametrize("host", ["127.0.0.1:{}", "localhost:{}", "LOCALHOST:{}", "[::1]:{}"])
async def test_a_program_of_this_machine_with_the_token_is_answered(rig: ApiRig, port: int, host: str) -> None:
    answer = await send_bytes(port, halt(port, host=host.format(port)))
    assert (answer.status, len(rig.commands)) == (200, 1)


@pytest.mark.parametrize(
    "host",
    ["evil.example:{}", "127.0.0.1", "localhost", "127.0.0.1:1", "localhost.evil.example:{}",
     "127.0.0.1:{}@evil.example", "127.0.0.2:{}", "0.0.0.0:{}", "localhost:{}, evil.example", "", "[::1]:{}x"],
)  # fmt: skip
async def test_a_forged_host_is_refused(rig: ApiRig, port: int, host: str) -> None:
    raw = halt(port, host="HOST").replace(b"HOST", host.format(port).encode())
    answer = await send_bytes(port, raw)
    assert answer.status in (400, 403)
    assert rig.commands == []


async def test_a_request_without_a_host_is_refused(rig: ApiRig, port: int) -> None:
    raw = halt(port).replace(f"Host: 127.0.0.1:{port}\r\n".encode(), b"")
    for version in (b"HTTP/1.1", b"HTTP/1.0"):
        assert (await send_bytes(port, raw.replace(b"HTTP/1.1", version))).status in (400, 403)
    assert rig.commands == []


@pytest.mark.parametrize(
    "more",
    ["Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:{}", "Host: 127.0.0.1:{}",
     "Host: evil.example"],
)  # fmt: skip
async def test_a_browser_and_a_double_host_are_refused(rig: ApiRig, port: int, more: str) -> None:
    answer = await send_bytes(port, halt(port, more.format(port)))
    assert answer.status in (400, 403)
    assert rig.commands == []


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "ü" * 43, "\x7f"])
async def test_a_wrong_token_is_refused_and_told_nowhere(rig: ApiRig, port: int, token: str) -> None:
    answer = await send_bytes(port, halt(port, token=token))
    assert answer.status in (400, 401)
    assert rig.commands == []
    assert TOKEN not in answer.body.decode()
    if answer.status == 401:
        assert (answer.headers["www-authenticate"], list(answer.json)) == ("Bearer", ["error"])


async def test_without_or_with_two_tokens_nothing_is_answered_but_that_the_loop_lives(rig: ApiRig, port: int) -> None:
    without = f"GET /api/v1/status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
    assert (await send_bytes(port, without)).status == 401
    assert (await send_bytes(port, without.replace(b"/api/v1/status", b"/metrics"))).status == 401
    assert (await send_bytes(port, without.replace(b"/api/v1/status", b"/nothing"))).status == 401
    assert (await send_bytes(port, without.replace(b"/api/v1/status", b"/healthz"))).json == {"alive": True}
    assert (await send_bytes(port, halt(port, f"Authorization: Bearer {TOKEN}"))).status == 401
    assert (await send_bytes(port, halt(port).replace(b"Bearer", b"Basic"))).status == 401
    assert rig.commands == []


@pytest.mark.parametrize(
    ("method", "path", "more", "body", "status"),
    [
        ("POST", "/api/v1/halt", (JSON,), b"{}" + b" " * (64 << 10), 413),
        ("POST", "/api/v1/halt", (JSON, "Content-Encoding: gzip"), b"\x1f\x8b rubbish", 400),
        ("POST", "/api/v1/halt", ("Content-Type: text/plain",), b"{}", 415),
        ("POST", "/api/v1/halt", ("Content-Type: application/x-www-form-urlencoded",), b"a=b", 415),
        ("POST", "/api/v1/halt", (JSON,), b"[1]", 400),
        ("GET", "/api/v1/halt", (), b"", 405),
        ("DELETE", "/api/v1/orders", (), b"", 405),
        ("OPTIONS", "/api/v1/halt", (), b"", 405),
        ("GET", "/api/v1/../../etc/passwd", (), b"", 404),
        ("GET", "/api/v2/status", (), b"", 404),
    ],
)  # fmt: skip
async def test_every_refusal_is_json_of_one_form(
    rig: ApiRig, port: int, method: str, path: str, more: tuple[str, ...], body: bytes, status: int
) -> None:
    head = head_of(method, path, port, *more, *((f"Content-Length: {len(body)}",) if body else ()))
    answer = await send_bytes(port, head, body)
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (status, "application/json")
    assert list(answer.json) == ["error"]
    assert rig.commands == []


async def test_a_body_that_unpacks_to_much_more_is_refused(rig: ApiRig, port: int) -> None:
    packed = zlib.compress(b" " * (8 << 20) + b"{}")
    head = head_of("POST", "/api/v1/halt", port, JSON, "Content-Encoding: deflate", f"Content-Length: {len(packed)}")
    assert (await send_bytes(port, head, packed)).status == 413
    assert rig.commands == []


async def test_beyond_the_rate_429_says_when_and_a_halt_still_gets_in(rig: ApiRig, port: int) -> None:
    request = head_of("GET", "/api/v1/positions", port)
    answers = [await send_bytes(port, request) for _ in range(request_guard.HTTP_BURST + 40)]
    late = [answer for answer in answers if answer.status == 429]
    assert len(late) >= 20
    assert {answer.status for answer in answers} == {200, 429}
    assert (late[0].headers["retry-after"], list(late[0].json)) == ("1", ["error"])
    assert (await post_json(port, "halt", {})).status == 200


async def test_who_guesses_tokens_is_slowed_down_and_the_holder_is_not(rig: ApiRig, port: int) -> None:
    guess = head_of("GET", "/api/v1/positions", port, token="guess")
    statuses = [(await send_bytes(port, guess)).status for _ in range(request_guard.HTTP_BURST + 20)]
    assert {401, 429} == set(statuses)
    assert await fetch_json(port, "/api/v1/positions")


async def test_five_hundred_connections_hold_no_more_than_their_places(rig: ApiRig, port: int) -> None:
    held = []
    for _ in range(500):
        try:
            held.append(await asyncio.open_connection("127.0.0.1", port))
        except OSError:  # more wait to be accepted than may
            continue
        held[-1][1].write(b"GET /api/v1/status HTTP/1.1\r\nHost: local")
    assert (await fetch_json(port, "/api/v1/positions"))["positions"] == []
    ended = 0
    for reader, writer in held:
        try:
            async with asyncio.timeout(0.01):
                ended += await reader.read() == b""
        except TimeoutError:
            pass
        except ConnectionError:
            ended += 1
        writer.transport.abort()
    assert len(held) - ended <= connection_places.MAX_CONNECTIONS


async def test_slow_clients_are_cut_off(rig: ApiRig, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_places, "CONNECTION_TIMEOUT_S", 0.2)
    monkeypatch.setattr(api_application, "REQUEST_TIMEOUT_S", 0.05)
    request = halt(port)
    assert (await send_bytes(port, request[:-1])).status == 504, "a body that does not come"
    assert (await send_bytes(port, request[:30])).status == 0, "a head that does not come"
    assert rig.commands == []


async def test_a_client_that_reads_no_answer_holds_nothing_after_its_time(
    rig: ApiRig, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_places, "CONNECTION_TIMEOUT_S", 0.3)
    ended, let_go = asyncio.Event(), connection_places._let_go
    monkeypatch.setattr(connection_places, "_let_go", lambda protocol: (let_go(protocol), ended.set()))
    rig.apis.metrics = lambda: b"x" * (16 << 20)  # more than the kernel takes
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(head_of("GET", "/metrics", port))
    await ended.wait()
    await reader.readuntil(b"\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(16 << 20)
    writer.transport.abort()


async def test_many_requests_on_one_connection_are_limited_too(port: int) -> None:
    request = head_of("GET", "/api/v1/positions", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request * 100)
    statuses = [(await read_answer(reader)).status for _ in range(100)]
    writer.transport.abort()
    assert statuses.count(429) >= 40


async def test_a_port_in_use_is_one_sentence(rig: ApiRig, port: int) -> None:
    with pytest.raises(StateError, match=rf"api.listen: 127\.0\.0\.1:{port} cannot be listened on"):
        async with serve_loopback(LoopbackAddress("127.0.0.1", port), TOKEN, rig.apis):
            pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [("127.0.0.1:8765", "127.0.0.1:8765"), ("localhost:80", "127.0.0.1:80"), (" [::1]:9 ", "[::1]:9")],
)
def test_an_address_of_loopback_is_taken(text: str, shown: str) -> None:
    assert str(LoopbackAddress.parse(text)) == shown


@pytest.mark.parametrize(
    "text", ["0.0.0.0:8765", "192.168.0.2:8765", "[::]:8765", "example.com:80", "127.0.0.1", ":8765", "127.0.0.1:0",
             "127.0.0.1:70000", "127.0.0.1:8765/x"],
)  # fmt: skip
def test_every_other_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="of this machine alone"):
        LoopbackAddress.parse(text)


async def test_the_token_is_in_no_answer(rig: ApiRig, port: int) -> None:
    for path in ("/openapi.json", "/api/v1/status", "/api/v1/risk", "/readyz"):
        assert TOKEN not in json.dumps(await fetch_json(port, path))
