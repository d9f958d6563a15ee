"""Where the events of a run go: a listener subscribes and is called with each, in the order of subscribing."""

from __future__ import annotations

from tradebot.ops.events.event import Event, EventListener


class EventBus:
    """Passes each event on at once, to every listener of its kind.

    `emit_event` may be called from any thread: a listener must be safe there, return at once and bound what it collects; one
    that has a loop hands over with `call_soon_threadsafe`. What a listener raises reaches the part that told.
    """

    def __init__(self) -> None:
        self._listeners: tuple[tuple[EventListener, tuple[type[Event], ...]], ...] = ()

    def subscribe(self, listener: EventListener, *kinds: type[Event]) -> None:
        """Call `listener` with each event from now on, or with those of `kinds` alone."""
        self._listeners = (*self._listeners, (listener, kinds or (Event,)))

    def emit_event(self, event: Event) -> None:
        """Pass an event on."""
        for listener, kinds in self._listeners:
            if isinstance(event, kinds):
                listener(event)
