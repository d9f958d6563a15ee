"""Events of paper trading on a venue's quotes, and of the shadow of a live run."""

from __future__ import annotations

from typing import Annotated

from tradebot.ops.events.event import ERROR, INFO, WARNING, Count, Event, Money, Reason, Times

Log = Annotated[str, "the file of its orders and fills"]


class PaperDayOpened(Event, frozen=True):
    """The paper account begins a trading day, or goes on with it after a restart."""

    level = INFO
    do = "Nothing."
    account: Annotated[str, "the paper account"]
    day: Annotated[str, "the trading day"]
    cash: Annotated[Money, "the funds for new orders"]
    log: Log


class ShadowOrderRefused(Event, frozen=True):
    """The shadow's exchange refused what the venue was asked for; the live order is not touched."""

    level = WARNING
    do = "Nothing. `tradebot paper compare` lists the order under the side that filled it."
    order_id: Annotated[str, "our id of the live order"]
    reason: Reason
    times: Times


class ShadowStopped(Event, frozen=True):
    """The shadow of this run failed and is off until the next start; live trading goes on as it was."""

    level = ERROR
    do = "Nothing now. Before the next start look at the reason: a full disk, or a shadow log that cannot be read."
    reason: Reason


class ShadowRowsDropped(Event, frozen=True):
    """The shadow could not follow: requests or quotes found no room and are missing in it."""

    level = WARNING
    do = "Compare no prices of this time. If it comes often, this machine is too slow for the shadow."
    dropped: Annotated[Count, "how many since the start"]
    times: Times
