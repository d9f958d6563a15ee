"""What tests keep of the events that a part tells: the name of each, and the fields of its line with the level."""

from __future__ import annotations

from typing import Any

from tradebot.ops.events.event import Event


class Told(list[tuple[str, dict[str, Any]]]):
    """A listener that keeps every event as (name, fields and level)."""

    def __call__(self, event: Event) -> None:
        self.append((event.name, {"level": event.level} | event.log_fields()))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [fields for other, fields in self if other == name]
