"""Connections in memory between the processes of a session: bytes arrive after a latency, in order and in pieces.

The ends see what TCP shows: an orderly end, a reset, a refused connection, a peer that reads slowly.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from tradebot.simulation.process import CURRENT_PROCESS
from tradebot.simulation.seeded_random import SeededRandom

LATENCY_S = (0.00005, 0.002)  # one way, drawn once per connection
JITTER_S = 0.0005
# Data on Unix sockets holds process ids and paths. Its latency is fixed and no tap sees it, so traces stay equal.
UNIX_LATENCY_S = 0.0001
SPLIT_SHARE = 0.15  # share of the writes that arrive in several pieces
KERNEL_BYTES = 1 << 18  # bytes on the way or unread at the peer before a writer has to wait
HIGH_BYTES, LOW_BYTES = 1 << 16, 1 << 14
FIRST_PORT = 40_001

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
WriteTap = Callable[["Endpoint", bytes], None]


class MemorySocket:
    """The socket object that a transport returns."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, address: Any) -> None:
        self._address = address

    def getsockname(self) -> Any:
        """Return the address."""
        return self._address

    def setsockopt(self, *_: Any) -> None:
        """Ignore the option."""


class MemoryServer:
    """A server in memory, as asyncio's Server."""

    def __init__(self, network: Network, address: Any, factory: ProtocolFactory) -> None:
        self.network, self.address, self.factory = network, address, factory
        self.context = copy_context()
        self.sockets = (MemorySocket(address),)
        CURRENT_PROCESS.get().resources[self] = None

    def close(self) -> None:
        """Stop listening."""
        self.on_process_death()
        CURRENT_PROCESS.get().resources.pop(self, None)

    def on_process_death(self) -> None:
        """Stop listening, as a kernel does for a dead process."""
        if self.network.listeners.get(self.address) is self:
            del self.network.listeners[self.address]

    async def wait_closed(self) -> None:
        """Return at once: `close` leaves nothing to wait for."""

    def is_serving(self) -> bool:
        """Return whether new connections come here."""
        return self.network.listeners.get(self.address) is self


class SendBuffer:
    """Counts the bytes that one end wrote and the other has not read, against the limits of asyncio's flow control."""

    def __init__(self) -> None:
        self.high, self.low = HIGH_BYTES, LOW_BYTES
        self._unread = 0  # bytes on the way to the peer or waiting there
        self._is_full = False

    @property
    def buffered_bytes(self) -> int:
        """The bytes beyond the kernel's buffers, as `get_write_buffer_size` returns them."""
        return max(self._unread - KERNEL_BYTES, 0)

    def add_unread(self, size: int) -> bool:
        """Add `size` written bytes; return whether the writer has to pause now."""
        self._unread += size
        was_full, self._is_full = self._is_full, self._is_full or self.buffered_bytes > self.high
        return self._is_full and not was_full

    def remove_read(self, size: int) -> bool:
        """Remove `size` bytes that the peer has read; return whether the writer may resume now."""
        self._unread -= size
        was_full, self._is_full = self._is_full, self._is_full and self.buffered_bytes > self.low
        return was_full and not self._is_full


class Endpoint(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: Network, name: str, *, local: Any, remote: Any, latency_s: float) -> None:
        super().__init__({"socket": MemorySocket(local), "sockname": local, "peername": remote})
        self.network, self.name = network, name
        self.peer: Endpoint
        self.protocol: Any = None
        self.context: Context = copy_context()
        self.process = CURRENT_PROCESS.get()
        self.process.resources[self] = None
        self._is_local = latency_s == UNIX_LATENCY_S
        self._latency_s = latency_s
        self._last_arrival_s = 0.0  # arrival of the last piece, loop time, s; later ones never overtake it
        self._is_closing = self._is_lost = self._is_paused = False
        self._waiting: list[bytes | None] = []  # pieces that arrived while reading is paused; None is the end
        self._buffer = SendBuffer()

    # ---- asyncio's transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self.protocol
        return protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._waiting:
                self._call_soon(self._read)

    def write(self, data: Any) -> None:
        if self._is_closing or not data:
            return
        content = bytes(data)
        network = self.network
        if not self._is_local:
            for tap in network.taps:
                tap(self, content)
        for piece in [content] if self._is_local else network.split_pieces(content):
            self._send(self.peer.receive_piece, piece)
        if self._buffer.add_unread(len(content)):
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._send(self.peer.receive_piece, None)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._buffer.buffered_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._buffer.low, self._buffer.high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_BYTES if low is None else 4 * low
        self._buffer.high, self._buffer.low = high, high // 4 if low is None else low

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._send(self.peer.receive_piece, None)
            self._call_soon(self._end_connection, None)

    def abort(self) -> None:
        if not self._is_lost:
            self._is_closing = True
            self._send(self.peer.receive_reset)
            self._call_soon(self._end_connection, None)

    # ---- calls from the peer and from the kernel

    def receive_piece(self, piece: bytes | None) -> None:
        """Receive bytes, or the end of the stream as None."""
        if not self.process.is_alive or self._is_lost:
            if piece is not None:  # this end is gone
                self._send(self.peer.receive_reset)
            return
        self._waiting.append(piece)
        if not self._is_paused:
            self._read()

    def receive_reset(self) -> None:
        """Receive a reset."""
        if self.process.is_alive and not self._is_lost:
            self._is_closing = True
            self._end_connection(ConnectionResetError(104, "Connection reset by peer"))

    def on_process_death(self) -> None:
        """End as a kernel ends sockets of a dead process: by a reset if bytes are unread, else mostly in order."""
        self._is_closing = self._is_lost = True
        if self._waiting or self.network.rng.draw_bool(0.3):
            self._send(self.peer.receive_reset)
        else:
            self._send(self.peer.receive_piece, None)

    def open_end(self, factory: ProtocolFactory) -> None:
        """Make the protocol of this end and connect it."""
        self.protocol = factory()
        self.protocol.connection_made(self)

    def _read(self) -> None:
        while self._waiting and not self._is_paused and not self._is_lost:
            piece = self._waiting.pop(0)
            if piece is None:
                if not self._is_closing and not self.protocol.eof_received():
                    self.close()
                continue
            self.peer.on_peer_read(len(piece))
            if not self._is_closing:
                self.protocol.data_received(piece)

    def on_peer_read(self, size: int) -> None:
        """Note that the peer has read `size` bytes."""
        if self._buffer.remove_read(size) and self.process.is_alive and not self._is_lost:
            self._call_soon(self.protocol.resume_writing)

    def _end_connection(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self.process.resources.pop(self, None)
            self.protocol.connection_lost(error)

    def _send(self, call: Callable[..., None], *args: Any) -> None:
        network = self.network
        at = network.loop.time() + self._latency_s + (0.0 if self._is_local else network.rng.next_float() * JITTER_S)
        self._last_arrival_s = at = max(at, self._last_arrival_s + 1e-7)
        network.loop.call_at(at, call, *args, context=self.peer.context)

    def _call_soon(self, call: Callable[..., None], *args: Any) -> None:
        self.network.loop.call_soon(call, *args, context=self.context)


class Network:
    """All connections of a session. `taps` are called with every write, in order, except on Unix sockets."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: SeededRandom) -> None:
        self.loop, self.rng = loop, rng
        self.listeners: dict[Any, MemoryServer] = {}
        self.taps: list[WriteTap] = []
        self._ports = FIRST_PORT - 1
        self._ports_by_process: dict[str, int] = {}  # name of a process -> the port on which it serves
        self._connections = 0

    def next_port(self) -> int:
        """Return a port that was never used."""
        self._ports += 1
        return self._ports

    def port_of(self, owner: str) -> int:
        """Return the port of a process's server: the same one each time it opens again."""
        if owner not in self._ports_by_process:
            self._ports_by_process[owner] = self.next_port()
        return self._ports_by_process[owner]

    def open_server(self, address: Any, factory: ProtocolFactory) -> MemoryServer:
        """Open a server. Raises OSError when the address is in use."""
        if address in self.listeners:
            raise OSError(98, "Address already in use")
        self.listeners[address] = listener = MemoryServer(self, address, factory)
        return listener

    async def await_server(self, address: Any) -> None:
        """Wait for the latency to an address. Raises ConnectionRefusedError without a server there."""
        arrived = self.loop.create_future()
        self.loop.call_later(self._latency_s(address), _wake, arrived)
        await arrived
        if address not in self.listeners:
            raise ConnectionRefusedError(111, f"Connect call failed {address}")

    def open_connection(self, address: Any, factory: ProtocolFactory) -> tuple[Endpoint, Any]:
        """Connect to an address and return our end and its protocol. Raises ConnectionRefusedError."""
        listener = self.listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(111, f"Connect call failed {address}")
        self._connections += 1
        local, latency_s = ("127.0.0.1", self.next_port()), self._latency_s(address)
        name = f"{self._connections}"
        ours = Endpoint(self, f"{name}>", local=local, remote=address, latency_s=latency_s)
        theirs = listener.context.run(Endpoint, self, f"{name}<", local=address, remote=local, latency_s=latency_s)
        ours.peer, theirs.peer = theirs, ours
        ours.open_end(factory)
        ours._send(theirs.open_end, listener.factory)
        return ours, ours.protocol

    def _latency_s(self, address: Any) -> float:
        return UNIX_LATENCY_S if isinstance(address, str) else self.rng.float_between(*LATENCY_S)

    def split_pieces(self, content: bytes) -> list[bytes]:
        """Return the pieces in which `content` arrives."""
        if len(content) < 2 or not self.rng.draw_bool(SPLIT_SHARE):
            return [content]
        cuts = sorted({self.rng.int_between(1, len(content) - 1) for _ in range(self.rng.int_between(1, 3))})
        return [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
