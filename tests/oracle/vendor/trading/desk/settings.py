"""The desk's own settings: how it sizes, prices, cancels and stops. What an order may be is said by `Limits`."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.message import Message
from tradebot.domain.order import OrderKind
from tradebot.domain.products import INTRADAY


class DeskSettings(Message, frozen=True):
    """The desk's own rules; times in wall seconds, money in the account's currency."""

    order_notional: Decimal
    venue: str = ""  # where the positions are
    product: str = INTRADAY
    order_kind: OrderKind = OrderKind.MARKET  # or LIMIT, priced at the protection
    protection_pct: Decimal = Decimal(1)
    max_daily_loss: Decimal = Decimal(1000)
    on_daily_loss: str = "close"  # or halt, see `rules/daily_loss.py`
    max_rejects_in_a_row: int = 3  # of a symbol; of a strategy where the money is missing
    max_rejects_per_minute: int = 5  # of the same
    max_rejected_symbols: int = 3  # of a strategy's entries within a minute
    max_account_rejects_per_minute: int = 10
    signal_max_age_s: float = 2.0
    reverses: bool = True  # an entry against what is being closed follows its exit; else it is ignored, as it was once
    chase_after_s: float = 3.0
    chase: str = "cancel"  # what becomes of an exit that hangs: cancel it and send another, or modify its price
    most_changes: int = 25  # of one order; the venue's limit
    on_stop: str = "cancel"  # cancel, flatten, leave
    fill_collar_pct: Decimal | None = None  # fills are held against it, see `rules/fill_check.py`; None: they are not
