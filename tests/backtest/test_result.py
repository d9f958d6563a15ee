"""A result's frames show its exact columns to people, and its hash covers what was traded and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from tests.backtest.round_trip_by_hand import START, codes, ints, round_trip
from tradebot.backtest.result import trading_hash


def test_frames_hold_prices_money_and_times_of_the_exchange() -> None:
    result = round_trip()

    fills, trades, equity = result.fills, result.trades, result.equity

    assert fills["price"].tolist() == [100.05, 101.0]
    assert fills["charges"].tolist() == [0.30, 0.32]
    assert str(fills["ts"].dt.tz) == "Asia/Kolkata"
    assert fills["ts"].iloc[0].value == START
    row = trades.iloc[0]
    assert (row["side"], row["entry_price"], row["exit_price"], row["exit_reason"]) == ("long", 100.05, 101.0, "exit")
    assert row["net"] == pytest.approx(8.88)
    assert equity.index.name == "ts"
    assert equity.iloc[-1] == 1008.88


def test_a_denied_order_stands_in_the_frame_with_its_reason() -> None:
    orders = round_trip().orders

    assert orders["order_id"].tolist() == ["B00001", "B00002", "B00003"]
    assert orders["state"].tolist() == ["FILLED", "FILLED", "DENIED"]
    assert orders["reason"].iloc[2] == "session: the session is closed"
    assert orders["strategy"].tolist() == ["ema_cross"] * 3


def test_frames_of_nothing_have_their_columns() -> None:
    whole = round_trip()
    none = msgspec.structs.replace(
        whole,
        **{
            part: type(rows)(**{name: getattr(rows, name)[:0] for name in rows.__struct_fields__})
            for part in ("order_rows", "fill_rows", "trade_rows")
            for rows in [getattr(whole, part)]
        },
    )

    for frame, filled in ((none.orders, whole.orders), (none.fills, whole.fills), (none.trades, whole.trades)):
        assert len(frame) == 0
        assert list(frame.columns) == list(filled.columns)
        assert list(frame.dtypes) == list(filled.dtypes)


def test_the_hash_changes_with_a_price_and_not_with_the_words() -> None:
    result = round_trip()
    fills, orders = result.fill_rows, result.order_rows
    dearer = msgspec.structs.replace(fills, price=ints(10_005, 10_105))
    reworded = msgspec.structs.replace(orders, reason=codes(0, 0, 0))

    assert trading_hash(orders, fills, names=("RELIANCE",)) == result.orders_hash
    assert trading_hash(reworded, fills, names=("RELIANCE",)) == result.orders_hash
    assert trading_hash(orders, dearer, names=("RELIANCE",)) != result.orders_hash
    assert trading_hash(orders, fills, names=("TCS",)) != result.orders_hash


def test_settings_leave_the_code_of_strategies_out() -> None:
    settings = round_trip().settings()

    assert settings["strategies"][0]["params"]["fast"] == 12
    assert "code" not in settings["strategies"][0]
