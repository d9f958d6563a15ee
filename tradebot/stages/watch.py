"""The feed watch: silence inside the session becomes LinkDown, and its end LinkUp."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.messages import LinkDown, LinkUp

SOURCE = "quotes"
FLOOR_S = 1.0  # wall seconds: on a market clock that runs fast, shorter silences are the scheduler's


class FeedWatch:
    """Watches that some quote came within `stale_after_s` market seconds (`speed` market seconds a wall second)."""

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, FLOOR_S) * SECOND)
        self._fed_at = 0
        self.is_stale = False
        self.spells = 0

    def fed(self, mono: int) -> None:
        """A sound quote came at monotonic `mono`."""
        self._fed_at = max(self._fed_at, mono)

    def step(self, mono: int, *, is_open: bool) -> list[LinkDown | LinkUp]:
        """Return the change at monotonic `mono`, once each way; outside the session silence is normal."""
        silent = self._fed_at > 0 and mono - self._fed_at > self._limit
        if silent and is_open and not self.is_stale:
            self.is_stale, self.spells = True, self.spells + 1
            seconds = (mono - self._fed_at) / SECOND
            return [LinkDown(source=SOURCE, mono=mono, reason=f"no sound quote of any symbol for {seconds:.1f} s")]
        if self.is_stale and not silent:
            self.is_stale = False
            return [LinkUp(source=SOURCE, mono=mono)]
        return []
