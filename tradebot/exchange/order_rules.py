"""The rules of an exchange as data: what it takes of an order. Those of a venue are handed in by whoever opens it."""

from __future__ import annotations

from tradebot.domain.message import Message


class OrderRules(Message, frozen=True):
    """`needs_protection`: an order without a price of its own is taken with a protected price alone."""

    tag_length: int = 20
    changes_per_order: int = 25
    needs_protection: bool = True
