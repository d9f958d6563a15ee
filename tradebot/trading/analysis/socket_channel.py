"""The socket channel between the event loop and a worker: jobs go out, results come back in the same order.

A job through the queues of a process pool wakes two threads here and one there. Through the socket it wakes only the
worker, and its result only the loop.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any

from tradebot.trading.analysis import worker

CHUNK_BYTES = 1 << 18  # most bytes read or written in one turn of the loop


class SocketChannel:
    """The loop's end of the socket. Futures of `submit_job` end in BrokenExecutor when the worker closes its end."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours
        self._ours.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._read)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        # Reused: a new buffer for every result would cost page faults
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._is_closed = False

    def submit_job(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Send a job and return the future of its result. Raises BrokenExecutor when the worker is known to be gone."""
        if self._is_closed:
            raise BrokenExecutor("the worker hung up")
        is_idle = not self._outgoing
        self._outgoing += worker.frame_message((function, args))
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(future)
        if is_idle:
            self._write()
            if self._outgoing and not self._is_closed:
                self._loop.add_writer(self._ours, self._write)
        return future

    def close_socket(self) -> None:
        """Close the socket, which ends the worker's job. Futures without a result end in BrokenExecutor."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._ours)
        self._loop.remove_writer(self._ours)
        self._ours.close()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(BrokenExecutor("the worker hung up"))
                future.exception()  # marks it as retrieved: perhaps no task waits for it any more

    def _write(self) -> None:
        try:
            sent = self._ours.send(memoryview(self._outgoing)[:CHUNK_BYTES])
        except BlockingIOError:
            return
        except OSError:
            self.close_socket()
            return
        del self._outgoing[:sent]
        if not self._outgoing:
            self._loop.remove_writer(self._ours)

    def _read(self) -> None:
        try:
            count = self._ours.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.close_socket()
            return
        self._incoming += self._buffer[:count]
        header = worker.LENGTH_HEADER.size
        while len(self._incoming) >= header:
            end = header + worker.LENGTH_HEADER.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            with memoryview(self._incoming) as whole:
                is_done, result = pickle.loads(whole[header:end])
            del self._incoming[:end]
            self._take(is_done, result)

    def _take(self, is_done: bool, result: Any) -> None:
        future = self._waiting.popleft()
        if future.done():  # cancelled at its time limit
            return
        if is_done:
            future.set_result(result)
        else:
            future.set_exception(result)
