"""The venue of the burst benchmark, a process of its own: takes orders and knows when the last of them came."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import uvloop

from tradebot.bench.order_venue import Counter
from tradebot.clock import SECOND, WallClock

START_S = 30.0


class _Orders:
    def __init__(self) -> None:
        self.count, self.last = 0, 0

    def order(self, name: str, form: dict[str, list[str]], at: int) -> str:
        self.count, self.last = self.count + 1, at
        return f"{self.count:015d}"


class OrderWire:
    """The parent's end: the address, and the count of orders."""

    def __init__(self, connection: Connection, rest: str) -> None:
        self._connection, self.rest = connection, rest

    def orders(self, total: int, *, within_s: float) -> tuple[int, int]:
        """Wait for `total` orders since the start; return how many came and when the last did, monotonic ns."""
        self._connection.send((total, within_s))
        count, last = self._connection.recv()
        return int(count), int(last)


@contextmanager
def running() -> Iterator[OrderWire]:
    """Run the venue in its own process. Raises TimeoutError, EOFError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise TimeoutError(f"the venue did not start within {START_S:g} s")
        yield OrderWire(ours, str(ours.recv()))
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection) -> None:
    uvloop.run(_run(pipe))


async def _run(pipe: Connection) -> None:
    loop, orders, clock = asyncio.get_running_loop(), _Orders(), WallClock()
    server = await loop.create_server(lambda: Counter(orders), "127.0.0.1", 0)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    while True:
        try:
            total, within_s = await loop.run_in_executor(None, pipe.recv)
        except EOFError:
            return
        deadline = clock.monotonic() + int(within_s * SECOND)
        while orders.count < total and clock.monotonic() < deadline:
            await clock.sleep(0.002)
        pipe.send((orders.count, orders.last))
