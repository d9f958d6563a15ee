"""The order rules of an exchange as data: what it accepts. The caller passes those of its venue."""

from __future__ import annotations

from tradebot.domain.message import Message


class OrderRules(Message, frozen=True):
    """What an exchange accepts of an order.

    `needs_protection`: an order without a price of its own is accepted only with market protection.
    `debits_holdings`: the owner lets the broker debit the demat account. Without that a sale of delivered shares is
    refused, as the owner would have to authorise it at the depository first, which nothing here can do. `stop_market`
    holds the (exchange, kind of instrument) that take a stop without a limit price; None: all do. `max_gtt` GTT orders
    may be active at once.
    """

    tag_length: int = 20
    changes_per_order: int = 25
    needs_protection: bool = True
    debits_holdings: bool = True
    stop_market: frozenset[tuple[str, str]] | None = None
    max_gtt: int = 250
