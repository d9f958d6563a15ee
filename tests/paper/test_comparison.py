"""The comparison of live fills with the shadow's: signs, groups, one-sided orders."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.paper.paper_rig import at, order
from tradebot.clock import HOUR
from tradebot.domain.order import (
    Fill,
    Order,
    OrderEvent,
    OrderEventType,
    OrderPurpose,
)
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.errors import DataError
from tradebot.exchange.ticket import BookOrder, BookStatus, received_order
from tradebot.paper.comparison import ShadowOrders, compare_orders, read_shadow, summarize_comparison
from tradebot.paper.rows import ticket_of

D = Decimal
TICKS = {"RELIANCE": D("0.05")}


def live_order(number: int, *, price: float | None, side: str = "BUY", quantity: int = 10, **fields: Any) -> Order:
    """Return a live order as the journal has it, filled at `price` if that is given."""
    request = order(number, side=side, kind=fields.pop("kind", "MARKET"), quantity=10, **fields)
    when = at(number)
    found = open_order(OrderEvent(order_id=request.order_id, type=OrderEventType.INTENT, at=when, request=request))
    for kind in (OrderEventType.SENDING, OrderEventType.ACCEPTED):
        found = apply_event(found, OrderEvent(order_id=request.order_id, type=kind, at=when, venue_order_id="1"))
    if price is None:
        return found
    fill = Fill(
        execution_id=f"E{number}", venue_order_id="1", symbol="RELIANCE", exchange="NSE", side=request.side,
        quantity=D(quantity), price=D(str(price)), traded_at=when,
    )  # fmt: skip
    return apply_event(found, OrderEvent(order_id=request.order_id, type=OrderEventType.EXECUTED, at=when, fill=fill))


def beside(
    number: int, *, price: float | None, quantity: int = 10, status: str = "filled", reason: str = ""
) -> BookOrder:
    ticket = ticket_of(order(number, kind="MARKET"), D(1))
    placed = received_order(f"2609010000000{number:02}", ticket, at(number))
    return msgspec.structs.replace(
        placed, status=BookStatus(status), filled=D(quantity) if price else D(0), reason=reason,
        average_price=D(str(price or 0)),
    )  # fmt: skip


def shadow(*orders: BookOrder) -> ShadowOrders:
    return ShadowOrders(live_account="AB1234", orders={one.ticket.tag: one for one in orders})


@pytest.mark.parametrize(
    ("side", "live", "paper", "ticks"),
    [("BUY", 100.10, 100.05, 1), ("BUY", 100, 100.05, -1), ("SELL", 100, 100.10, 2), ("SELL", 100, 99.95, -1),
     ("BUY", 100, 100, 0), ("BUY", 100.01, 100, "0.20")],
)  # fmt: skip
def test_a_difference_is_above_zero_where_paper_was_better(side: str, live: float, paper: float, ticks: Any) -> None:
    (row,) = compare_orders([live_order(1, price=live, side=side)], shadow(beside(1, price=paper)), TICKS)
    assert (row.ticks, row.filled_on, row.why) == (D(ticks), "both", "")


def test_an_order_that_one_side_filled_says_how_the_other_ended() -> None:
    rows = compare_orders(
        [live_order(1, price=100), live_order(2, price=None), live_order(3, price=100), live_order(4, price=None)],
        shadow(
            beside(1, price=None, status="cancelled", reason="the unfilled rest"), beside(2, price=100),
            beside(4, price=None, status="open"),
        ),
        TICKS,
    )  # fmt: skip
    assert [(row.filled_on, row.ticks) for row in rows] == [
        ("only live", None), ("only paper", None), ("only live", None), ("neither", None),
    ]  # fmt: skip
    assert [row.why for row in rows] == [
        "cancelled: the unfilled rest", "ACKED", "the shadow did not take it", "",
    ]  # fmt: skip


def test_orders_from_before_the_shadow_are_left_out() -> None:
    live = [live_order(n, price=100) for n in (1, 5, 9)]
    assert [row.order_id for row in compare_orders(live, shadow(beside(5, price=100)), TICKS)] == ["T000005", "T000009"]
    assert compare_orders(live, shadow(), TICKS) == []


def test_groups_are_all_then_kinds_then_hours_with_what_lies_at_nine_tenths() -> None:
    live = [live_order(n, price=100 + n / 20) for n in range(1, 11)]
    live += [
        live_order(20, price=100.05, purpose=OrderPurpose.STOP),
        live_order(21, price=None),
    ]
    paper = [beside(n, price=100) for n in range(1, 11)] + [beside(20, price=100, quantity=4), beside(21, price=100)]
    rows = compare_orders(live, shadow(*paper), TICKS)
    groups = {group.group: group for group in summarize_comparison(rows)}
    assert list(groups) == ["all", "MARKET", "stop exit", "09h"]
    market = groups["MARKET"]
    assert (market.filled, market.mean, market.median, market.p90) == (10, D("5.50"), D("5.50"), D(9))
    assert (market.partly, market.only_live, market.only_paper) == (0, 0, 1)
    stop = groups["stop exit"]
    assert (stop.filled, stop.partly, stop.mean, stop.median, stop.p90) == (1, 1, D(1), D(1), D(1))
    assert (groups["all"].filled, groups["09h"].filled) == (11, 11)


def test_a_group_without_a_difference_has_no_figures() -> None:
    (group, *_) = summarize_comparison(compare_orders([live_order(1, price=None)], shadow(beside(1, price=100)), {}))
    assert (group.filled, group.mean, group.median, group.p90, group.only_paper) == (0, None, None, None, 1)
    (unlisted,) = compare_orders([live_order(1, price=100)], shadow(beside(1, price=100)), {})
    assert (unlisted.filled_on, unlisted.ticks) == ("both", None)  # a symbol whose tick size is not known


def test_the_hour_is_that_of_the_market() -> None:
    late = live_order(1, price=100)
    late = msgspec.structs.replace(late, times=msgspec.structs.replace(late.times, begun_at=at(0) + 5 * HOUR))
    (row,) = compare_orders([late], shadow(beside(1, price=100)), TICKS)
    assert row.hour == "14"


def test_a_spoilt_log_names_its_line(tmp_path: Path) -> None:
    log = tmp_path / "shadow.jsonl"
    log.write_text('{"kind":"session","account":"SHADOW-AB1234"}\n{"kind":"order","status":"OPEN"}\n')
    with pytest.raises(DataError, match=r"shadow\.jsonl:2: "):
        read_shadow(log, prefix="SHADOW")
    log.write_text('{"kind":"session","account":"SHADOW-AB1234"}\n')
    assert read_shadow(log, prefix="SHADOW") == ShadowOrders(live_account="AB1234", orders={})
