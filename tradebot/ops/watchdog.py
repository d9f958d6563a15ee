"""The watchdog: the supervisor hears that the daemon lives at each beat of its stages, unless a part of it is stuck."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tradebot.clock import SECOND, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import WatchdogWithheld
from tradebot.ops.liveness import Liveness, Probe
from tradebot.ops.systemd import Notifier


class Watchdog:
    """Feeds the supervisor's watchdog; `has_failed` tells whether the daemon is to end, and is fed no more."""

    def __init__(
        self, notifier: Notifier, *, clock: Clock, tell: EventListener, has_failed: Callable[[], bool]
    ) -> None:
        self._notifier, self._clock, self._tell, self._has_failed = notifier, clock, tell, has_failed
        self._pulse = Liveness({})
        self._fed_at = 0

    def set_probes(self, probes: Mapping[str, Probe]) -> None:
        """Ask these parts from now on: what beats does not pass through them."""
        self._pulse = Liveness(probes)

    def on_beat(self) -> None:
        """Take a sign that the loop and its queues move; feed the watchdog if it is time and no part is stuck."""
        every = self._notifier.watchdog_every_s
        now = self._clock.monotonic_ns()
        if every is None or now - self._fed_at < every * SECOND or self._has_failed():
            return
        self._fed_at = now
        if stuck := self._pulse.stalled_parts(now):
            self._tell(WatchdogWithheld(stuck=stuck))
        else:
            self._notifier.notify_watchdog()
