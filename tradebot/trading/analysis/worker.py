"""The code of a worker process: its jobs over its partitions of the symbols, its start and its end.

Bars come in as one array for each close; signals go out as a few columns. The module imports little on purpose: besides
the user's strategies a worker loads nothing else.
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

from tradebot.trading.analysis.partition import Partition, PartitionSetup, SymbolHistory
from tradebot.trading.analysis.signal_batch import WorkerResult
from tradebot.trading.analysis.waiting_symbols import CloseRows

LENGTH_HEADER = struct.Struct("!Q")  # stands before each message of the channel

_partitions: list[Partition] = []  # the partitions of this process
_channel: socket.socket | None = None  # the socket to the event loop


class InheritedOutput:
    """The parent's standard output or error `fd`; pickled, it becomes the descriptor `child_fd` in the new process."""

    def __init__(self, fd: int, sent: Any = None) -> None:
        self.fd = fd
        self.child_fd = fd if sent is None else sent.detach()

    def __reduce__(self) -> tuple[type[InheritedOutput], tuple[int, Any]]:
        return InheritedOutput, (self.fd, reduction.DupFd(self.fd))


def initialize_process(channel: socket.socket, *outputs: InheritedOutput) -> None:
    """Prepare a new worker process: ignore Ctrl-C, lower its priority below the event loop's, end with the parent.

    The process prints to the parent's present `outputs`. The fork server has older ones: it was started before the
    parent captured its output.
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
    """Make this process end when the process that started its pool ends, in any way."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # Only the parent holds the other end of this pipe. When it closes, the kernel kills us. This needs no thread
        # and no lock, and ends a worker that hangs in C too. A parent-death signal does not work: our direct parent is
        # the fork server, which goes on.
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
    """Build the partitions of this process. Raises DataError or ConfigError of a strategy."""
    _partitions[:] = map(Partition, setups)


def load_histories(histories: Sequence[SymbolHistory]) -> WorkerResult:
    """Load histories into the partitions of this process."""
    assert _partitions, "warm before load"
    return _joined([partition.load_histories(histories) for partition in _partitions])


def finish_warmup() -> None:
    """Finish the warm-up of the partitions, once all histories are loaded."""
    for partition in _partitions:
        partition.finish_warmup()


def join_symbols(ids: Sequence[int], histories: Sequence[SymbolHistory]) -> WorkerResult:
    """Let waiting ids join in the partitions of this process, with their histories."""
    assert _partitions, "join before load"
    return _joined([partition.join_symbols(ids, histories) for partition in _partitions])


def process_close(close_rows: CloseRows) -> WorkerResult:
    """Give one close to the partitions of this process; each takes its own rows."""
    assert _partitions, "step before load"
    return _joined([partition.process_close(close_rows) for partition in _partitions])


def warm_caches(close_rows: CloseRows) -> WorkerResult:
    """Warm the caches of the partitions. `close_rows` is ignored, and the result means nothing."""
    return _joined([partition.warm_caches() for partition in _partitions])


def serve_channel() -> None:
    """Run jobs from the channel, one at a time, until the event loop closes it. The last job of this process.

    The channel is faster than the queues of the process pool, through which a job would wake four threads.
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
    except Exception as fault:  # the fault goes to the caller, as from any executor
        return False, fault


class _Pickler(pickle.Pickler):
    # numpy pickles a long description of an array's type, which for one close costs more than the numbers.
    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.char in "ld":
            return restore_array, (value.tobytes(), value.dtype.char, value.shape)
        return NotImplemented


def restore_array(raw: bytes, kind: str, shape: tuple[int, ...]) -> Any:
    """Return the array that was sent, read-only."""
    return np.frombuffer(raw, dtype=kind).reshape(shape)


def frame_message(message: object) -> bytes:
    """Return a message for the channel: its pickle after the length of the pickle."""
    buffer = io.BytesIO()
    buffer.write(bytes(LENGTH_HEADER.size))
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    size = buffer.tell() - LENGTH_HEADER.size
    buffer.seek(0)
    buffer.write(LENGTH_HEADER.pack(size))
    return buffer.getvalue()


def _joined(answers: Sequence[WorkerResult]) -> WorkerResult:
    return WorkerResult([f for a in answers for f in a.signals], [f for a in answers for f in a.faults])
