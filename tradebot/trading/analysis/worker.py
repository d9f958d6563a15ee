"""What a worker process runs: jobs over its shares of the symbols; what it begins as, and how it dies.

Bars come in as one array per close, what fired goes out as a few columns. The module imports little, on purpose: it is
all that a worker loads besides the user's own strategies.
"""

from __future__ import annotations

import fcntl
import io
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from tradebot.trading.analysis.partition import CloseRows, Partition, PartitionSetup, SymbolHistory
from tradebot.trading.analysis.signal_batch import WorkerResult

LENGTH_HEADER = struct.Struct("!Q")  # goes before each message of the channel

_shares: list[Partition] = []  # of this process
_channel: socket.socket | None = None  # to the event loop, for closes


class InheritedOutput:
    """Standard output or error of the parent, which goes to a new process as `child_fd`."""

    def __init__(self, fd: int, sent: Any = None) -> None:
        self.fd = fd
        self.child_fd = fd if sent is None else sent.detach()

    def __reduce__(self) -> tuple[type[InheritedOutput], tuple[int, Any]]:
        return InheritedOutput, (self.fd, reduction.DupFd(self.fd))


def initialize_process(channel: socket.socket, *outputs: InheritedOutput) -> None:
    """Prepare a new worker process: leave Ctrl-C to the parent, yield to the event loop, die with the parent.

    It prints where the parent does now: the fork server was started before the parent took over what is printed.
    """
    global _channel
    _channel = channel
    for output in outputs:
        os.dup2(output.child_fd, output.fd)
        os.close(output.child_fd)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    end_with_parent()


def end_with_parent() -> None:
    """See to it that this process ends when the one that started its pool does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # The kernel kills us when the pipe ends that only the parent holds open. That needs no thread and no lock: it
        # ends a worker that hangs in C too. A parent-death signal would not do: our parent, the fork server, lives on.
        fd = parent.sentinel
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    else:
        threading.Thread(target=_exit_after_parent, args=(parent,), daemon=True).start()
    if not parent.is_alive():
        os._exit(0)


def _exit_after_parent(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def build_partitions(setups: Sequence[PartitionSetup]) -> None:
    """Build the shares of this process. Raises DataError or ConfigError of a strategy."""
    _shares[:] = map(Partition, setups)


def load_histories(histories: Sequence[SymbolHistory]) -> WorkerResult:
    """Feed histories to the shares of this process."""
    assert _shares, "warm before load"
    return _joined([share.load_histories(histories) for share in _shares])


def finish_warmup() -> None:
    """Tell the shares that all histories were fed."""
    for share in _shares:
        share.finish_warmup()


def process_close(close_rows: CloseRows) -> WorkerResult:
    """Feed one close to the shares of this process; each takes the rows that are its own."""
    assert _shares, "step before load"
    return _joined([share.process_close(close_rows) for share in _shares])


def warm_caches(close_rows: CloseRows) -> WorkerResult:
    """Let the shares of this process rehearse; `close_rows` and what would have fired mean nothing."""
    return _joined([share.warm_caches() for share in _shares])


def serve_channel() -> None:
    """Answer jobs from the channel, one at a time, until the event loop closes it; the last job of this process.

    A close that went through the pool's queues would wake four threads on its way there and back.
    """
    assert _channel is not None, "serve before begin"
    with _channel, _channel.makefile("rb") as incoming:
        while len(header := incoming.read(LENGTH_HEADER.size)) == LENGTH_HEADER.size:
            job: tuple[Callable[..., object], tuple[object, ...]] = pickle.loads(
                incoming.read(*LENGTH_HEADER.unpack(header))
            )
            _channel.sendall(frame_message(_done(*job)))


def _done(function: Callable[..., object], args: tuple[object, ...]) -> tuple[bool, object]:
    try:
        return True, function(*args)
    except Exception as fault:  # travels to whoever asked, as from any executor
        return False, fault


class _Pickler(pickle.Pickler):
    # numpy describes the type of each array at length; of one close that costs more than its numbers.
    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.char in "ld":
            return restore_array, (value.tobytes(), value.dtype.char, value.shape)
        return NotImplemented


def restore_array(raw: bytes, kind: str, shape: tuple[int, ...]) -> Any:
    """Return the array that was sent; it cannot be written to."""
    return np.frombuffer(raw, dtype=kind).reshape(shape)


def frame_message(message: object) -> bytes:
    """Return a message of the channel, its length before it."""
    buffer = io.BytesIO()
    buffer.write(bytes(LENGTH_HEADER.size))
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    size = buffer.tell() - LENGTH_HEADER.size
    buffer.seek(0)
    buffer.write(LENGTH_HEADER.pack(size))
    return buffer.getvalue()


def _joined(answers: Sequence[WorkerResult]) -> WorkerResult:
    return WorkerResult([f for a in answers for f in a.signals], [f for a in answers for f in a.faults])
