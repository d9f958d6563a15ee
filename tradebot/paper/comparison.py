"""Live fills beside those of the shadow, order by order: by how many ticks the simulation is better than the venue."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.domain.order import Order, OrderPurpose, Side
from tradebot.errors import DataError
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.ticket import BookOrder, order_from_line
from tradebot.markets.market import market_of

# What an order is for, where that says more than its kind: a stop is sent as a market order once its level is met.
PURPOSES = {
    OrderPurpose.STOP: "stop exit",
    OrderPurpose.TRAIL: "trailing stop exit",
    OrderPurpose.TARGET: "target exit",
    OrderPurpose.FLATTEN: "flatten",
}
BOTH, ONLY_LIVE, ONLY_PAPER, NEITHER = "both", "only live", "only paper", "neither"
TICK_GRAIN = Decimal("0.01")


class ComparedOrder(Message, frozen=True):
    """One order on both sides.

    `ticks` is how much better the average price was on paper than live, in ticks of the instrument, above zero where
    paper was better and so too optimistic; None unless both sides were filled. `filled_on` is one of both, only live,
    only paper, neither. `hour` is the hour of the market's day in which the order was decided, such as 09. `why` says
    how the side ended that was not filled.
    """

    order_id: str
    symbol: str
    side: Side
    kind: str
    hour: str
    filled_on: str
    live_quantity: Decimal
    live_price: Decimal | None
    paper_quantity: Decimal
    paper_price: Decimal | None
    ticks: Decimal | None
    why: str = ""


class ComparedGroup(Message, frozen=True):
    """The differences of some orders in ticks, above zero where paper was better; None where no order has one.

    `p90` is the nearest rank: nine of ten orders were at most this much better on paper. `partly` counts the orders
    among those `filled` on both sides whose quantities differ.
    """

    group: str
    filled: int
    partly: int
    mean: Decimal | None
    median: Decimal | None
    p90: Decimal | None
    only_live: int
    only_paper: int


class ShadowOrders(Message, frozen=True):
    """The orders in the log of a shadow: the live account, and the newest version of each order by our order id."""

    live_account: str
    orders: Mapping[str, BookOrder]

    @property
    def begins_at(self) -> int:
        """Return the market ns of its first order, 0 without one."""
        return min((order.placed_at for order in self.orders.values()), default=0)


def read_shadow(path: Path, *, prefix: str) -> ShadowOrders:
    """Return the orders of a shadow's log; `prefix` is what its account's name has before that of the live account.

    Raises DataError or StateError for a log that cannot be read.
    """
    account, orders = "", dict[str, BookOrder]()
    for number, line in enumerate(read_event_log(path), 1):
        try:
            if line.get("kind") == "session":
                account = str(line["account"]).removeprefix(f"{prefix}-")
            elif line.get("kind") == "order":
                order = order_from_line(line)
                orders[order.ticket.tag] = order
        except (msgspec.ValidationError, KeyError) as error:
            raise DataError(f"{path}:{number}: not a line of a shadow's log: {error}") from error
    return ShadowOrders(live_account=account, orders=orders)


def compare_orders(
    live: Iterable[Order], shadow: ShadowOrders, tick_sizes: Mapping[str, Decimal]
) -> list[ComparedOrder]:
    """Return each live order since the shadow's first beside its shadow, in the order given.

    Orders that neither side filled and the shadow never had are left out. `tick_sizes` are by symbol.
    """
    found = []
    for order in live:
        beside = shadow.orders.get(order.order_id)
        if beside is None and (
            order.is_external or not order.filled or not 0 < shadow.begins_at <= order.times.begun_at
        ):
            continue
        found.append(_compared(order, beside, tick_sizes.get(order.symbol, Decimal(0))))
    return found


def summarize_comparison(rows: Sequence[ComparedOrder]) -> list[ComparedGroup]:
    """Return the differences of all orders, then by kind, then by hour; groups in the order of their names."""

    def grouped(key: Callable[[ComparedOrder], str]) -> list[ComparedGroup]:
        names = sorted({key(row) for row in rows})
        return [_group(name, [row for row in rows if key(row) == name]) for name in names]

    return [_group("all", rows), *grouped(lambda row: row.kind), *grouped(lambda row: f"{row.hour}h")]


def _compared(order: Order, beside: BookOrder | None, tick: Decimal) -> ComparedOrder:
    request, live_price = order.request, order.average_price
    paper_quantity = beside.filled if beside is not None else Decimal(0)
    paper_price = beside.average_price if beside is not None and beside.filled else None
    ticks, why = None, ""
    if live_price is not None and paper_price is not None:
        filled_on = BOTH
        ticks = _rounded(request.side.sign * (live_price - paper_price) / tick) if tick else None
    elif live_price is not None:
        filled_on = ONLY_LIVE
        why = f"{beside.status}: {beside.reason}".rstrip(": ") if beside is not None else "the shadow did not take it"
    elif paper_price is not None:
        filled_on, why = ONLY_PAPER, f"{order.state}: {order.reason}".rstrip(": ")
    else:
        filled_on = NEITHER
    at = order.times.begun_at
    return ComparedOrder(
        order_id=order.order_id,
        symbol=order.symbol,
        side=request.side,
        kind=PURPOSES.get(request.purpose, request.kind.value),
        hour=f"{(at - market_of(request.exchange).day_start_at(at)) // (3600 * SECOND):02}",
        filled_on=filled_on,
        live_quantity=order.filled,
        live_price=live_price,
        paper_quantity=paper_quantity,
        paper_price=paper_price,
        ticks=ticks,
        why=why,
    )


def _group(name: str, rows: Sequence[ComparedOrder]) -> ComparedGroup:
    differences = sorted(row.ticks for row in rows if row.ticks is not None)
    both = [row for row in rows if row.filled_on == BOTH]
    return ComparedGroup(
        group=name,
        filled=len(both),
        partly=sum(row.live_quantity != row.paper_quantity for row in both),
        mean=_rounded(Decimal(str(fmean(differences)))) if differences else None,
        median=_rounded(Decimal(median(differences))) if differences else None,
        p90=differences[math.ceil(0.9 * len(differences)) - 1] if differences else None,
        only_live=sum(row.filled_on == ONLY_LIVE for row in rows),
        only_paper=sum(row.filled_on == ONLY_PAPER for row in rows),
    )


def _rounded(ticks: Decimal) -> Decimal:
    return ticks.quantize(TICK_GRAIN) + Decimal(0)  # zero is added because a negative zero reads like a difference
