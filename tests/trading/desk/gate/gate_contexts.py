"""A plain order and the context that the gate judges it in, each with changes by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.trading.desk.gate.gate import Control, Gate, OrderContext

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
REQUEST = OrderRequest(
    order_id="T1", symbol="AAA", exchange="NSE", side=BUY, kind=OrderKind.LIMIT, quantity=D(10), price=D(100),
    strategy="s", signal_id="x",
)  # fmt: skip
CONTEXT = OrderContext(
    instrument=Instrument(symbol="AAA", token=256), quantity=D(0), closable_quantity=D(0), longest=D(0), shortest=D(0),
    closing_quantity=D(0), open_orders=0, is_in_doubt=False, reference=D(100), quote_age_s=0.0, feed_is_stale=False,
    halt_reason="", unaccounted="", external_quantity=D(0), entries_closed="", gross_elsewhere=lambda: D(0),
    day_profit=lambda: D(0), mono=1000 * SECOND,
)  # fmt: skip


def request(**changes: Any) -> OrderRequest:
    return msgspec.structs.replace(REQUEST, **changes)


def context_with(**changes: Any) -> OrderContext:
    """The plain view with changes; sums over all positions are asked for, so they come as functions."""
    for name in changes.keys() & {"gross_elsewhere", "day_profit"}:
        changes[name] = lambda value=changes[name]: value
    return msgspec.structs.replace(CONTEXT, **changes)


def passes(control: Control, asked: OrderRequest, **view: Any) -> bool:
    return Gate([control]).check_order(asked, context_with(**view)).is_passed
