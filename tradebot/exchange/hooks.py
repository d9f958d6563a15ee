"""Hooks of an exchange: where faults and the people of an account act between its rules and its answers."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.exchange.ticket import BookOrder, Ticket


class ExchangeHooks:
    """Functions that an exchange asks or tells; without any it behaves.

    `refusal_reason` and `rejection_reason` give reasons, at the counter and at the exchange's door, empty for none. `swallows_cancel` True
    swallows a cancel that arrived. `on_minute` and `on_second` hear the market time (ns) of each minute of the session
    and of each second of the wall, however fast market time runs.
    """

    def __init__(self) -> None:
        self.refusal_reason: Callable[[Ticket], str] = lambda _: ""
        self.rejection_reason: Callable[[BookOrder], str] = lambda _: ""
        self.swallows_cancel: Callable[[str], bool] = lambda _: False
        self.on_minute: list[Callable[[int], None]] = []
        self.on_second: list[Callable[[int], None]] = []
