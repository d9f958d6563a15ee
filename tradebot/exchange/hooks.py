"""Hooks of an exchange: where faults and the people of an account act between its rules and its answers."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.exchange.ticket import BookOrder, Ticket


class Hooks:
    """Functions that an exchange asks or tells; without any it behaves.

    `refuse` and `reject` give reasons, at the counter and at the exchange's door, empty for none. `takes_cancel` True
    swallows a cancel that arrived. `on_minute` and `on_second` hear the market time (ns) of each minute of the session
    and of each second of the wall, however fast market time runs.
    """

    def __init__(self) -> None:
        self.refuse: Callable[[Ticket], str] = lambda _: ""
        self.reject: Callable[[BookOrder], str] = lambda _: ""
        self.takes_cancel: Callable[[str], bool] = lambda _: False
        self.on_minute: list[Callable[[int], None]] = []
        self.on_second: list[Callable[[int], None]] = []
