"""The watchdog: notifies systemd of progress at the beats of the stages, unless a part of the daemon is stalled."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tradebot.clock import SECOND, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import WatchdogWithheld
from tradebot.ops.liveness import Liveness, Probe
from tradebot.ops.systemd import Notifier

BEAT_WITHIN_S = 30.0  # the stages beat many times a second; WatchdogSec of the unit is as long


class Watchdog:
    """Feeds the watchdog of systemd. It is fed no more once `has_failed` says that the daemon is to end."""

    def __init__(
        self, notifier: Notifier, *, clock: Clock, tell: EventListener, has_failed: Callable[[], bool]
    ) -> None:
        self._notifier, self._clock, self._tell, self._has_failed = notifier, clock, tell, has_failed
        self._liveness = Liveness({})
        self._fed_at = 0
        self._beat_mono = 0

    def set_probes(self, probes: Mapping[str, Probe]) -> None:
        """Check these parts from now on, because the beats do not pass through them."""
        self._liveness = Liveness(probes)

    def on_beat(self) -> None:
        """Take a beat: the loop and its queues move. Feed the watchdog if it is due and no part is stalled."""
        every = self._notifier.watchdog_every_s
        now = self._beat_mono = self._clock.monotonic_ns()
        if every is None or now - self._fed_at < every * SECOND or self._has_failed():
            return
        self._fed_at = now
        if stuck := self._liveness.stalled_parts(now):
            self._tell(WatchdogWithheld(stuck=stuck))
        else:
            self._notifier.notify_watchdog()

    def stall_reason(self) -> str:
        """Return what makes no progress now, "" while all does; by the same notion as the watchdog of systemd."""
        now = self._clock.monotonic_ns()
        if self._has_failed():
            return "the journal has failed"
        if not self._beat_mono or now - self._beat_mono > BEAT_WITHIN_S * SECOND:
            return "the stages"
        return ", ".join(self._liveness.stalled_parts(now))
