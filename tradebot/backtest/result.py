"""What a backtest returns: orders, fills, round trips and equity as exact columns, and the same as data frames.

Columns hold int64: prices and quantities in their instrument's units, money in 10**-`money_decimals` of the account's
currency, times in market ns. Frames hold floats and times in the exchange's zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.backtest import result_frames
from tradebot.backtest.job import Job
from tradebot.domain.market import Ints
from tradebot.domain.message import Message
from tradebot.trading.desk.placing.denials import Denial

Codes = npt.NDArray[np.int32]  # indexes into a tuple of names
UNUSUAL_COUNTS = {  # counts of unusual events, with their text
    "cut": "entries cut to what the cash paid",
    "waited": "orders waited for a bar in which something traded",
    "lapsed": "orders ended with their session",
    "late_reversals": "reversals dropped: the exit before them took too long",
}
UNHASHED = ("reason", "stop")  # they describe an order and are not what was traded


class OrderColumns(Message, frozen=True, eq=False):
    """Every order that the desk made, denied ones included, in order of decision; all columns of shape (n,).

    `symbol` and `strategy` index the result's names (strategy -1: none). `side` is 1 for a buy and -1 for a sale.
    `kind`, `purpose` and `state` index their enumerations, `reason` the result's `texts`. `stop` is the price at which
    an entry is protected, 0 where there is none.
    """

    symbol: Codes
    strategy: Codes
    side: Codes
    kind: Codes
    purpose: Codes
    state: Codes
    reason: Codes
    quantity: Ints
    decided_at: Ints
    stop: Ints

    def __len__(self) -> int:
        return len(self.quantity)


class FillColumns(Message, frozen=True, eq=False):
    """Every fill, in order of booking; `order` is the row of its order, `charges` is money."""

    order: Codes
    at: Ints
    quantity: Ints
    price: Ints
    charges: Ints

    def __len__(self) -> int:
        return len(self.quantity)


class TradeColumns(Message, frozen=True, eq=False):
    """Every round trip of a symbol from flat to flat, in order of its end; `gross` and `charges` are money.

    `entry_value` and `exit_value` are sums of quantity * price in the units of both. `bars` is the number of bars from
    the entry's to the exit's. `reason` is the purpose of the order that made the position flat.
    """

    symbol: Codes
    strategy: Codes
    side: Codes
    reason: Codes
    bars: Ints
    entered_at: Ints
    exited_at: Ints
    quantity: Ints
    entry_value: Ints
    exit_value: Ints
    gross: Ints
    charges: Ints

    def __len__(self) -> int:
        return len(self.quantity)


class Result(Message, frozen=True, eq=False):
    """A finished backtest.

    `equity_at` (n,) are the ends of the bars traded, `equity_units` (n,) the account's value at those times, as money.
    `counts`: signals, ignored, late_signals, late_reversals, denied, orders, lapsed (orders that their session ended),
    waited (orders that met a bar in which nothing traded), cut (entries that the cash did not pay whole), fills, bars,
    visited (timeline indexes that were visited). `faults` say which strategy was switched off for which symbol and why.
    `notes` say what else to know first: the account was ruined, or an order's money may not pay a lot. `denials` count
    what the gate denied, by control and strategy. `truths` are the assumptions behind the figures, in words.
    """

    job: Job
    orders_hash: str
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    texts: tuple[str, ...]
    money_decimals: int
    order_rows: OrderColumns
    fill_rows: FillColumns
    trade_rows: TradeColumns
    equity_at: Ints
    equity_units: Ints
    counts: dict[str, int]
    faults: tuple[str, ...] = ()
    denials: tuple[Denial, ...] = ()
    truths: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def orders(self) -> pd.DataFrame:
        """Return one row per order.

        Columns: order_id, symbol, strategy, side, kind, purpose, qty, decided_at, state, reason, stop.
        """
        return result_frames.order_frame(self)

    @property
    def fills(self) -> pd.DataFrame:
        """Return one row per fill: ts, order_id, symbol, side, qty, price, charges, purpose."""
        return result_frames.fill_frame(self)

    @property
    def trades(self) -> pd.DataFrame:
        """Return one row per round trip.

        Columns: symbol, strategy, side, entered_at, exited_at, qty, entry_price, exit_price, gross, charges, net, bars,
        exit_reason.
        """
        return result_frames.trade_frame(self)

    @property
    def equity(self) -> pd.Series[float]:
        """Return the account's value at the end of every bar traded, indexed by `ts`."""
        return result_frames.equity_series(self)

    @property
    def period(self) -> tuple[int, int]:
        """Return the market ns of the first and the last bar's end; zeros without bars."""
        return (int(self.equity_at[0]), int(self.equity_at[-1])) if len(self.equity_at) else (0, 0)

    def settings(self) -> dict[str, Any]:
        """Return the job as values ready for JSON, without the strategies' code."""
        return result_frames.job_settings(self.job)


def trading_hash(orders: OrderColumns, fills: FillColumns, *, names: Sequence[str]) -> str:
    """Return the sha256 over all orders and fills, a pure function of what was traded.

    It covers `names`, one a line, then column after column as little-endian int64, in the order of their classes.
    `reason` and `stop` are left out: a reason may be worded better without changing a trade.
    """
    digest = hashlib.sha256("\n".join(names).encode())
    for rows in (orders, fills):
        columns = [getattr(rows, name).astype("<i8") for name in rows.__struct_fields__ if name not in UNHASHED]
        digest.update(np.stack(columns).tobytes() if columns else b"")
    return digest.hexdigest()
