"""What the stages ask of a desk, whether it keeps a tape or not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

from tradebot.domain.market_data import BarBatch
from tradebot.domain.messages import AccountSnapshot, DeskMessage
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.desk.decisions import DeskOutput


class TradingDesk(Protocol):
    """Takes messages one at a time; see `Desk`."""

    @property
    def account(self) -> AccountView: ...

    def apply_message(self, message: DeskMessage) -> list[DeskOutput]: ...

    def adopt_snapshot(self, books: AccountSnapshot) -> list[DeskOutput]: ...

    def recover_state(self, *args: Any, **kwargs: Any) -> None: ...

    def holdings_at(self, close: BarBatch) -> dict[str, tuple[Decimal, Decimal]]: ...
