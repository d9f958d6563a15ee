"""What the stages need of a desk, whether or not it records its inputs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

from tradebot.domain.market import BarBatch
from tradebot.domain.messages import AccountSnapshot, DeskMessage
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.desk.decisions import DeskOutput


class TradingDesk(Protocol):
    """Processes messages one at a time; `Desk` in `desk/desk.py` explains the methods."""

    @property
    def account(self) -> AccountView:
        """The account as the desk sees it, read only."""
        ...

    def apply_message(self, message: DeskMessage) -> list[DeskOutput]:
        """Process a message and return the outputs in order."""
        ...

    def adopt_snapshot(self, snapshot: AccountSnapshot) -> list[DeskOutput]:
        """Compare the account snapshot of a start with the book, and return the outputs in order."""
        ...

    def recover_state(self, *args: Any, **kwargs: Any) -> None:
        """Restore the state of an earlier run, as `Desk.recover_state` does."""
        ...

    def holdings_at(self, batch: BarBatch) -> dict[str, tuple[Decimal, Decimal]]:
        """Return symbol -> (signed quantity, average price) for the strategies' decisions at a close."""
        ...
