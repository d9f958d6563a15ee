"""One worker process as the event loop sees it: start it, give it jobs, kill it for sure.

It is a ProcessPoolExecutor of one process from a fork server: a clean single-threaded process that has imported the
worker's modules once, so that a new worker costs 20 ms and never copies the threads of the daemon. Its last job is to
serve a socket (`open_socket_channel`): a close then wakes the worker and the loop, and none of the pool's threads between them.
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

START_WITHIN_S = 30.0  # a cold machine imports numpy and TA-Lib from disk in a few seconds
POLITE_STOP_S = 1.0  # of the two seconds a stop may take


class WorkerGone(Exception):
    """The worker died, hung or ran out of memory; its state is gone. The text says which."""


class WorkerProcess:
    """A process that runs functions of `worker`, one at a time; `on_death` is called in the loop when it just ends."""

    def __init__(self, threads: ThreadPoolExecutor, on_death: Callable[[], None]) -> None:
        self.pid = 0
        self._threads, self._on_death = threads, on_death
        self._channel: SocketChannel | None = None  # since `open_socket_channel`
        self._ours, self._theirs = socket.socketpair()
        self._pool: ProcessPoolExecutor | None = None
        self._pidfd = -1
        self._is_closed = False

    async def open_process(self) -> None:
        """Start the process without blocking the loop. Raises Lost."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_WITHIN_S):
                # Starting one waits for the fork server, so a thread does it.
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
        """Send the jobs from now on by the short way; no job may be under way. Raises Lost."""
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
        """Queue a job. Raises Lost when the process is known to be gone; the future may end in BrokenExecutor."""
        assert self._pool is not None, "submit before open"
        try:
            if self._channel is not None:
                return self._channel.submit_job(function, args)
            return asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        except (BrokenExecutor, RuntimeError) as fault:  # RuntimeError: the pool was shut down
            raise WorkerGone("died") from fault

    async def run_job(self, function: Callable[..., Any], *args: Any, within_s: float) -> Any:
        """Run a job and return its result. Raises Lost; what the job itself raises passes through."""
        return await self.wait_result(self.submit_job(function, *args), within_s=within_s)

    async def wait_result(self, future: asyncio.Future[Any], *, within_s: float) -> Any:
        """Return the result of a job. Raises as `run_job` does."""
        await asyncio.wait([future], timeout=within_s)
        return job_result(future, within_s)

    def kill(self) -> None:
        """End the process now, whatever it is doing."""
        self._is_closed = True
        self._hang_up()
        if self._pidfd >= 0:
            # By descriptor and not by number: the number may belong to somebody else by now.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self._forget()
        elif self.pid and sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def close_process(self) -> None:
        """End the process politely, then for sure; takes at most `POLITE_STOP_S` and a little."""
        self._is_closed = True
        pool = self._pool
        if pool is None:
            return
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
        self._hang_up()  # which ends its last job
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
        future.exception()  # nobody may be left who waits for it


def job_result(future: asyncio.Future[Any], within_s: float) -> Any:
    """Return the result of a job that had its time. Raises Lost; what the job itself raised passes through."""
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
