"""Counts the events of the bus, by name and for orders by purpose; order events come here after their rows are on disk.

So nothing of it is in the way of an order: the journal's logger tells of rows two turns of the loop later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from tradebot.domain.order import OrderPurpose
from tradebot.metrics.figure import Figure
from tradebot.ops.events.analysis import WorkerLost
from tradebot.ops.events.catalogue import EVENTS
from tradebot.ops.events.event import Event
from tradebot.ops.events.orders import ExternalOrderSeen, OrderFilled, OrderRejected, OrderSubmitted, OrderTold

BY_PURPOSE: dict[type[Event], str] = {
    OrderSubmitted: "tradebot_orders_sent_total",
    OrderFilled: "tradebot_fills_total",
    OrderRejected: "tradebot_rejects_total",
}
FORGOTTEN = "forgotten"  # the purpose of an order that the desk no longer keeps


class EventCounts:
    """Counts events; each declared one begins at zero. `purpose_of` returns the purpose of an order by its id."""

    def __init__(self) -> None:
        self.purpose_of: Callable[[str], str | None] = lambda _: None
        self._lock = threading.Lock()
        self._counts: dict[type[Event], int] = dict.fromkeys(EVENTS.values(), 0)
        purposes = (*map(str, OrderPurpose), FORGOTTEN)
        self._purposes = {kind: dict.fromkeys(purposes, 0) for kind in BY_PURPOSE}

    def count_event(self, event: Event) -> None:
        """Count one event; from any thread."""
        kind = type(event)
        with self._lock:
            if kind not in self._counts:
                return  # not of the catalogue: a test's
            self._counts[kind] += 1
            if kind in BY_PURPOSE and isinstance(event, OrderTold):
                self._purposes[kind][self.purpose_of(event.order_id) or FORGOTTEN] += 1

    def read_figures(self) -> Iterator[Figure]:
        """Yield the counts so far."""
        with self._lock:
            counts = dict(self._counts)
            purposes = {kind: dict(found) for kind, found in self._purposes.items()}
        for kind, count in counts.items():
            yield Figure("tradebot_events_total", count, (kind.name, kind.level))
        for kind, found in purposes.items():
            for purpose, count in found.items():
                yield Figure(BY_PURPOSE[kind], count, (purpose,))
        yield Figure("tradebot_external_orders_total", counts[ExternalOrderSeen])
        yield Figure("tradebot_worker_restarts_total", counts[WorkerLost])
