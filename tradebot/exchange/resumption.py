"""An earlier run of the exchange, folded from its log: what a new run takes over."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tradebot.errors import DataError
from tradebot.exchange.account import Account, Holding, Mark, OpeningBalance
from tradebot.exchange.event_log import read_log
from tradebot.exchange.ticket import BookOrder, Conversion, TradeRow, order_in
from tradebot.markets.market import HOME


class Past:
    """Versions of orders and trades of earlier runs, oldest first, and the account their fills made."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.versions: list[BookOrder] = []
        self.trades: list[TradeRow] = []


def read_past(path: Path | str, *, mark: Callable[[str], Mark]) -> Past | None:
    """Fold a log; None where there is none yet. A torn last line is skipped.

    Raises DataError for a log whose lines do not fit together, StateError for one that cannot be read.
    """
    if not Path(path).exists():
        return None
    past: Past | None = None
    for number, line in enumerate(read_log(path), 1):
        kind = line.get("kind")
        try:
            if kind == "session":
                past = _session(line, past, mark)
            elif kind == "order" and past is not None:
                past.versions.append(order_in(line))
            elif kind == "fill" and past is not None:
                trade = msgspec.convert(line, TradeRow)
                past.trades.append(trade)
                past.account.apply(trade)
            elif kind == "conversion" and past is not None:
                past.account.convert(msgspec.convert(line, Conversion))
            elif kind in ("order", "fill", "conversion"):
                raise DataError("an order before any session")
        except (msgspec.ValidationError, KeyError, DataError) as error:
            raise DataError(f"{path}:{number}: the exchange log cannot be resumed: {error}") from error
    return past


def _session(line: dict[str, Any], past: Past | None, mark: Callable[[str], Mark]) -> Past:
    day = HOME.day_of(line["opens_at"])
    if not line["resumed"]:
        balance = OpeningBalance(
            cash=Decimal(line["cash"]),
            holdings=msgspec.convert(line["holdings"], tuple[Holding, ...]),
            account_id=line["account"],
        )
        return Past(Account(balance, mark=mark, on=day))
    if past is None:
        raise DataError("it continues another log, which is the one to resume")
    past.account.roll(day)
    return past
