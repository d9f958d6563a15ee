"""A line between a daemon and an exchange that can be cut: bytes pass both ways until then, and again once mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from tests.in_thread import in_thread
from tests.stories.kite_person import free_port

CHUNK = 65_536


class CutLine:
    """Listens at `port` of loopback and passes each connection on to the port of the exchange, REST and stream."""

    def __init__(self, exchange_port: int) -> None:
        self.port, self._far = free_port(), exchange_port
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop

    def cut(self) -> None:
        """End every connection with a reset and take no other one."""
        self._is_cut = True
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(10)

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    async def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _pass(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        if self._is_cut:
            near_out.transport.abort()
            return
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self._far)
        both = {near_out, far_out}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(near_in, far_out))
                tasks.create_task(_pump(far_in, near_out))
        finally:
            self._writers -= both

    @asynccontextmanager
    async def _passing(self) -> AsyncIterator[CutLine]:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        yield self
        server.close()
        await self._reset()

    def open(self) -> AbstractContextManager[CutLine]:
        """Pass connections on in a thread of its own while the context is open."""
        return in_thread(self._passing(), "line")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(CHUNK):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
