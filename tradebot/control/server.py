"""The listeners of the operator's API: a Unix socket that only the daemon's user may open, and HTTP on loopback.

Requests are limited in size, time and number. An error in one request does not affect others.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tradebot.clock import Clock, WallClock
from tradebot.control.api_application import create_application
from tradebot.control.connection_places import ACCEPT_BACKLOG, ConnectionPlaces, serve_application
from tradebot.control.control_apis import ControlApis
from tradebot.control.loopback_address import LoopbackAddress
from tradebot.control.request_guard import RequestGuard
from tradebot.control.socket_address import SOCKET_NAME, socket_path
from tradebot.errors import StateError


@asynccontextmanager
async def serve_control_socket(
    state_dir: Path, apis: ControlApis, *, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Listen on `<state_dir>/control.sock` while the context is open; a socket left by a crash is replaced.

    The caller holds the lock of the state directory. Raises StateError.
    """
    places = ConnectionPlaces()
    app = create_application(apis, RequestGuard.for_socket(clock or WallClock()), places)
    listening = _listen(state_dir)

    async def listen(accept: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_unix_server(accept, sock=listening, backlog=ACCEPT_BACKLOG)

    try:
        async with serve_application(app, places, listen):
            yield
    finally:
        (Path(state_dir) / SOCKET_NAME).unlink(missing_ok=True)


@asynccontextmanager
async def serve_loopback(
    address: LoopbackAddress, token: str, apis: ControlApis, *, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Listen on a loopback address while the context is open, for requests with the token. Raises StateError."""
    places = ConnectionPlaces()
    guard = RequestGuard.for_loopback(clock or WallClock(), port=address.port, token=token)
    app = create_application(apis, guard, places)

    async def listen(accept: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(accept, address.host, address.port, backlog=ACCEPT_BACKLOG)
        except OSError as error:
            raise StateError(
                f"api.listen: {address} cannot be listened on: {error.strerror or error}; name another port, or none"
            ) from error

    async with serve_application(app, places, listen):
        yield


def _listen(state_dir: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    try:
        with socket_path(state_dir) as path:
            if os.path.lexists(path):
                if not stat.S_ISSOCK(os.lstat(path).st_mode):
                    raise StateError(f"{Path(state_dir) / SOCKET_NAME} is in the way and is no socket; remove it")
                os.unlink(path)
            # The socket has the right mode from the start. Every file of this process is for its user alone anyway.
            before = os.umask(0o177)
            try:
                listening.bind(path)
            finally:
                os.umask(before)
    except StateError:
        listening.close()
        raise
    except OSError as error:
        listening.close()
        raise StateError(f"{Path(state_dir) / SOCKET_NAME} cannot be listened on: {error.strerror or error}") from error
    return listening
