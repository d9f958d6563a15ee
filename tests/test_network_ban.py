"""The test programme itself: no test reaches an outside host, mocked answers work, loops are the ones asked for."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
import uvloop
from aioresponses import aioresponses


@pytest.mark.both_loops
async def test_a_marked_test_runs_on_both_loops(request: pytest.FixtureRequest) -> None:
    wanted = uvloop.Loop if "uvloop" in request.node.name else asyncio.SelectorEventLoop

    assert isinstance(asyncio.get_running_loop(), wanted)


async def test_an_outside_host_is_refused_by_the_loop() -> None:
    with pytest.raises(OSError, match=r"tests may not connect to 192\.0\.2\.1:80"):
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "192.0.2.1", 80)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_an_outside_host_is_refused_by_the_socket() -> None:
    with socket.socket() as plain, pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        plain.connect(("192.0.2.1", 80))


async def test_a_mocked_answer_may_be_long() -> None:
    body = b"x" * 200_000
    with aioresponses() as venue:
        venue.get("http://venue.test/quotes", body=body)
        async with aiohttp.ClientSession() as session, session.get("http://venue.test/quotes") as answer:
            assert await answer.read() == body
