"""The limit on how long a strategy's own code may take, so that one that loops for ever ends with a sentence."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LOAD_S = 30.0  # what a strategy may take for its file and for `rules()`, heavy imports on a busy machine included


class TooSlow(Exception):
    """A strategy took longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow in the block after wall `seconds`, and again after as many more.

    It needs the main thread, whose signals it uses; in another one, or inside a C function, nothing is interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
