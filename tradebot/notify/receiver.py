"""What a message is delivered to: an address of apprise, or a chat."""

from __future__ import annotations

from typing import Protocol

from tradebot.notify.alert_text import AlertMessage


class NotDelivered(Exception):
    """A receiver did not take a message; the text says why, without the address. It may ask for a pause."""

    def __init__(self, sentence: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Receiver(Protocol):
    """One place where messages go."""

    @property
    def name(self) -> str:
        """The name for log and command line; it holds nothing secret."""
        ...

    async def deliver_message(self, message: AlertMessage) -> None:
        """Deliver a message within a bounded time. Raises NotDelivered."""
        ...
