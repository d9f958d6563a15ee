"""The interpreter of a trading process: its collector leaves the start alone and is measured, its threads give way."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tradebot.clock import Clock

# Young objects between two collections: at the default of 700 the order path meets one every few orders. Ten thousand
# are looked through in well under a millisecond, and what lives longer is looked at a hundredth as often.
GC_THRESHOLDS = (10_000, 20, 100)
# How long a thread may keep the interpreter while the event loop waits for it; the default is 5 ms.
SWITCH_INTERVAL_S = 0.0005


@contextmanager
def tuned_interpreter(clock: Clock, measure: Callable[[str, int], None]) -> Iterator[None]:
    """Leave everything that is alive out of collections, and measure each of them as `gc_pause`, in ns.

    Nothing is collected first: that takes a tenth of a second of the start and would free next to nothing. The
    collector comes less often and threads give way sooner inside; all is as before at the end.
    """
    began = 0

    def note(phase: str, _info: dict[str, Any]) -> None:
        nonlocal began
        if phase == "start":
            began = clock.monotonic_ns()
        else:
            measure("gc_pause", clock.monotonic_ns() - began)

    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.callbacks.append(note)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.callbacks.remove(note)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
