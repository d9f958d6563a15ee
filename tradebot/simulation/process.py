"""A simulated process: what lives in it, found by the context its callbacks run in, and how it is killed.

Killing runs no line of its code: its callbacks are dropped, its sockets end as the kernel ends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol


class ProcessResource(Protocol):
    """What a process holds that its kernel lets go when it dies."""

    def on_process_death(self) -> None:
        """Let go; called once, when the process is dead."""
        ...


class Process:
    """One process. `events_until_kill` events from now it dies on its own, before the last of them; 0 for never."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.events_until_kill = 0
        self.on_death: list[Callable[[], None]] = []
        self.signals: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self.resources: dict[ProcessResource, None] = {}  # in the order they were made
        self._left: list[Any] = []  # the tasks of a dead process: kept, because their end would run their code

    def deliver_signal(self, number: int) -> None:
        """Deliver a signal for which the process has a callback."""
        callback, args = self.signals[number]
        callback(*args)

    def kill(self) -> None:
        """End the process between two events."""
        assert self.is_alive, f"{self.name} is dead already"
        self.is_alive, self.events_until_kill = False, 0
        self._left.extend(asyncio.all_tasks())
        for plug in tuple(self.resources):
            plug.on_process_death()
        self.resources.clear()
        for heard in self.on_death:
            heard()


CURRENT_PROCESS: ContextVar[Process] = ContextVar("process")  # the process whose code runs
