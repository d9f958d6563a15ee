"""When a lasting or recurring topic is reported again: at once, and then at intervals that double."""

from __future__ import annotations

from tradebot.clock import SECOND

TOPICS_REMEMBERED = 1_000  # the oldest is forgotten beyond this, and is then reported at once when it comes again


class Reminder:
    """Decides whether to report a topic now, and counts what is not reported."""

    def __init__(self, *, first_s: float = 60.0, longest_s: float = 900.0) -> None:
        self._first, self._longest = int(first_s * SECOND), int(longest_s * SECOND)
        # topic -> (next report, interval, unreported); monotonic ns
        self._told: dict[str, tuple[int, int, int]] = {}

    def due_count(self, topic: str, mono: int) -> int:
        """Count `topic` at `mono` (monotonic ns).

        Returns how often it came since its last report, this time included, if a report is due, else 0.
        """
        due, interval, unsaid = self._told.pop(topic, (mono, self._first // 2, 0))
        times = unsaid + 1
        if mono < due:
            self._told[topic] = due, interval, times
            return 0
        interval = min(2 * interval, self._longest)
        self._told[topic] = mono + interval, interval, 0
        while len(self._told) > TOPICS_REMEMBERED:
            del self._told[next(iter(self._told))]
        return times

    def forget_topic(self, topic: str) -> None:
        """Forget a topic that is over, so that it is reported at once when it comes again."""
        self._told.pop(topic, None)
