"""Whether each part of a run is fit for trading, for `/readyz`; a halt is not a fault of a part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from tradebot.control.account_lists import RunParts
from tradebot.control.answers import ReadyPart
from tradebot.errors import TradebotError


class JournalHealth(Protocol):
    """Why the journal failed, None while it works."""

    @property
    def error(self) -> TradebotError | None:
        """Return the error that ended the writing."""
        ...


def ready_parts(parts: RunParts, journal: JournalHealth) -> tuple[ReadyPart, ...]:
    """Return the parts of a run: trading, feed, broker, journal, store. Outside of a session no feed is wanted."""
    status, conditions = parts.status_snapshot(), parts.account.conditions
    store = status["store"]
    disk = conditions.disk_full or conditions.disk_short
    reasons = {
        "trading": "" if status["state"] == "trading" else f"the daemon is {status['state']}",
        "feed": "; ".join(_feed_troubles(status)),
        "broker": conditions.links.session_lost or conditions.blind_reason,
        "journal": str(journal.error) if journal.error is not None else disk,
        "store": "" if store is None else store["trouble"],
    }
    return tuple(ReadyPart(name, not reason, reason) for name, reason in reasons.items())


def _feed_troubles(status: dict[str, Any]) -> Iterator[str]:
    feed = status["feed"]
    if not status["session"]["is_open"]:
        return
    if feed["age_s"] is None:
        yield "no quote has come yet"
    for source, reason in feed["down"].items():
        yield f"{source}: {reason}"
