"""Hooks of an exchange: where injected faults and the people of an account act between its rules and its answers."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.exchange.ticket import BookOrder, Ticket


class ExchangeHooks:
    """Functions that an exchange calls. The defaults interfere with nothing.

    `refusal_reasons` (before an order is booked) and `rejection_reason` (when it arrives at the exchange) return why an
    order is refused, "" for no reason. Of several `refusal_reasons` the one added last is asked first.
    `swallows_cancel` returns True to drop a cancel that arrived. `on_minute` is called with the market time (ns) of
    each minute of the session, `on_second` with that of each wall second, at any clock speed.
    """

    def __init__(self) -> None:
        self.refusal_reasons: list[Callable[[Ticket], str]] = []
        self.rejection_reason: Callable[[BookOrder], str] = lambda _: ""
        self.swallows_cancel: Callable[[str], bool] = lambda _: False
        self.on_minute: list[Callable[[int], None]] = []
        self.on_second: list[Callable[[int], None]] = []
