"""One worker process as the event loop sees it: start it, give it jobs, kill it reliably.

It is a ProcessPoolExecutor with one process, forked from a fork server. The fork server has one thread and has imported
the worker's modules, so a new worker costs 20 ms and never copies threads of the daemon. The last job of the pool is to
serve a socket (`open_socket_channel`): from then on a job wakes only the worker and the loop, no thread of the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from tradebot.trading.analysis import fork_server, worker
from tradebot.trading.analysis.socket_channel import SocketChannel

START_WITHIN_S = 30.0  # wall seconds; a cold machine needs a few to import numpy and TA-Lib from disk
POLITE_STOP_S = 1.0  # wall seconds before it is killed, of the two that a stop may take


class WorkerGone(Exception):
    """The worker died, hung or ran out of memory, and its state is lost. The text says which."""


class WorkerProcess:
    """A process that runs functions of `worker`, one at a time.

    `on_death` is called in the loop when the process ends by itself. `threads` runs calls that would block the loop.
    """

    def __init__(self, threads: ThreadPoolExecutor, on_death: Callable[[], None]) -> None:
        self.pid = 0
        self._threads, self._on_death = threads, on_death
        self._channel: SocketChannel | None = None  # since `open_socket_channel`
        self._ours, self._theirs = socket.socketpair()
        self._pool: ProcessPoolExecutor | None = None
        self._pidfd = -1
        self._is_closed = False

    async def open_process(self) -> None:
        """Start the process without blocking the loop. Raises WorkerGone."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                # The start waits for the fork server, so a thread does it.
                self.pid = await loop.run_in_executor(self._threads, self._start)
        except TimeoutError:
            raise WorkerGone(f"did not start within {START_WITHIN_S:g} s") from None
        except (BrokenExecutor, OSError, EOFError) as fault:
            raise WorkerGone(f"did not start: {fault}") from fault
        if sys.platform == "linux":
            try:
                self._pidfd = os.pidfd_open(self.pid)
            except ProcessLookupError:
                raise WorkerGone("died at its start") from None
            loop.add_reader(self._pidfd, self._died)

    def open_socket_channel(self) -> None:
        """Send all further jobs through the socket channel. No job may be under way. Raises WorkerGone."""
        self.submit_job(worker.serve_channel).add_done_callback(_discard_exception)
        self._channel = SocketChannel(self._ours)

    def _start(self) -> int:
        theirs = (self._theirs, worker.InheritedOutput(1), worker.InheritedOutput(2))
        pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=fork_server.process_context(),
            initializer=worker.initialize_process,
            initargs=theirs,
        )
        self._pool = pool
        pid = pool.submit(os.getpid).result(START_WITHIN_S)
        self._theirs.close()
        if self._is_closed:
            os.kill(pid, signal.SIGKILL)
        return pid

    def _died(self) -> None:
        self._forget()
        self._on_death()

    def submit_job(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Queue a job and return the future of its result, which may end in BrokenExecutor.

        Raises WorkerGone when the process is known to be gone.
        """
        assert self._pool is not None, "submit before open"
        try:
            if self._channel is not None:
                return self._channel.submit_job(function, args)
            return asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        except (BrokenExecutor, RuntimeError) as fault:  # RuntimeError: the pool was shut down
            raise WorkerGone("died") from fault

    async def run_job(self, function: Callable[..., Any], *args: Any, within_s: float) -> Any:
        """Run a job and return its result. Raises WorkerGone, or what the job itself raises."""
        return await self.wait_result(self.submit_job(function, *args), within_s=within_s)

    async def wait_result(self, future: asyncio.Future[Any], *, within_s: float) -> Any:
        """Return the result of a job. Raises as `run_job` does."""
        await asyncio.wait([future], timeout=within_s)
        return job_result(future, within_s)

    def kill(self) -> None:
        """Kill the process at once."""
        self._is_closed = True
        self._hang_up()
        if self._pidfd >= 0:
            # By descriptor and not by pid, because another process may have that pid by now.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self._forget()
        elif self.pid and sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def close_process(self) -> None:
        """Ask the process to end, and kill it after `POLITE_STOP_S`; takes little more than that."""
        self._is_closed = True
        pool = self._pool
        if pool is None:
            return
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
        self._hang_up()  # this ends the job that serves the socket
        ending = asyncio.get_running_loop().run_in_executor(self._threads, pool.shutdown)
        await asyncio.wait([ending], timeout=POLITE_STOP_S)
        self.kill()
        await asyncio.wait([ending], timeout=POLITE_STOP_S / 2)

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close_socket()
        else:
            self._ours.close()
        self._theirs.close()

    def _forget(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def _discard_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # marks it as retrieved: perhaps no task waits for it any more


def job_result(future: asyncio.Future[Any], within_s: float) -> Any:
    """Return the result of a job after its time limit. Raises WorkerGone, or what the job itself raised."""
    if not future.done():
        future.cancel()
        raise WorkerGone(f"passed its time limit of {within_s:g} s")
    if future.cancelled():  # its process was killed while the job still waited
        raise WorkerGone("died")
    try:
        return future.result()
    except BrokenExecutor as fault:
        raise WorkerGone("died") from fault
    except MemoryError as fault:
        raise WorkerGone("ran out of memory") from fault
