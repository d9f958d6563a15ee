"""The page that a login's redirect reaches: over real sockets, for the browser of this machine alone, once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from tradebot.clock import Clock, ManualClock, WallClock
from tradebot.control.login_callback import is_loopback_redirect, wait_for_redirect
from tradebot.errors import DaemonUnavailable, RequestRefused, TradebotError, VenueUnavailable

QUERY = "request_token=Req0123456789ab&action=login&status=success&nonce=0a1b"


class Waiting:
    """A command that waits for the browser; each redirected address gets the next of `answers`."""

    def __init__(self, *answers: dict[str, Any] | TradebotError, path: str = "/kite", within_s: float = 5.0) -> None:
        self.address = f"http://127.0.0.1:{unused_port()}{path}"
        self._answers, self._within_s = list(answers), within_s
        self.clock: Clock = WallClock()
        self.texts: list[str] = []
        self.refused: list[str] = []
        self.task: asyncio.Task[dict[str, Any] | None] | None = None

    def _log_in(self, text: str) -> dict[str, Any]:
        self.texts.append(text)
        answer = self._answers.pop(0)
        if isinstance(answer, TradebotError):
            raise answer
        return answer

    async def wait(self) -> dict[str, Any] | None:
        """Wait as the command does."""
        return await wait_for_redirect(
            self.address, self._log_in, clock=self.clock, within_s=self._within_s, on_refused=self.refused.append
        )

    async def get(self, query: str = f"?{QUERY}", *, url: str = "", **headers: str) -> tuple[int, str]:
        """Ask as a browser does, once the command listens; return status and page."""
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.get((url or self.address) + query, headers=headers) as response:
                        self.headers = response.headers
                        return response.status, await response.text()
                except aiohttp.ClientConnectorError:
                    assert self.task is not None
                    assert not self.task.done()
                    await asyncio.sleep(0)

    @property
    def found(self) -> dict[str, Any] | None:
        """Return what the command got."""
        assert self.task is not None
        return self.task.result()


@asynccontextmanager
async def waiting(*answers: dict[str, Any] | TradebotError, **other: Any) -> AsyncIterator[Waiting]:
    found = Waiting(*answers, **other)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        found.task = tasks.create_task(found.wait())
        yield found


async def test_the_redirected_address_is_handed_on_whole_and_the_page_says_who_is_logged_in() -> None:
    async with waiting({"account": "AB1234"}) as command:
        status, page = await command.get()
    assert (status, "tradebot has the login of account AB1234. Close this page." in page) == (200, True)
    assert command.texts == [f"{command.address}?{QUERY}"]
    assert (command.found, command.refused) == ({"account": "AB1234"}, [])
    assert "script-src" not in command.headers["Content-Security-Policy"]
    assert command.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (command.headers["Referrer-Policy"], command.headers["Cache-Control"]) == ("no-referrer", "no-store")
    with socket.create_server(("127.0.0.1", int(command.address.split(":")[2].split("/")[0]))):
        pass  # the port is free again


async def test_a_page_of_another_name_that_points_to_this_machine_is_refused_and_its_token_not_used() -> None:
    async with waiting({"account": "AB1234"}) as command:
        for host in ("desk.example.com", "desk.example.com:8790", "127.0.0.1.example.com", "10.0.0.7", "[::2]:1"):
            status, page = await command.get(Host=host)
            assert (status, "answers the browser of its own machine" in page) == (403, True), host
        assert command.texts == []
        assert (await command.get(Host="localhost"))[0] == 200
    assert len(command.texts) == 1


@pytest.mark.parametrize("host", ["[::1", "a b", "", "[", "127.0.0.1:x", "127.0.0.1:99999999"])
async def test_a_host_that_is_none_gets_an_answer_and_no_login(host: str) -> None:
    async with waiting({"account": "AB1234"}) as command:
        await command.get("nothing")  # it listens
        port = int(command.address.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /kite?{QUERY} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.split()[1] in (b"400", b"403"), answer
        assert command.texts == []
        await command.get()


async def test_a_refusal_is_shown_on_the_page_and_told_and_the_wait_goes_on() -> None:
    async with waiting(RequestRefused("used up: log in again"), {"account": "AB1234"}) as command:
        status, page = await command.get()
        assert (status, "The login was refused" in page, "used up: log in again" in page) == (409, True, True)
        assert (await command.get())[0] == 200
    assert (command.found, command.refused) == ({"account": "AB1234"}, ["used up: log in again"])


async def test_what_is_shown_is_text_and_no_markup() -> None:
    evil = "<script>alert('x')</script>&"
    async with waiting(RequestRefused(evil), {"account": evil}) as command:
        for _ in range(2):
            _, page = await command.get()
            assert "<script" not in page
            assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;" in page
    assert command.refused == [evil]


async def test_a_daemon_that_is_gone_ends_the_wait_with_its_sentence_on_both_sides() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(DaemonUnavailable, match="no daemon runs")):
        async with waiting(DaemonUnavailable("no daemon runs on state")) as command:
            status, page = await command.get()
            assert (status, "no daemon runs on state" in page) == (503, True)


async def test_of_several_browsers_the_first_that_logs_in_counts() -> None:
    later = {"account": "AB1234", "later": True}
    async with waiting({"account": "AB1234"}, later, later) as command:
        command.clock, over = ManualClock(), asyncio.Event()

        async def slept(_: float) -> None:  # the command does not end before the page was loaded twice more
            await over.wait()

        command.clock.on_sleep = slept
        assert [(await command.get())[0] for _ in range(3)] == [200, 200, 200]
        over.set()
    assert command.found == {"account": "AB1234"}


@pytest.mark.parametrize("path", ["/favicon.ico", "/", "/kite/other"])
async def test_other_paths_are_no_login(path: str) -> None:
    async with waiting({"account": "AB1234"}) as command:
        root = command.address.removesuffix("/kite")
        assert (await command.get(f"?{QUERY}", url=root + path))[0] == 404
        assert command.texts == []
        await command.get()


async def test_a_look_ahead_without_a_body_and_a_form_use_no_token() -> None:
    async with waiting({"account": "AB1234"}) as command:
        await command.get("nothing")
        async with aiohttp.ClientSession() as client:
            for method in ("HEAD", "POST"):
                async with client.request(method, f"{command.address}?{QUERY}") as response:
                    assert response.status == 405
        assert command.texts == []
        await command.get()


async def test_a_redirect_url_without_a_path_is_waited_at_as_well() -> None:
    async with waiting({"account": "AB1234"}, path="") as command:
        assert (await command.get())[0] == 200
    assert command.texts == [f"{command.address}/?{QUERY}"]


async def test_nothing_in_time_is_none() -> None:
    async with waiting(within_s=0.05) as command:
        pass
    assert command.found is None


async def test_a_port_in_use_is_one_sentence_that_names_the_other_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = Waiting()
        command.address = f"http://127.0.0.1:{taken.getsockname()[1]}/kite"
        with pytest.raises(VenueUnavailable, match=r"cannot be listened on.*; give the redirected address as argument"):
            await command.wait()


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("http://127.0.0.1:8790/kite", True),
        ("http://localhost/kite", True),
        ("http://[::1]:8790", True),
        ("https://127.0.0.1:8790/kite", False),
        ("http://desk.example.com:8790/kite", False),
        ("http://127.0.0.1@desk.example.com/kite", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://0.0.0.0:8790/kite", False),
        ("kite", False),
    ],
)
def test_this_machine_waits_at_plain_http_of_loopback_alone(address: str, is_here: bool) -> None:
    assert is_loopback_redirect(address) is is_here
