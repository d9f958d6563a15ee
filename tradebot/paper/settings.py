"""What a paper account is made of: its money, its latency, its log; the same for the shadow of a live run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tradebot.exchange.latency import NO_LATENCY, Latency
from tradebot.exchange.order_rules import OrderRules
from tradebot.ops.events.event import EventListener, drop_event

PAPER_LOG, SHADOW_LOG = "paper.jsonl", "shadow.jsonl"  # in the state directory


class PaperSettings(NamedTuple):
    """The settings of a paper exchange.

    `cash` is what a new account begins with. `log` is the file of its orders and fills, from which a later run goes on.
    `rules` are the order rules of the venue. `has_depth` is True where the venue's quotes carry the best bid and ask.
    `seed` draws the latency.
    """

    cash: Decimal
    log: Path
    latency: Latency = NO_LATENCY
    rules: OrderRules = OrderRules()
    has_depth: bool = True
    seed: int = 0
    tell: EventListener = drop_event
