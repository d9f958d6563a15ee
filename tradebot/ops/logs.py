"""Structured logs: one JSON line an event on standard output, readable text on a terminal, written by a thread.

Order of the steps: level, timestamp, exception to text, control characters and length, rendering, redaction. The
redactor comes last, so it sees the final bytes of every line.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from tradebot.clock import SECOND, Clock, WallClock, format_iso
from tradebot.ops.events.event import Event, EventListener
from tradebot.ops.events.process import LibraryFailed, LibraryWarned, LogLinesDropped
from tradebot.ops.line_writer import LineWriter
from tradebot.ops.redaction import Redactor

LOG_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
PRIORITIES = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>", "critical": b"<2>"}
MAX_FIELD_CHARS = 4096  # a venue's text beyond this adds nothing
MAX_EXCEPTION_CHARS = 16_384  # the system journal cuts a line at 48 KiB
MAX_ITEMS, MAX_DEPTH = 200, 4
PLAIN_TYPES = (str, int, float, Decimal, type(None))  # field values that stay as they are
_JSON = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class LogThreshold:
    """The least level that is logged, such as `info`; a running process may change it, so each event asks."""

    def __init__(self, level: str = "info") -> None:
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Let through this level and those above from now on."""
        self._number = LOG_LEVELS[level]

    def is_reached(self, number: int) -> bool:
        """Return whether a level of this number, as in LOG_LEVELS and in `logging`, is logged."""
        return number >= self._number


_THRESHOLD = LogThreshold()  # of the log of this process


class Logs:
    """The log opened by `configure_log`; to be closed last."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer, self.threshold = writer, _THRESHOLD
        self._undo: list[Callable[[], object]] = []

    @property
    def dropped_count(self) -> int:
        """Lines dropped so far because the reader of standard output was too slow."""
        return self._writer.dropped_count

    def set_level(self, level: str) -> None:
        """Log events of this level and above from now on, such as `debug`, and so for all that ask `threshold`."""
        self.threshold.set_level(level)

    def flush(self, within_s: float = 2.0) -> bool:
        """Wait until everything logged so far is written. Returns False when that takes longer than `within_s`."""
        return self._writer.flush(within_s)

    def close_log(self) -> None:
        """Undo `configure_log` and write the waiting lines, for at most two seconds. A second call does nothing."""
        while self._undo:
            self._undo.pop()()
        self._writer.close_writer()


def configure_log(
    *,
    level: str = "info",
    format: str = "auto",
    run_id: str = "",
    mode: str = "",
    secrets: Iterable[str] = (),
    clock: Clock | None = None,
    fd: int = 1,
    capacity: int = 10_000,
) -> Logs:
    """Open the log of this process on descriptor `fd`; every line carries `run_id` and `mode`.

    `format` auto means text on a terminal and JSON elsewhere. `secrets` are strings that no line may hold. While
    `capacity` lines wait for a slow reader, new lines are dropped and counted.
    """
    clock = clock or WallClock()
    as_text = format == "text" or (format == "auto" and os.isatty(fd))
    fixed = {key: value for key, value in (("run_id", run_id), ("mode", mode)) if value}
    render = _text_renderer(colors=os.isatty(fd) and "NO_COLOR" not in os.environ) if as_text else render_json
    redact = Redactor(secrets)
    finish = _Finish(render, redact, prefixed=is_system_journal(fd, os.environ))

    def notice(count: int) -> bytes:
        dropped = LogLinesDropped(count=count)
        line = {
            "event": dropped.name,
            "level": dropped.level,
            "timestamp": format_iso(clock.wall_ns()),
        } | dropped.log_fields()
        return finish(None, dropped.level, line | fixed)

    sys.stdout.flush()  # what was printed before comes before the log
    writer = LineWriter(fd, capacity=capacity, notice=notice)
    logs = Logs(writer)
    structlog.configure(
        processors=[_stamp(clock, fixed), structlog.processors.format_exc_info, FieldSanitizer(redact), finish],
        wrapper_class=structlog.make_filtering_bound_logger(LOG_LEVELS["debug"]),
        logger_factory=_Sink(writer),
        cache_logger_on_first_use=True,
    )
    logs.set_level(level)
    logs._undo.append(structlog.reset_defaults)
    _bridge_stdlib(logs)
    atexit.register(logs.close_log)
    logs._undo.append(lambda: atexit.unregister(logs.close_log))
    return logs


def log_listener(name: str) -> EventListener:
    """Return a listener that logs each event as a line of the logger `name`, once `configure_log` was called."""
    logger: FilteringBoundLogger = structlog.get_logger(name)

    def write(event: Event) -> None:
        if _THRESHOLD.is_reached(LOG_LEVELS[event.level]):
            getattr(logger, event.level)(event.name, **event.log_fields())

    return write


def is_system_journal(fd: int, env: Mapping[str, str]) -> bool:
    """Return True when the system journal reads `fd`: it takes a prefix such as `<3>` of a line as its priority."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return env.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def render_json(_logger: WrappedLogger, _level: str, event: EventDict) -> bytes:
    """Return an event as one line of JSON with a newline. Values that JSON cannot hold become text; never raises."""
    try:
        return orjson.dumps(event, default=_as_text, option=_JSON)
    # An integer beyond 64 bits, half a surrogate pair, or an object that contains itself
    except (TypeError, ValueError):
        plain = {k: _as_text(v)[:MAX_FIELD_CHARS] for k, v in event.items()}
        ascii_only = {str(k): v.encode("ascii", "backslashreplace").decode() for k, v in plain.items()}
        return orjson.dumps(ascii_only, option=_JSON)


class FieldSanitizer:
    """Escapes control characters and cuts long fields, so that text from outside stays one short line.

    A field is redacted before it is cut, because the redactor would not recognise half a secret.
    """

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact

    def __call__(self, _logger: WrappedLogger, _level: str, event: EventDict) -> EventDict:
        # Nearly every line is short and printable as a whole. Then its texts need no check of their own.
        together = "".join([value for value in event.values() if isinstance(value, str)])
        is_short = len(together) <= MAX_FIELD_CHARS and together.isprintable()
        for key, value in event.items():
            if is_short and isinstance(value, PLAIN_TYPES):
                continue
            if isinstance(value, str):
                if len(value) > 200 or not value.isprintable():
                    event[key] = self._text(value, is_exception=key == "exception")
            elif isinstance(value, list | tuple | dict | set | frozenset):
                event[key] = self._deep(value, MAX_DEPTH)
            elif not isinstance(value, int | float | Decimal | None):
                event[key] = self._text(_as_text(value))
        return event

    def _text(self, text: str, *, is_exception: bool = False) -> str:
        limit = MAX_EXCEPTION_CHARS if is_exception else MAX_FIELD_CHARS
        if len(text) > limit:
            text = self._redact(text.encode("utf-8", "backslashreplace")).decode()
        if len(text) > limit:
            # The end of a traceback says what happened, so that end is kept.
            rest = len(text) - limit
            text = f"[{rest} cut] {text[-limit:]}" if is_exception else f"{text[:limit]} [{rest} cut]"
        if text.isprintable():
            return text
        keep = "\n\t" if is_exception else ""
        return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)

    def _deep(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            if depth == 0:
                return f"{len(value)} keys"
            return {self._text(str(k)): self._deep(v, depth - 1) for k, v in list(value.items())[:MAX_ITEMS]}
        if isinstance(value, list | tuple | set | frozenset):
            if depth == 0:
                return f"{len(value)} items"
            items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return [self._deep(v, depth - 1) for v in items[:MAX_ITEMS]]
        return value if isinstance(value, int | float | Decimal | None) else self._text(_as_text(value))


class _Finish:
    def __init__(self, render: Callable[..., bytes], redact: Redactor, *, prefixed: bool) -> None:
        self._render, self._redact, self._prefixed = render, redact, prefixed

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        level = str(event.get("level", name))
        line = self._redact(self._render(logger, name, event))
        return PRIORITIES.get(level, b"<6>") + line if self._prefixed else line


class _Sink:
    def __init__(self, writer: LineWriter, name: str = "") -> None:
        self.writer, self.name = writer, name
        self.debug = self.info = self.warning = self.error = self.critical = writer.write_line

    def __call__(self, name: str = "") -> _Sink:
        return _Sink(self.writer, name)


def _stamp(clock: Clock, fixed: Mapping[str, str]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    second, prefix = -1, ""  # the date is formatted once a second and not for each line

    def stamp(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        nonlocal second, prefix
        now, rest = divmod(clock.wall_ns(), SECOND)
        if now != second:
            second, prefix = now, format_iso(now * SECOND)[:-7]
        stamped: EventDict = {
            "timestamp": f"{prefix}{rest // 1000:06d}Z",
            "level": "error" if name == "exception" else name,
            "event": event.pop("event", ""),
            **fixed,
        }
        if logger.name:
            stamped["logger"] = logger.name
        stamped.update(event)
        return stamped

    return stamp


def _text_renderer(*, colors: bool) -> Callable[[WrappedLogger, str, EventDict], bytes]:
    console = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        shown = {k: _as_text(v) if isinstance(v, Decimal) else v for k, v in event.items()}
        return (str(console(logger, name, shown)) + "\n").encode("utf-8", "backslashreplace")

    return render


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, bytes):
        return value[:MAX_FIELD_CHARS].hex()
    return str(value)


class _Bridge(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if not _THRESHOLD.is_reached(record.levelno):
            return
        told = LibraryFailed if record.levelno >= logging.ERROR else LibraryWarned
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exc_info"] = record.exc_info
        getattr(structlog.get_logger(), told.level)(told.name, **fields)


def _bridge_stdlib(logs: Logs) -> None:
    root, bridge = logging.getLogger(), _Bridge()
    before = root.level
    root.addHandler(bridge)
    root.setLevel(logging.WARNING)  # the least that is bridged; the bridge asks the threshold too
    logging.captureWarnings(True)

    def undo() -> None:
        logging.captureWarnings(False)
        root.removeHandler(bridge)
        root.setLevel(before)

    logs._undo.append(undo)
