"""The time limit of a strategy's own code: an endless loop in it ends with a clear error."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tradebot.clock import SECOND, WallClock

# Wall seconds to load a strategy's file, and to build its rules, with heavy imports on a busy machine
LOAD_LIMIT_S = 30.0
CHECK_EVERY_S = 0.02  # seconds between two checks of limits outside the main thread


class TooSlow(Exception):
    """A strategy took longer than its time limit."""


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise TooSlow in the block after `limit_s` wall seconds, and again each time as many more pass.

    Limits do not nest. The main thread is interrupted by a signal. Another thread, as in a notebook or a cluster, is
    interrupted by a thread that watches it. A call of a C function is not interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        thread = threading.get_ident()
        _watch.begin_limit(thread, limit_s)
        try:
            yield
        finally:
            _watch.end_limit(thread)
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise TooSlow(_words(limit_s))

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _words(seconds: float) -> str:
    return f"took longer than {seconds:g} s"


class _ThreadLimits:
    # The limits of threads that get no signals. One thread checks them all, and ends when there are none.

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, tuple[int, float]] = {}  # thread -> (deadline in monotonic ns, limit in s)
        self._thread: threading.Thread | None = None
        self._clock = WallClock()

    def begin_limit(self, thread: int, limit_s: float) -> None:
        with self._lock:
            self._due[thread] = self._clock.monotonic_ns() + int(limit_s * SECOND), limit_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._check_limits, name="time limits", daemon=True)
                self._thread.start()

    def end_limit(self, thread: int) -> None:
        with self._lock:
            self._due.pop(thread, None)
            _interrupt(thread, None)  # cancels an interruption that has not happened yet

    def _check_limits(self) -> None:
        rest = threading.Event()
        idle = 0
        while True:
            rest.wait(CHECK_EVERY_S)
            with self._lock:
                now = self._clock.monotonic_ns()
                for thread, (at, seconds) in self._due.items():
                    if now >= at:
                        self._due[thread] = now + int(seconds * SECOND), seconds
                        _interrupt(thread, _late(seconds))
                idle = 0 if self._due else idle + 1
                if idle * CHECK_EVERY_S > 1:  # a second without any limit
                    self._thread = None
                    return


def _late(seconds: float) -> type[TooSlow]:
    # Only a class can be raised in another thread, so the message is part of the class.
    return type("TooSlow", (TooSlow,), {"__str__": lambda self: _words(seconds)})


def _interrupt(thread: int, what: type[BaseException] | None) -> None:
    exception = ctypes.py_object() if what is None else ctypes.py_object(what)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


_watch = _ThreadLimits()
