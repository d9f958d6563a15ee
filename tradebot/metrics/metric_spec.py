"""What a metric declares of itself: name, kind, labels, and for its help text meaning, unit and source."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class MetricKind(StrEnum):
    """How a scraper may add a metric up: a counter only grows until the process ends, a gauge goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricSpec(NamedTuple):
    """The declaration of one metric: what it is, the unit of its figures, and what in the daemon they come from."""

    name: str
    kind: MetricKind
    what: str
    unit: str
    source: str
    labels: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """Return the help text that a scrape gives."""
        return f"{self.what}. Unit: {self.unit}. Source: {self.source}."


C, G = MetricKind.COUNTER, MetricKind.GAUGE
COUNT, YES_NO, SECONDS, BYTES, RATIO = "count", "1 for yes, 0 for no", "seconds", "bytes", "ratio, 1 is all of it"
MARKET_INSTANT, MONEY_UNIT = "Unix seconds of market time", "the account's currency"
DESK, EVENT_BUS, GATE, KERNEL = "the desk's account", "events of the log", "the gate", "the kernel's accounting"
