"""Earlier runs of the exchange, rebuilt from their log: what a new run takes over."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tradebot.errors import DataError
from tradebot.exchange.account import Account, DematHolding, InstrumentMark, OpeningBalance
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.gtt_order import BookGtt
from tradebot.exchange.ticket import BookOrder, Conversion, TradeRow, order_from_line
from tradebot.markets.market import HOME_MARKET


class EarlierRuns:
    """Order versions, trades and GTT orders of earlier runs, oldest first, and the account of their fills."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.versions: list[BookOrder] = []
        self.trades: list[TradeRow] = []
        self.gtts: dict[int, BookGtt] = {}  # number -> the newest version of a GTT order


def read_earlier_runs(path: Path | str, *, mark: Callable[[str], InstrumentMark]) -> EarlierRuns | None:
    """Rebuild earlier runs from a log; None where there is no log yet. A torn last line is skipped.

    Raises DataError for a log whose lines do not fit together, StateError for one that cannot be read.
    """
    if not Path(path).exists():
        return None
    past: EarlierRuns | None = None
    for number, line in enumerate(read_event_log(path), 1):
        kind = line.get("kind")
        try:
            if kind == "session":
                past = _start_session(line, past, mark)
            elif kind == "order" and past is not None:
                past.versions.append(order_from_line(line))
            elif kind == "fill" and past is not None:
                trade = msgspec.convert(line, TradeRow)
                past.trades.append(trade)
                past.account.book_fill(trade)
            elif kind == "conversion" and past is not None:
                past.account.convert_position(msgspec.convert(line, Conversion))
            elif kind == "gtt" and past is not None:
                gtt = msgspec.convert(line, BookGtt)
                past.gtts[gtt.gtt_id] = gtt
            elif kind in ("order", "fill", "conversion", "gtt"):
                raise DataError("an order before any session")
        except (msgspec.ValidationError, KeyError, DataError) as error:
            raise DataError(f"{path}:{number}: the exchange log cannot be resumed: {error}") from error
    return past


def _start_session(
    line: dict[str, Any], past: EarlierRuns | None, mark: Callable[[str], InstrumentMark]
) -> EarlierRuns:
    day = HOME_MARKET.date_of(line["opens_at"])
    if not line["resumed"]:
        balance = OpeningBalance(
            cash=Decimal(line["cash"]),
            holdings=msgspec.convert(line["holdings"], tuple[DematHolding, ...]),
            account_id=line["account"],
        )
        return EarlierRuns(Account(balance, mark=mark, session_day=day))
    if past is None:
        raise DataError("it continues another log, which is the one to resume")
    past.account.roll_to_day(day)
    return past
