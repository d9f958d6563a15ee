"""A simulated process: the callbacks that run in its context, its resources, and how it is killed.

A kill runs none of its code: its callbacks are dropped, its sockets end as a kernel ends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol


class ProcessResource(Protocol):
    """A resource of a process that the kernel releases when the process dies."""

    def on_process_death(self) -> None:
        """Release the resource; called once, when the process is dead."""
        ...


class Process:
    """One process. It is killed before the last of the next `events_until_kill` callbacks; 0 for never."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.events_until_kill = 0
        self.on_death: list[Callable[[], None]] = []
        self.signals: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self.resources: dict[ProcessResource, None] = {}  # in the order they were made
        self._left: list[Any] = []  # tasks of a dead process; freeing them would run their code

    def deliver_signal(self, number: int) -> None:
        """Call the process's handler of a signal. Raises KeyError without one."""
        callback, args = self.signals[number]
        callback(*args)

    def kill(self) -> None:
        """Kill the process between two callbacks."""
        assert self.is_alive, f"{self.name} is dead already"
        self.is_alive, self.events_until_kill = False, 0
        self._left.extend(asyncio.all_tasks())
        for plug in tuple(self.resources):
            plug.on_process_death()
        self.resources.clear()
        for heard in self.on_death:
            heard()


CURRENT_PROCESS: ContextVar[Process] = ContextVar("process")  # the process whose code runs
