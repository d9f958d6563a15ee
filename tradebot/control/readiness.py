"""Whether each part of a run is fit for trading, for `/readyz`; a halt is not a fault of a part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tradebot.control.answers import ReadyPart
from tradebot.control.run_parts import RunParts, RunReading
from tradebot.errors import TradebotError


class JournalHealth(Protocol):
    """Why the journal failed, None while it works."""

    @property
    def error(self) -> TradebotError | None:
        """Return the error that ended the writing."""
        ...


def ready_parts(parts: RunParts, journal: JournalHealth) -> tuple[ReadyPart, ...]:
    """Return the parts of a run: trading, feed, broker, journal, store. Outside of a session no feed is wanted."""
    state, store, conditions = parts.read_state(), parts.vitals()["store"], parts.account.conditions
    disk = conditions.disk_full or conditions.disk_short
    reasons = {
        "trading": "" if state.name == "trading" else f"the daemon is {state.name}",
        "feed": "; ".join(_feed_troubles(state)),
        "broker": conditions.links.session_lost or conditions.blind_reason,
        "journal": str(journal.error) if journal.error is not None else disk,
        "store": "" if store is None else store["trouble"],
    }
    return tuple(ReadyPart(name, not reason, reason) for name, reason in reasons.items())


def _feed_troubles(state: RunReading) -> Iterator[str]:
    if not state.session["is_open"]:
        return
    if state.feed["age_s"] is None:
        yield "no quote has come yet"
    for source, reason in state.feed["down"].items():
        yield f"{source}: {reason}"
