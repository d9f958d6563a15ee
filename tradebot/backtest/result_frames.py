"""The data frames of a result: exact columns in, pandas with floats and zoned times out; for people and reports."""

from __future__ import annotations

from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd

from tradebot.backtest.job import Job
from tradebot.domain.market import Floats, Ints
from tradebot.domain.order import OrderKind, OrderPurpose, OrderState

SIDES = {1: "BUY", -1: "SELL"}
DIRECTIONS = {1: "long", -1: "short"}


class ResultColumns(Protocol):
    """The part of a `Result` that the frames read."""

    @property
    def job(self) -> Job:
        """The job that was run."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in the order of their ids."""

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names of the strategies, by their numbers in the rows."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts that rows refer to by number."""

    @property
    def money_decimals(self) -> int:
        """Decimals of the account's currency."""

    @property
    def order_rows(self) -> Any:
        """Columns of the orders, one row an order."""

    @property
    def fill_rows(self) -> Any:
        """Columns of the fills, one row a fill."""

    @property
    def trade_rows(self) -> Any:
        """Columns of the closed trades, one row a trade."""

    @property
    def equity_at(self) -> Ints:
        """Instants of the equity curve, ns UTC, shape (n,)."""

    @property
    def equity_units(self) -> Ints:
        """Equity at those instants in units of `money_decimals`, shape (n,)."""


def order_frame(result: ResultColumns) -> pd.DataFrame:
    """Return the frame of all orders, in order of decision."""
    rows = result.order_rows
    return pd.DataFrame(
        {
            "order_id": _order_ids(np.arange(len(rows))),
            "symbol": _named(rows.symbol, result.symbols),
            "strategy": _named(rows.strategy, (*result.strategies, "")),
            "side": _mapped(rows.side, SIDES),
            "kind": _named(rows.kind, tuple(OrderKind)),
            "purpose": _named(rows.purpose, tuple(OrderPurpose)),
            "qty": rows.quantity / _quantity_scale(result)[rows.symbol],
            "decided_at": _times(rows.decided_at, result.job),
            "state": _named(rows.state, tuple(OrderState)),
            "reason": _named(rows.reason, result.texts),
            "stop": np.where(rows.stop > 0, rows.stop / _price_scale(result)[rows.symbol], np.nan),
        }
    )


def fill_frame(result: ResultColumns) -> pd.DataFrame:
    """Return the frame of all fills, in order of booking."""
    rows, of = result.fill_rows, result.order_rows
    symbol = of.symbol[rows.order]
    return pd.DataFrame(
        {
            "ts": _times(rows.at, result.job),
            "order_id": _order_ids(rows.order),
            "symbol": _named(symbol, result.symbols),
            "side": _mapped(of.side[rows.order], SIDES),
            "qty": rows.quantity / _quantity_scale(result)[symbol],
            "price": rows.price / _price_scale(result)[symbol],
            "charges": _money(rows.charges, result),
            "purpose": _named(of.purpose[rows.order], tuple(OrderPurpose)),
        }
    )


def trade_frame(result: ResultColumns) -> pd.DataFrame:
    """Return the frame of all round trips, in order of their ends."""
    rows = result.trade_rows
    quantity = np.maximum(rows.quantity, 1)
    price = _price_scale(result)[rows.symbol]
    return pd.DataFrame(
        {
            "symbol": _named(rows.symbol, result.symbols),
            "strategy": _named(rows.strategy, (*result.strategies, "")),
            "side": _mapped(rows.side, DIRECTIONS),
            "entered_at": _times(rows.entered_at, result.job),
            "exited_at": _times(rows.exited_at, result.job),
            "qty": rows.quantity / _quantity_scale(result)[rows.symbol],
            "entry_price": rows.entry_value / quantity / price,
            "exit_price": rows.exit_value / quantity / price,
            "gross": _money(rows.gross, result),
            "charges": _money(rows.charges, result),
            "net": _money(rows.gross - rows.charges, result),
            "bars": rows.bars,
            "exit_reason": _named(rows.reason, tuple(OrderPurpose)),
        }
    )


def equity_series(result: ResultColumns) -> pd.Series[float]:
    """Return the account's value in money, indexed by time."""
    index = pd.DatetimeIndex(_times(result.equity_at, result.job), name="ts")
    return pd.Series(_money(result.equity_units, result), index=index, name="equity")


def job_settings(job: Job) -> dict[str, Any]:
    """Return a job as values ready for JSON, without the source text of its strategies."""
    found: dict[str, Any] = msgspec.to_builtins(job, str_keys=True)
    for spec in found["strategies"]:
        spec.pop("code", None)
    return found


def order_id(row: int) -> str:
    """Return the id of the order in a row, as the desk numbers them."""
    return f"B{row + 1:05d}"


def _order_ids(rows: Any) -> Any:
    return pd.array([order_id(row) for row in rows.tolist()], dtype="str")


def _named(codes: Any, names: tuple[Any, ...]) -> Any:
    table = np.array([str(name) for name in names] or [""], dtype=object)
    return pd.array(table[codes], dtype="str")  # code -1 is the last name


def _mapped(values: Any, names: dict[int, str]) -> Any:
    return pd.array([names[value] for value in values.tolist()], dtype="str")


def _times(at: Ints, job: Job) -> Any:
    return pd.to_datetime(at, unit="ns", utc=True).tz_convert(ZoneInfo(job.zone))


def _money(units: Ints, result: ResultColumns) -> Floats:
    scaled: Floats = units / 10.0**result.money_decimals
    return scaled


def _price_scale(result: ResultColumns) -> Floats:
    return np.array([10.0**i.price_decimals for i in result.job.instruments])


def _quantity_scale(result: ResultColumns) -> Floats:
    return np.array([10.0**i.quantity_decimals for i in result.job.instruments])
