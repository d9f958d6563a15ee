"""The venue of the benchmarks in its own process: a server on loopback sockets, controlled through a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

import uvloop

from tradebot.bench.measuring.process import piped_process, receive_within

START_S = 30.0
Loop = Callable[[], asyncio.AbstractEventLoop]


class BenchServer(Protocol):
    """A server of the venue. It is made in the parent and opened in the venue's process."""

    def open_sockets(self) -> AbstractAsyncContextManager[tuple[str, ...]]:
        """Open the sockets; the context is their addresses."""
        ...

    async def answer_parent(self, asked: Any) -> Any:
        """Do what the parent asks and return the result. Raises TimeoutError."""
        ...


class VenueProcess:
    """The parent's end: the addresses of the server, and one request at a time to it."""

    def __init__(self, pipe: Connection, addresses: tuple[str, ...]) -> None:
        self._pipe, self.addresses = pipe, addresses

    def ask_venue(self, asked: Any) -> Any:
        """Return the server's answer. Raises TimeoutError when the server does, EOFError when the venue has ended."""
        self._pipe.send(asked)
        found = self._pipe.recv()
        if isinstance(found, TimeoutError):
            raise found
        return found


@contextmanager
def open_venue(face: BenchServer, loop: Loop = uvloop.new_event_loop) -> Iterator[VenueProcess]:
    """Run a server in a process of its own, on a loop made by `loop`. Raises TimeoutError, EOFError."""
    with piped_process(partial(_serve, face, loop)) as pipe:
        yield VenueProcess(pipe, receive_within(pipe, within_s=START_S, late="the venue did not start"))


def _serve(face: BenchServer, loop: Loop, pipe: Connection) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_run(face, pipe))


async def _run(face: BenchServer, pipe: Connection) -> None:
    async with face.open_sockets() as addresses:
        pipe.send(addresses)
        while True:
            try:
                asked = await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            except EOFError:
                return
            try:
                found = await face.answer_parent(asked)
            except TimeoutError as error:
                found = error
            pipe.send(found)
