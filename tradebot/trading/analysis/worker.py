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

from tradebot.trading.analysis.share import Past, Setup, Share, Slice
from tradebot.trading.analysis.volley import Answer

LENGTH = struct.Struct("!Q")  # goes before each message of the channel

_shares: list[Share] = []  # of this process
_channel: socket.socket | None = None  # to the event loop, for closes


class Output:
    """Standard output or error of the parent, which goes to a new process as `here`."""

    def __init__(self, fd: int, sent: Any = None) -> None:
        self.fd = fd
        self.here = fd if sent is None else sent.detach()

    def __reduce__(self) -> tuple[type[Output], tuple[int, Any]]:
        return Output, (self.fd, reduction.DupFd(self.fd))


def begin(channel: socket.socket, *outputs: Output) -> None:
    """Prepare a new worker process: leave Ctrl-C to the parent, yield to the event loop, die with the parent.

    It prints where the parent does now: the fork server was started before the parent took over what is printed.
    """
    global _channel
    _channel = channel
    for output in outputs:
        os.dup2(output.here, output.fd)
        os.close(output.here)
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
        threading.Thread(target=_outlive_not, args=(parent,), daemon=True).start()
    if not parent.is_alive():
        os._exit(0)


def _outlive_not(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def load(setups: Sequence[Setup]) -> None:
    """Build the shares of this process. Raises DataError or ConfigError of a strategy."""
    _shares[:] = map(Share, setups)


def warm(pasts: Sequence[Past]) -> Answer:
    """Feed histories to the shares of this process."""
    assert _shares, "warm before load"
    return _joined([share.warm(pasts) for share in _shares])


def settle() -> None:
    """Tell the shares that all histories were fed."""
    for share in _shares:
        share.settle()


def step(piece: Slice) -> Answer:
    """Feed one close to the shares of this process; each takes the rows that are its own."""
    assert _shares, "step before load"
    return _joined([share.step(piece) for share in _shares])


def rouse(piece: Slice) -> Answer:
    """Let the shares of this process rehearse; `piece` and what would have fired mean nothing."""
    return _joined([share.rehearse() for share in _shares])


def serve() -> None:
    """Answer jobs from the channel, one at a time, until the event loop closes it; the last job of this process.

    A close that went through the pool's queues would wake four threads on its way there and back.
    """
    assert _channel is not None, "serve before begin"
    with _channel, _channel.makefile("rb") as incoming:
        while len(header := incoming.read(LENGTH.size)) == LENGTH.size:
            job: tuple[Callable[..., object], tuple[object, ...]] = pickle.loads(incoming.read(*LENGTH.unpack(header)))
            _channel.sendall(framed(_done(*job)))


def _done(function: Callable[..., object], args: tuple[object, ...]) -> tuple[bool, object]:
    try:
        return True, function(*args)
    except Exception as fault:  # travels to whoever asked, as from any executor
        return False, fault


class _Pickler(pickle.Pickler):
    # numpy describes the type of each array at length; of one close that costs more than its numbers.
    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.char in "ld":
            return array, (value.tobytes(), value.dtype.char, value.shape)
        return NotImplemented


def array(raw: bytes, kind: str, shape: tuple[int, ...]) -> Any:
    """Return the array that was sent; it cannot be written to."""
    return np.frombuffer(raw, dtype=kind).reshape(shape)


def framed(message: object) -> bytes:
    """Return a message of the channel, its length before it."""
    buffer = io.BytesIO()
    buffer.write(bytes(LENGTH.size))
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    size = buffer.tell() - LENGTH.size
    buffer.seek(0)
    buffer.write(LENGTH.pack(size))
    return buffer.getvalue()


def _joined(answers: Sequence[Answer]) -> Answer:
    return Answer([f for a in answers for f in a.fires], [f for a in answers for f in a.faults])
