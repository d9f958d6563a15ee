"""Events of paper trading on a venue's quotes."""

from __future__ import annotations

from typing import Annotated

from tradebot.ops.events.event import INFO, Event, Money


class PaperDayOpened(Event, frozen=True):
    """The paper account begins a trading day, or goes on with it after a restart."""

    level = INFO
    do = "Nothing."
    account: Annotated[str, "the paper account"]
    day: Annotated[str, "the trading day"]
    cash: Annotated[Money, "the funds for new orders"]
    log: Annotated[str, "the file of its orders and fills"]
