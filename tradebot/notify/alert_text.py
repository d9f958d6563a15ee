"""The text of an alert: mode, what happened to what with which figures, when in market time, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from tradebot.clock import SECOND
from tradebot.notify.alert_group import AlertGroup, AlertLine
from tradebot.printable import make_printable

MAX_BODY_CHARS = 3_000  # chats take 2,000 to 4,096 characters of one message; longer ones are split for the former
MAX_VALUE_CHARS = 240
MAX_ITEMS = 12
NO_REMEDY = ("Nothing.", "")
FIRST_FIELDS = ("symbol", "scope", "strategy", "side", "qty", "price", "reason")
HIDDEN_FIELDS = ("action", "trace")  # in a message, what to do comes from the declaration


class AlertMessage(NamedTuple):
    """A message for people: one line as its title, and a body of several lines."""

    title: str
    body: str


class AlertWriter:
    """Writes messages. `mode` comes first in each title; `redact` masks secrets in the finished text."""

    def __init__(self, mode: str, *, zone: tzinfo, zone_name: str, redact: Callable[[bytes], bytes]) -> None:
        self._mode, self.zone, self.zone_name, self._redact = mode.upper(), zone, zone_name, redact

    def write_alert(self, group: AlertGroup) -> AlertMessage:
        """Return the message of a group; every event of it is in the text, at least as a number beside its name."""
        lines = list(group.lines())
        total = sum(group.counts.values())
        first = lines[0].event
        rest = f" and {total - 1} more" if total > 1 else ""
        parts, length, told = list[str](), 0, set[str]()
        unlisted = dict(group.unlisted)
        for line in lines:
            text = self._line(line, with_remedy=line.event.name not in told)
            if length + len(text) > MAX_BODY_CHARS:
                unlisted[line.event.name] = unlisted.get(line.event.name, 0) + line.times
                continue
            parts.append(text)
            told.add(line.event.name)
            length += len(text)
        if unlisted:
            counted = ", ".join(f"{name} {count}" for name, count in sorted(unlisted.items()))
            parts.append(f"Without a line of their own, see the log: {counted}")
        return self.write_message(f"{first.level.upper()} {_words(first.name)}{rest}", "\n".join(parts))

    def write_message(self, title: str, body: str) -> AlertMessage:
        """Return a message of free text, the mode first and secrets masked."""
        return AlertMessage(self.clean_text(f"{self._mode}: {title}"), self.clean_text(body))

    def clean_text(self, text: str) -> str:
        """Return `text` with secrets masked and control characters replaced; lines stay."""
        masked = self._redact(text.encode("utf-8", "backslashreplace")).decode("utf-8", "replace")
        return make_printable(masked, allowed="\n")

    def clock_time(self, at: int) -> str:
        """Return market ns as the market's time of day."""
        return datetime.fromtimestamp(at // SECOND, self.zone).strftime("%H:%M:%S")

    def _line(self, line: AlertLine, *, with_remedy: bool) -> str:
        event, times = line.event, line.times
        when = f"{self.clock_time(line.first_at)} {self.zone_name}"
        often = f" ({times} times, last {self.clock_time(line.last_at)})" if times > 1 else ""
        text = f"{when} {event.level.upper()} {_words(event.name)}{often}: {_figures(event.log_fields())}"
        remedy = f"\n  Do: {event.do}" if with_remedy and event.do not in NO_REMEDY else ""
        return text.rstrip(": ") + remedy


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figures(fields: Mapping[str, Any]) -> str:
    ordered = [name for name in FIRST_FIELDS if name in fields]
    ordered += [name for name in fields if name not in FIRST_FIELDS and name not in HIDDEN_FIELDS]
    texts = []
    for name in ordered:
        value = value_text(fields[name])
        texts.append(value if name in FIRST_FIELDS[:4] or name == "reason" else f"{_words(name)} {value}")
    return ", ".join(texts)


def value_text(value: Any) -> str:
    """Return a field's value as a person reads it, cut where it is long."""
    if isinstance(value, Decimal):
        text = f"{value:,f}" if value.is_finite() else str(value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, Mapping):
        items = [f"{key} {value_text(one)}" for key, one in list(value.items())[:MAX_ITEMS]]
        text = _joined(items, len(value))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        shown = [value_text(one) for one in value[:MAX_ITEMS]]
        text = _joined(shown, len(value))
    else:
        text = str(value)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}..."


def _joined(shown: list[str], count: int) -> str:
    # Of `count` items the first ones are shown.
    more = [f"{count - MAX_ITEMS} more"] if count > MAX_ITEMS else []
    return ", ".join(shown + more) or "none"
