"""Events as the lines of the log: the same fields, cut and redacted the same way, for readers other than the log."""

from __future__ import annotations

from collections.abc import Iterable

from tradebot.clock import format_iso
from tradebot.ops.events.event import Event
from tradebot.ops.logs import LOG_LEVELS, FieldSanitizer, LogThreshold, render_json
from tradebot.ops.redaction import Redactor


class EventLines:
    """Renders events that reach `threshold`, that of the log or else `info`. The others are as in `configure_log`."""

    def __init__(
        self,
        *,
        threshold: LogThreshold | None = None,
        run_id: str = "",
        mode: str = "",
        secrets: Iterable[str] = (),
        logger: str = "",
    ) -> None:
        self._threshold = threshold or LogThreshold()
        self._fixed = {"run_id": run_id, "mode": mode, "logger": logger}
        self._fixed = {name: value for name, value in self._fixed.items() if value}
        self._redact = Redactor(secrets)
        self._sanitize = FieldSanitizer(self._redact)

    def is_logged(self, event: Event) -> bool:
        """Return whether the log takes events of this level."""
        return self._threshold.is_reached(LOG_LEVELS[event.level])

    def render_line(self, event: Event, at: int) -> bytes:
        """Return an event that came at the wall time `at` (ns) as one line of JSON, without a newline."""
        fields = {"timestamp": format_iso(at), "level": event.level, "event": event.name, **self._fixed}
        # A field never hides one of the above: the log keeps its own last, and no declared event has such a name.
        line = render_json(None, event.level, self._sanitize(None, event.level, {**fields, **event.log_fields()}))
        return self._redact(line).rstrip(b"\n")
