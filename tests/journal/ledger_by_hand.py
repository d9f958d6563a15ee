"""Facts, closes and journals that the tests of the journal write by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np

from tradebot.clock import ManualClock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarBatch
from tradebot.domain.message import Message
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
)
from tradebot.journal.rows import InstrumentList, RunRecord
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal

MINUTE = 60_000_000_000
START = 1_795_405_500_000_000_000  # 2026-11-23 09:15 in India
UNIVERSE = InstrumentList(
    instruments=(Instrument(symbol="RELIANCE"), Instrument(symbol="TCS"), Instrument(symbol="INFY"))
)


def run(run_id: str = "r1", *, account: str = "AB1234", mode: str = "live") -> RunRecord:
    return RunRecord(run_id=run_id, mode=mode, account=account, symbols=("RELIANCE", "TCS", "INFY"))


def request(order_id: str, *, side: Side = Side.BUY, quantity: int = 10, symbol: str = "RELIANCE", **more: object) -> OrderRequest:  # fmt: skip  # noqa: E501
    fields: dict[str, object] = {
        "order_id": order_id,
        "symbol": symbol,
        "exchange": "NSE",
        "side": side,
        "kind": OrderKind.MARKET,
        "quantity": Decimal(quantity),
        "protection_pct": Decimal(1),
        "purpose": OrderPurpose.ENTRY,
    }
    return OrderRequest(**(fields | more))  # type: ignore[arg-type]


def fact(order_id: str, event_type: OrderEventType, *, at: int = START, **more: object) -> OrderEvent:
    return OrderEvent(order_id=order_id, type=event_type, at=at, **more)  # type: ignore[arg-type]


def intent(order_id: str, *, at: int = START, **more: object) -> OrderEvent:
    return fact(order_id, OrderEventType.INTENT, at=at, request=request(order_id, **more))  # type: ignore[arg-type]


def fill(
    order_id: str, *, quantity: int, price: str, side: Side = Side.BUY, execution_id: str = "", symbol: str = "RELIANCE"
) -> OrderEvent:
    fill = Fill(
        execution_id=execution_id or f"x-{order_id}-{quantity}",
        venue_order_id=f"v-{order_id}",
        symbol=symbol,
        exchange="NSE",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        traded_at=START,
    )
    return fact(order_id, OrderEventType.EXECUTED, fill=fill)


def filled_order(order_id: str, *, quantity: int, price: str, side: Side = Side.BUY) -> list[OrderEvent]:
    return [
        intent(order_id, side=side, quantity=quantity),
        fact(order_id, OrderEventType.SENDING),
        fact(order_id, OrderEventType.ACCEPTED, venue_order_id=f"v-{order_id}"),
        fill(order_id, quantity=quantity, price=price, side=side),
    ]


def close(*, ends_at: int = START + MINUTE, ids: Iterable[int] = (0, 1), price: int = 250_000) -> BarBatch:
    column = np.array(list(ids), dtype=np.int64)
    n = len(column)
    return BarBatch(
        interval=MINUTE,
        ends_at=ends_at,
        seen_at=7,
        quoted_at=5,
        ids=column,
        open=price + column,
        high=price + column + 100,
        low=price + column - 100,
        close=price + column + 50,
        volume=np.full(n, 5_000_000_000),
        ticks=np.full(n, 12),
    )


async def write(
    state_dir: Path, *written: tuple[str, Message], run_id: str = "r1", at: int = START, wall: int = START
) -> Path:
    async with Journal(state_dir, run=run_id, clock=ManualClock(wall)) as journal:
        for kind, message in written:
            journal.append(kind, message, at=getattr(message, "ends_at", getattr(message, "at", at)))
    return state_dir / FILE_NAME


def orders(*events: OrderEvent) -> list[tuple[str, Message]]:
    return [("order", f) for f in events]


def tamper(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(statement) if ";" in statement else connection.execute(statement, values)
    connection.close()
