"""Serves something on a loop in a thread of its own, for tests whose command runs a loop itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def in_thread(served: AbstractAsyncContextManager[T], name: str) -> Iterator[T]:
    """Hold `served` open in a thread while the context is open, and yield what it yields."""
    ready, found = threading.Event(), list[T]()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with served as opened:
            found.append(opened)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name=name)
    thread.start()
    try:
        assert ready.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
