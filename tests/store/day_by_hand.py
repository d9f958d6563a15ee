"""A journal written by hand for the tests of the store: two runs, every kind of row, and hostile texts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tradebot.clock import ManualClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarBatch
from tradebot.domain.message import Message
from tradebot.domain.messages import Action, Command, LinkUp, ReconciliationResult, Signal, Signals
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
)
from tradebot.journal.rows import InstrumentList, RunEnd, RunRecord
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal
from tradebot.trading.desk.fill_charges import charges_by_market

MINUTE = 60_000_000_000
START = 1_795_405_500_000_000_000  # 2026-11-23 09:15 in India
SYMBOLS = ("RELIANCE", "TCS", "INFY")
HOSTILE = "x'); DROP TABLE orders; --\x00\t\\N\n\"{}$1 \u202e\u0001 रु"
ADOPTED = ("INFY", Decimal(4), Decimal("1500.35"))
MORNING_ROWS, ROWS = 18, 33
Written = tuple[str, Message]
bill = charges_by_market


def run(run_id: str, account: str = "AB1234") -> list[Written]:
    listing = InstrumentList(instruments=tuple(Instrument(symbol=symbol) for symbol in SYMBOLS))
    return [
        (
            "run",
            RunRecord(run_id=run_id, mode="paper", account=account, symbols=SYMBOLS, versions={"tradebot": "0.1.0"}),
        ),
        ("universe", listing),
    ]


def close(minute: int, *, ids: tuple[int, ...] = (0, 1), price: int = 250_000) -> Written:
    column = np.array(ids, dtype=np.int64)
    columns: dict[str, Any] = {
        "open": price + column, "high": price + column + 105, "low": price + column - 100,
        "close": price + column + 50, "volume": np.full(len(ids), 5_000_000_000), "ticks": np.full(len(ids), 12),
    }  # fmt: skip
    ends_at = START + minute * MINUTE
    return "close", BarBatch(interval=MINUTE, ends_at=ends_at, seen_at=7, quoted_at=5, ids=column, **columns)


def fact(order_id: str, event_type: OrderEventType, minute: int = 0, **more: Any) -> Written:
    return "order", OrderEvent(order_id=order_id, type=event_type, at=START + minute * MINUTE, mono=11, **more)


def intent(order_id: str, quantity: int, *, side: Side = Side.BUY, symbol: str = "RELIANCE", **more: Any) -> Written:
    request = OrderRequest(
        order_id=order_id, symbol=symbol, exchange="NSE", side=side, kind=OrderKind.LIMIT, quantity=Decimal(quantity),
        price=Decimal("2500.05"), purpose=OrderPurpose.ENTRY if side is Side.BUY else OrderPurpose.EXIT,
        strategy="ema_cross", signal_id=f"s-{order_id}",
    )  # fmt: skip
    return fact(order_id, OrderEventType.INTENT, request=request, **more)


def fill(order_id: str, quantity: int, price: str, *, side: Side = Side.BUY, number: int = 1, symbol: str = "RELIANCE") -> Written:  # fmt: skip  # noqa: E501
    fill = Fill(
        execution_id=f"x-{order_id}-{number}", venue_order_id=f"v-{order_id}", symbol=symbol, exchange="NSE",
        side=side, quantity=Decimal(quantity), price=Decimal(price), traded_at=START + number,
    )  # fmt: skip
    return fact(order_id, OrderEventType.EXECUTED, fill=fill)


def sent(order_id: str) -> list[Written]:
    return [
        fact(order_id, OrderEventType.SENDING),
        fact(order_id, OrderEventType.ACCEPTED, venue_order_id=f"v-{order_id}"),
    ]


def signals(minute: int) -> Written:
    both = (
        Signal(signal_id=f"a{minute}", strategy="ema_cross", symbol="TCS", action=Action.ENTER_LONG, bar_at=START,
               quoted_at=5, close=float("nan"), stop_loss=2490.5, inputs={"EMA": float("nan"), "ADX": 21.25}),
        Signal(signal_id=f"b{minute}", strategy=HOSTILE, symbol="INFY", action=Action.EXIT_LONG, bar_at=START,
               quoted_at=5, close=1500.25, quantity=3.0),
    )  # fmt: skip
    return "signals", Signals(at=START + minute * MINUTE, interval=MINUTE, signals=both, failed=("SBIN",))


def morning() -> list[Written]:
    """The first run, cut off while an order is half filled."""
    return [
        *run("r1"),
        ("reconciled", ReconciliationResult(at=START, cash=Decimal("50000.00"), adopted=(ADOPTED,))),
        ("link", LinkUp(source="kite", mono=3)),
        close(1),
        signals(1),
        intent("r1-1", 9, inputs={"EMA": float("inf")}, checks=("size ok",), reason=HOSTILE),
        *sent("r1-1"),
        fill("r1-1", 3, "2500.05"),
        fill("r1-1", 3, "2500.05"),  # told twice
        fill("r1-1", 4, "2499.95", number=2),
        close(2, ids=(0, 1, 2), price=251_000),
        fact("r1-2", OrderEventType.DENIED, reason="max_order_notional", request=intent("r1-2", 100)[1].request),
        intent("r1-3", 5, symbol="TCS"),
        *sent("r1-3"),
        fact("r1-3", OrderEventType.SEEN_CANCELED, reason="by the venue"),
    ]  # fmt: skip


def afternoon() -> list[Written]:
    """The second run: the order is filled up, what is held is sold, the day ends as it should."""
    return [
        *run("r2"),
        ("reconciled", ReconciliationResult(at=START, cash=Decimal("32500.45"))),
        fill("r1-1", 2, "2501", number=3),
        fill("r1-3", 1, "3800.10", number=4, symbol="TCS"),  # after its end
        ("halt", Command(verb=CommandVerb.HALT, reason="operator")),
        close(2, ids=(0,), price=251_500),  # recorded a second time
        close(3, price=252_000),
        intent("r2-1", 6, side=Side.SELL),
        *sent("r2-1"),
        fill("r2-1", 6, "2519.95", side=Side.SELL, number=5),
        signals(3),
        close(4, ids=(0, 2), price=249_000),
        ("end", RunEnd(reason="SIGTERM", summary={"orders": 3, "pnl_net": Decimal("12.50")})),
    ]


async def write(state_dir: Path, written: list[Written], run_id: str) -> Path:
    async with Journal(state_dir, run=run_id, clock=ManualClock(START)) as journal:
        for kind, message in written:
            journal.append(kind, message, at=getattr(message, "ends_at", getattr(message, "at", START)))
    return state_dir / FILE_NAME


async def whole_day(state_dir: Path) -> Path:
    await write(state_dir, morning(), "r1")
    return await write(state_dir, afternoon(), "r2")


def many(run_id: str, orders: int) -> list[Written]:
    """A run with many small orders, all bought and sold."""
    rows: list[Written] = run(run_id)
    for n in range(orders):
        buy, sell = f"{run_id}-b{n}", f"{run_id}-s{n}"
        rows += [intent(buy, 2), *sent(buy), fill(buy, 2, f"{2500 + n % 7}.05")]
        rows += [intent(sell, 2, side=Side.SELL), *sent(sell), fill(sell, 2, "2504.10", side=Side.SELL)]
        if n % 10 == 0:
            rows.append(close(n + 1, ids=(0, 1, 2), price=250_000 + n))
    return rows
