"""When a thing that lasts, or comes again and again, is said once more: at once, and then at intervals that double."""

from __future__ import annotations

from tradebot.clock import SECOND

TOPICS_REMEMBERED = 1_000  # things remembered; whoever counts on more says each of them at once


class Reminder:
    """Says whether to speak of a thing now; what is not said is counted. Times are monotonic ns."""

    def __init__(self, *, first_s: float = 60.0, longest_s: float = 900.0) -> None:
        self._first, self._longest = int(first_s * SECOND), int(longest_s * SECOND)
        self._told: dict[str, tuple[int, int, int]] = {}  # thing -> (mono of the next word, interval, times unsaid)

    def due_count(self, topic: str, mono: int) -> int:
        """Return how often `topic` came since it was said last if it is to be said now, else 0."""
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
        """Forget a thing that is over, so that its next time is said at once."""
        self._told.pop(topic, None)
