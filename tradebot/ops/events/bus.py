"""The bus of log events: listeners are called with each event, in the order in which they subscribed."""

from __future__ import annotations

from tradebot.ops.events.event import Event, EventListener


class EventBus:
    """Passes each event at once to every listener of its type.

    `emit_event` may be called from any thread. So a listener must be thread-safe, return at once, and bound what it
    collects; a listener with an event loop uses `call_soon_threadsafe`. An exception of a listener reaches the caller.
    """

    def __init__(self) -> None:
        self._listeners: tuple[tuple[EventListener, tuple[type[Event], ...]], ...] = ()

    def subscribe(self, listener: EventListener, *kinds: type[Event]) -> None:
        """Call `listener` with each event from now on, or only with events of `kinds`."""
        self._listeners = (*self._listeners, (listener, kinds or (Event,)))

    def emit_event(self, event: Event) -> None:
        """Pass an event to its listeners."""
        for listener, kinds in self._listeners:
            if isinstance(event, kinds):
                listener(event)
