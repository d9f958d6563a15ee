"""Connections in memory behave as TCP does: order, ends, resets, slow readers, the death of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tradebot.simulation.loop import VirtualLoop
from tradebot.simulation.process import Process
from tradebot.simulation.seeded_random import SeededRandom

PORT = 50_000


class End(asyncio.Protocol):
    """Keeps what happened to one end of a connection."""

    def __init__(self) -> None:
        self.got = b""
        self.pieces = 0
        self.events: list[str] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.pieces += 1

    def eof_received(self) -> None:
        self.events.append("eof")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(f"lost {type(exc).__name__ if exc else 'in order'}")


def run(
    work: Callable[[VirtualLoop, End, End, Process], Coroutine[Any, Any, Any]], *, seed: int = 1
) -> tuple[End, End]:
    """Connect a client to a server that is a process of its own, and do `work` with both."""
    ours, theirs, server = End(), End(), Process("server")

    async def serve(loop: VirtualLoop) -> None:
        await loop.create_server(lambda: theirs, "127.0.0.1", PORT)
        await loop.create_future()

    async def direct(loop: VirtualLoop) -> None:
        loop.spawn_process(server, lambda: serve(loop))
        await asyncio.sleep(1)
        await loop.create_connection(lambda: ours, "127.0.0.1", PORT)
        await asyncio.sleep(1)
        await work(loop, ours, theirs, server)
        await asyncio.sleep(1)

    loop = VirtualLoop(SeededRandom(seed))
    loop.run_until_complete(loop.spawn_process(Process("client"), lambda: direct(loop)))
    loop.abandon_loop()
    return ours, theirs


@pytest.mark.parametrize("seed", range(5))
def test_bytes_arrive_whole_and_in_order_in_pieces_of_the_seed(seed: int) -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        for n in range(200):
            ours.transport.write(b"%d;" % n)
        theirs.transport.write(b"hello")

    ours, theirs = run(work, seed=seed)
    assert theirs.got == b"".join(b"%d;" % n for n in range(200))
    assert theirs.pieces > 200
    assert ours.got == b"hello"


def test_a_close_is_an_end_in_order_after_the_last_byte() -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        ours.transport.write(b"last words")
        ours.transport.close()

    ours, theirs = run(work)
    assert theirs.got == b"last words"
    assert ours.events == ["made", "lost in order"]
    assert theirs.events == ["made", "eof", "lost in order"]


def test_an_abort_is_a_reset_at_the_other_end() -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        theirs.transport.abort()

    ours, theirs = run(work)
    assert ours.events == ["made", "lost ConnectionResetError"]
    assert theirs.events == ["made", "lost in order"]


def test_nobody_listens_and_the_connection_is_refused() -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(End, "127.0.0.1", PORT + 1)

    run(work)


def test_a_reader_that_pauses_makes_the_writer_wait_and_loses_nothing() -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        theirs.transport.pause_reading()
        for _ in range(100):
            ours.transport.write(b"x" * 10_000)
        await asyncio.sleep(1)
        assert ours.events[-1] == "pause"
        assert theirs.got == b""
        theirs.transport.resume_reading()

    ours, theirs = run(work)
    assert len(theirs.got) == 1_000_000
    assert ours.events[-1] == "resume"


@pytest.mark.parametrize("seed", range(6))
def test_a_process_that_dies_drops_its_connections_and_listens_no_more(seed: int) -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(End, "127.0.0.1", PORT)

    ours, theirs = run(work, seed=seed)
    assert ours.events[-1].startswith("lost")
    assert theirs.events == ["made"], "the dead hear nothing"


def test_what_is_written_to_a_closed_end_comes_back_as_a_reset() -> None:
    async def work(loop: VirtualLoop, ours: End, theirs: End, server: Process) -> None:
        theirs.transport.close()
        ours.transport.write(b"are you there")

    ours, _ = run(work)
    assert ours.events[-1].startswith("lost")
