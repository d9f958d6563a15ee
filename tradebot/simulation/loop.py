"""An event loop on virtual time: when no callback is ready, time jumps to the next timer. Nothing really waits.

What depends on chance on a real machine is drawn from the seeded generator: the order of tasks that are ready
together, the duration of a thread, the latency and pieces of bytes. Sockets are in memory, see `network`.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

from tradebot.simulation.network import MemoryServer, Network
from tradebot.simulation.process import CURRENT_PROCESS, Process
from tradebot.simulation.seeded_random import SeededRandom

THREAD_S = (0.0001, 0.004)  # duration of work in a thread
MAX_IDLE_TURNS = 200_000  # loop turns without progress of time; beyond, something spins
RESOLUTION_S = 1e-9


class SimulationStuck(RuntimeError):
    """The session cannot go on: all tasks wait for each other, or one never waits."""


class NumberedTask(asyncio.Task[Any]):
    """A task numbered in order of creation, so that no order depends on memory addresses."""

    number = 0


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop of one session; `network` carries its bytes, `callback_count` counts the callbacks it ran."""

    def __init__(self, rng: SeededRandom) -> None:
        super().__init__()
        self._rng = rng
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []  # a heap; equal times in order of creation
        self._tasks_made = self._timers_made = self._spins = self.callback_count = 0
        self._connected: dict[int, Any] = {}  # file descriptor of a connected socket without a transport -> address
        self.network = Network(self, rng)
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]
        self.set_exception_handler(self._on_exception)
        self.uncaught_errors: list[dict[str, Any]] = []  # contexts of uncaught errors

    def time(self) -> float:
        return self._now_s

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def spawn_process(self, process: Process, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """Start `work` as the main task of `process`; if the process is killed, the task never ends."""
        context = copy_context()
        context.run(CURRENT_PROCESS.set, process)
        return context.run(lambda: self.create_task(work(), name=process.name))

    def abandon_loop(self) -> None:
        """Close the loop for good; it still accepts calls but never runs them."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.set_exception_handler(lambda *_: None)
        self._closed = True

    def _check_closed(self) -> None:
        pass

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Generator[Any, None, Any], **more: Any) -> NumberedTask:
        task = NumberedTask(work, loop=loop, **more)
        self._tasks_made += 1
        task.number = self._tasks_made
        return task

    def _on_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        process = CURRENT_PROCESS.get(None)
        if process is None or process.is_alive:
            self.uncaught_errors.append(context)

    # ---- one turn

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if ready:
            self._spins += 1
            if self._spins > MAX_IDLE_TURNS:
                raise SimulationStuck(f"{MAX_IDLE_TURNS} turns at {self._now_s:.6f} s: {ready[0]!r}")
        elif timers:
            self._spins = 0
            self._now_s = max(self._now_s, timers[0][0])
        elif not self._stopping:  # type: ignore[attr-defined]
            raise SimulationStuck(f"at {self._now_s:.6f} s everybody waits and no timer runs")
        end = self._now_s + RESOLUTION_S
        while timers and timers[0][0] <= end:
            ready.append(heapq.heappop(timers)[2])
        count = len(ready)
        if count > 1:
            self._shuffle_steps(ready)
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                self._run(handle)

    def _run(self, handle: Any) -> None:
        process = handle._context.get(CURRENT_PROCESS)
        if process is not None:
            if process.events_until_kill:
                process.events_until_kill -= 1
                if not process.events_until_kill:
                    process.kill()
            if not process.is_alive:
                return
        self.callback_count += 1
        handle._run()

    def _shuffle_steps(self, ready: Any) -> None:
        # Steps of tasks that are adjacent in the queue may run in any order: each must also be right if it had been
        # woken a moment earlier. Callbacks keep their places, because protocols rely on that.
        handles, first = list(ready), 0
        owners = [getattr(handle._callback, "__self__", None) for handle in handles]
        numbers = [owner.number if type(owner) is NumberedTask else 0 for owner in owners]
        is_changed = False
        while first < len(handles):
            last = first
            while last < len(handles) and numbers[last]:
                last += 1
            if last - first > 1:
                some = sorted(zip(numbers[first:last], handles[first:last], strict=True), key=lambda pair: pair[0])
                mixed: list[Any] = [handle for _, handle in some]
                self._rng.shuffle(mixed)
                handles[first:last] = mixed
                is_changed = True
            first = last + 1
        if is_changed:
            ready.clear()
            ready.extend(handles)

    # ---- what a selector, threads and a kernel would do

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run `func` in the loop after the random time of a thread; `executor` is ignored."""
        done: asyncio.Future[Any] = self.create_future()

        def work() -> None:
            if done.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:
                done.set_exception(error)
                return
            done.set_result(result)

        self.call_later(self._rng.float_between(*THREAD_S), work)
        return done

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Set the handler of a signal for the simulated process that calls this."""
        CURRENT_PROCESS.get().signals[int(sig)] = callback, args

    def remove_signal_handler(self, sig: int) -> bool:
        return CURRENT_PROCESS.get().signals.pop(int(sig), None) is not None

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await self.network.await_server(address[:2])
        self._connected[sock.fileno()] = address[:2]

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        if sock is None:
            await self.network.await_server(address := (host, port))
        else:
            address = self._connected.pop(sock.fileno())
            sock.close()
        return self.network.open_connection(address, protocol_factory)

    async def create_unix_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], path: str | None = None, **_: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        await self.network.await_server(path)
        return self.network.open_connection(path, protocol_factory)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str | None = None, port: int = 0, **_: Any
    ) -> MemoryServer:
        """Listen on `port`; with 0 on the port of the calling process, the same after each restart."""
        return self.network.open_server(
            (host, port or self.network.port_of(CURRENT_PROCESS.get().name)), protocol_factory
        )

    async def create_unix_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: str | None = None,
        *,
        sock: socket.socket | None = None,
        **_: Any,
    ) -> MemoryServer:
        """Listen at the address of `sock`, which is closed."""
        assert sock is not None, "the control socket is bound by its owner"
        address = sock.getsockname()
        sock.close()
        return self.network.open_server(address, protocol_factory)
