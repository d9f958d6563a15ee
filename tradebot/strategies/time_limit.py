"""The limit on how long a strategy's own code may take, so that one that loops for ever ends with a sentence."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tradebot.clock import SECOND, WallClock

LOAD_LIMIT_S = 30.0  # what a strategy may take for its file and for `rules()`, heavy imports on a busy machine included
CHECK_EVERY_S = 0.02  # how often the limits of other threads than the main one are looked at


class TooSlow(Exception):
    """A strategy took longer than it may."""


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise TooSlow in the block after wall `limit_s`, and again after as many more; limits do not nest.

    The main thread is interrupted by a signal, another one, as of a notebook's or a cluster's, by one that watches it.
    Inside a C function nothing is interrupted.
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
    # The limits of threads that get no signals. One thread looks at them all, as long as there are any.

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, tuple[int, float]] = {}  # thread -> when its time is over (monotonic ns), its seconds
        self._thread: threading.Thread | None = None
        self._clock = WallClock()

    def begin_limit(self, thread: int, limit_s: float) -> None:
        with self._lock:
            self._due[thread] = self._clock.monotonic_ns() + int(limit_s * SECOND), limit_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="time limits", daemon=True)
                self._thread.start()

    def end_limit(self, thread: int) -> None:
        with self._lock:
            self._due.pop(thread, None)
            _interrupt(thread, None)  # what was asked for and has not happened yet does not

    def _look(self) -> None:
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
                if idle * CHECK_EVERY_S > 1:  # a second without any
                    self._thread = None
                    return


def _late(seconds: float) -> type[TooSlow]:
    # Only a class can be raised in another thread, so its words are in the class.
    return type("TooSlow", (TooSlow,), {"__str__": lambda self: _words(seconds)})


def _interrupt(thread: int, what: type[BaseException] | None) -> None:
    asked = ctypes.py_object() if what is None else ctypes.py_object(what)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), asked)


_watch = _ThreadLimits()
