"""The venue's server for the tick stream: sends ticks as fast as the client reads them.

One websocket port has two paths: `/binary` sends binary frames of full packets, `/json` text frames of one trade each,
as crypto venues do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tradebot.bench.venue.frames import binary_frames, json_frames

END_FRAME = "end"  # the text frame after the last tick


class TickFlood:
    """Sends ticks of `symbols` symbols without a pause; market time begins at `origin`, ns."""

    def __init__(self, symbols: int, *, origin: int) -> None:
        self._symbols, self._origin = symbols, origin

    @asynccontextmanager
    async def open_sockets(self) -> AsyncIterator[tuple[str, ...]]:
        """Open the websocket; the context is its address."""
        async with serve(self._stream, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            yield (f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}",)

    async def answer_parent(self, asked: Any) -> Any:
        """Return None: the clients request what they want."""

    async def _stream(self, socket: ServerConnection) -> None:
        assert socket.request is not None, "a connection begins with a request"
        asked = urlsplit(socket.request.path)
        query = {name: int(value) for name, value in parse_qsl(asked.query) if value.isdecimal()}
        try:
            await socket.recv()  # the first frame, such as a subscription, shows that the client is ready
            if asked.path == "/binary":
                for frame in binary_frames(self._symbols, query["size"], query["ticks"], self._origin):
                    await socket.send(frame)
            else:
                for text in json_frames(self._symbols, query["ticks"], self._origin):
                    await socket.send(text)
            await socket.send(END_FRAME)
            await socket.wait_closed()
        except ConnectionClosed:
            return
