"""What a fill costs as the desk bills it: the whole units' short way and the long way say the same to the paisa."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from tests.domain.order_events import execution, order_event, request
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import OrderEventType, Side
from tradebot.domain.order_reducer import open_order
from tradebot.markets.calendar import ist_date
from tradebot.markets.charges import Segment, order_charges
from tradebot.trading.desk.fill_charges import charges_by_market, percent_charges

D = Decimal
AT = int(datetime(2026, 2, 3, 6, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        ("1", "16.66667"),  # beyond half a paisa of brokerage by less than a whole unit shows
        ("1", "16.6666"), ("0.5", "33.33334"), ("2", "100"), ("1", "0.0001"), ("1", "0"),
    ],
)  # fmt: skip
def test_a_fill_is_billed_what_the_table_says_of_its_turnover_whether_it_has_whole_units_or_not(
    quantity: str, price: str
) -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    fill = msgspec.structs.replace(execution("T1", "a"), quantity=D(quantity), price=D(price), traded_at=AT)
    bill = order_charges(
        segment=Segment.INTRADAY, side=Side.BUY, turnover=D(quantity) * D(price), on=ist_date(AT)
    ).total
    assert charges_by_market(Universe([Instrument(symbol="AAA")]))(order, fill) == bill


def test_a_percentage_is_of_the_value_and_rounded_half_to_even() -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    bill = percent_charges(D("0.1"), decimals=2)
    for quantity, price, billed in (
        ("3", "1234.5", "3.70"),
        ("1", "5", "0.00"),
        ("1", "15", "0.02"),
        ("2", "7.5", "0.02"),
    ):
        fill = msgspec.structs.replace(execution("T1", "a"), quantity=D(quantity), price=D(price))
        assert bill(order, fill) == D(billed), (quantity, price)


@pytest.mark.parametrize(
    ("first", "second"),
    [("16.66667", "16.66663"), ("16.66667", "16.66667"), ("16.6666", "16.66667"), ("100", "100"), ("1", "0")],
)
def test_a_further_fill_is_billed_what_it_adds_to_the_bill_of_its_order(first: str, second: str) -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    one = msgspec.structs.replace(execution("T1", "a"), price=D(first), traded_at=AT)
    other = msgspec.structs.replace(execution("T1", "b"), price=D(second), traded_at=AT)
    bill = charges_by_market(Universe([Instrument(symbol="AAA")]))

    def whole(turnover: Decimal) -> Decimal:
        return order_charges(segment=Segment.INTRADAY, side=Side.BUY, turnover=turnover, on=ist_date(AT)).total

    assert bill(order, one) == whole(D(first))
    filled = msgspec.structs.replace(order, value=D(first))
    assert bill(filled, other) == whole(D(first) + D(second)) - whole(D(first))


@pytest.mark.parametrize("price", ["1000", "16.66667"])
def test_a_sale_for_delivery_pays_the_depository_once_a_day_and_a_sale_of_the_day_does_not(price: str) -> None:
    sale = msgspec.structs.replace(request(), side=Side.SELL)
    order = open_order(order_event("T1", OrderEventType.INTENT, request=sale))
    fees = {}
    for product in ("MIS", "CNC"):
        bill, found = charges_by_market(Universe([Instrument(symbol="AAA")])), []
        for name in "ab":
            fill = msgspec.structs.replace(
                execution("T1", name), side=Side.SELL, price=D(price), traded_at=AT, product=product
            )
            found.append(bill(order, fill))
        fees[product] = found[0] - found[1]
    assert fees["MIS"] == 0
    assert fees["CNC"] > 10


def test_an_exchange_of_no_table_is_billed_nothing() -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    bill = charges_by_market(Universe([Instrument(symbol="AAA")]))
    assert bill(order, msgspec.structs.replace(execution("T1", "a"), price=D(1000), traded_at=AT, exchange="XYZ")) == 0
    assert bill(order, msgspec.structs.replace(execution("T1", "a"), price=D(1000), traded_at=AT)) > 0
