"""When the next message may leave: the first at once, then in windows that grow while trouble lasts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from tradebot.clock import HOUR, SECOND
from tradebot.ops.events.run import DaySummarized

SETTLE_S = 1.0  # what comes within this of the first event is in its message
NEWS_NS, CRITICAL_NEWS_NS = 6 * HOUR, HOUR  # an event that no message named for so long is news
CALM_NS = HOUR  # after so long without a message the next ones come in short windows again
BACKOFF_S = (5.0, 300.0)  # pauses after a failed delivery: the first, and the longest


class PaceSettings(NamedTuple):
    """Seconds between two messages, the most to which it grows, and messages an hour that hold no error."""

    window_s: float = 30.0
    longest_s: float = 1800.0
    warnings_per_hour: int = 6


class AlertPace:
    """Decides when a message to one receiver leaves; all times are monotonic ns.

    A kind of event that is news, because no message named it for some hours, waits a window since the last message. An
    error does not wait for a message that held none. What is no news waits longer with each message, up to
    `longest_s`, until an hour is calm. Errors wait and are merged, and are never given up.
    """

    def __init__(self, settings: PaceSettings) -> None:
        self._gap = 0  # to the next message that tells nothing new
        self._sent_mono: int | None = None
        self._error_mono: int | None = None  # when a message with an error was sent
        self._retry_mono, self._pause_s = 0, 0.0
        self._told: dict[str, int] = {}  # event -> when a message named it
        self._quiet = deque[int]()  # messages without an error
        self.change_settings(settings)

    def change_settings(self, settings: PaceSettings) -> None:
        """Keep to other settings from now on; what was sent and how far the windows have grown is kept."""
        self._window, self._longest = int(settings.window_s * SECOND), int(settings.longest_s * SECOND)
        self._gap = max(min(self._gap, self._longest), self._window)
        self._quiet = deque(self._quiet, maxlen=settings.warnings_per_hour)

    def due_mono(self, names: Iterable[str], *, since_mono: int, has_error: bool, is_critical: bool) -> int:
        """Return when a message with events of these `names` may leave, of which the first came at `since_mono`."""
        due = since_mono + int(SETTLE_S * SECOND)
        after = self._error_mono if has_error else self._sent_mono
        if after is not None:
            news_ns = CRITICAL_NEWS_NS if is_critical else NEWS_NS
            is_news = any(since_mono - self._told.get(name, -news_ns) >= news_ns for name in names)
            due = max(due, after + (self._window if is_news else self._gap))
        is_summary = DaySummarized.name in names
        if not has_error and not is_summary and self._quiet and len(self._quiet) == self._quiet.maxlen:
            due = max(due, self._quiet[0] + HOUR)
        return max(due, self._retry_mono)

    def note_sent(self, names: Iterable[str], mono: int, *, has_error: bool) -> None:
        """Note that a message with events of these `names` was delivered."""
        if self._sent_mono is not None:
            is_calm = mono - self._sent_mono > CALM_NS
            self._gap = self._window if is_calm else min(2 * self._gap, self._longest)
        self._sent_mono, self._retry_mono, self._pause_s = mono, 0, 0.0
        self._told.update(dict.fromkeys(names, mono))
        if has_error:
            self._error_mono = mono
        else:
            self._quiet.append(mono)

    def note_failed(self, mono: int, *, retry_after_s: float = 0.0) -> None:
        """Note a failed delivery; the next try comes after `retry_after_s`, where the receiver asked for it."""
        first, longest = BACKOFF_S
        self._pause_s = min(max(2 * self._pause_s, first), longest)
        self._retry_mono = mono + int(max(self._pause_s, min(retry_after_s, HOUR / SECOND)) * SECOND)
