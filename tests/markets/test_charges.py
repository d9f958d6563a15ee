"""Charges as tables, each row computed by hand."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import Side
from tradebot.errors import DataError
from tradebot.markets.charges import (
    NO_CHARGES,
    Charges,
    Segment,
    fill_charges,
    order_charges,
    rates_valid_between,
    segment_of,
    tariff_of,
)

D = Decimal
IN_2026, IN_2021 = date(2026, 9, 1), date(2021, 6, 11)


# segment, side, exchange, turnover, day -> brokerage, tax, exchange, SEBI, stamp, GST, total
BILLS = [
    # 10,000 intraday: 0.03% = 3.00, 0.00307% = 0.307, 10/crore = 0.01, stamp 0.003% = 0.30, 18% of 3.32 = 0.5976
    (Segment.INTRADAY, Side.BUY, "NSE", "10000", IN_2026, "3.00", "0", "0.31", "0.01", "0.30", "0.60", "4.22"),
    # tax 0.025% = 2.50
    (Segment.INTRADAY, Side.SELL, "NSE", "10000", IN_2026, "3.00", "2.50", "0.31", "0.01", "0", "0.60", "6.42"),
    # brokerage capped at 20; 200,000: tax 50, exchange 6.14, SEBI 0.20, 18% of 26.34 = 4.7412
    (Segment.INTRADAY, Side.SELL, "NSE", "200000", IN_2026, "20.00", "50.00", "6.14", "0.20", "0", "4.74", "81.08"),
    # delivery: no brokerage, tax 0.1% on both sides, stamp 0.015% = 1.50, 18% of 0.32 = 0.0576
    (Segment.DELIVERY, Side.BUY, "NSE", "10000", IN_2026, "0", "10.00", "0.31", "0.01", "1.50", "0.06", "11.88"),
    (Segment.DELIVERY, Side.SELL, "BSE", "10000", IN_2026, "0", "10.00", "0.38", "0.01", "0", "0.07", "10.46"),
    # futures 1,000,000: tax 0.05% = 500, exchange 0.00183% = 18.30, SEBI 1.00, 18% of 39.30 = 7.074
    (Segment.FUTURES, Side.SELL, "NFO", "1000000", IN_2026, "20.00", "500", "18.30", "1.00", "0", "7.07", "546.37"),
    # options 50,000 of premium: flat 20, tax 0.15% = 75, exchange 0.03553% = 17.765 -> 17.77, 18% of 37.82 = 6.8076
    (Segment.OPTIONS, Side.SELL, "NFO", "50000", IN_2026, "20.00", "75.00", "17.77", "0.05", "0", "6.81", "119.63"),
    # the older exchange fee of 0.00345% = 0.345 -> 0.35 (half up), 18% of 3.36 = 0.6048
    (Segment.INTRADAY, Side.BUY, "NSE", "10000", IN_2021, "3.00", "0", "0.35", "0.01", "0.30", "0.60", "4.26"),
]


@pytest.mark.parametrize("row", BILLS, ids=lambda row: f"{row[0]} {row[1]} {row[3]} {row[4].year}")
def test_a_bill_equals_the_one_computed_by_hand(row):
    segment, side, exchange, turnover, on, *expected = row
    bill = order_charges(segment=segment, side=side, turnover=D(turnover), on=on, exchange=exchange)
    parts = [bill.brokerage, bill.transaction_tax, bill.exchange_fee, bill.sebi_fee, bill.stamp_duty, bill.gst]
    assert [*parts, bill.total] == [D(x) for x in expected]


@pytest.mark.parametrize(
    ("day", "tax"), [(date(2024, 9, 30), "12.50"), (date(2024, 10, 1), "20.00"), (date(2026, 4, 1), "50.00")]
)
def test_a_rate_changes_on_its_day(day, tax):
    bill = order_charges(segment=Segment.FUTURES, side=Side.SELL, turnover=D(100_000), on=day, exchange="NFO")
    assert bill.transaction_tax == D(tax)


@pytest.mark.parametrize(
    ("day", "since", "until"),
    [
        (date(2019, 1, 1), date.min, date(2024, 10, 1)),
        (date(2024, 9, 30), date.min, date(2024, 10, 1)),
        (date(2024, 10, 1), date(2024, 10, 1), date(2026, 4, 1)),
        (IN_2026, date(2026, 4, 1), date.max),
    ],
)
def test_the_rates_of_a_day_hold_from_their_table_to_the_next_one(day, since, until):
    assert rates_valid_between(day) == (since, until)


def test_a_crore_is_ten_million_also_where_the_fee_is_large():
    bill = order_charges(segment=Segment.DELIVERY, side=Side.BUY, turnover=D(10**12), on=IN_2026, exchange="NSE")
    assert bill.sebi_fee == D("1000000.00")


def test_the_depository_fee_of_a_delivery_sale_is_13_rupees_and_its_gst():
    sale = {"segment": Segment.DELIVERY, "side": Side.SELL, "turnover": D(10_000), "on": IN_2026}
    assert order_charges(**sale, with_dp=True).total - order_charges(**sale).total == D("15.34")


def test_no_depository_fee_is_due_on_a_purchase():
    bought = order_charges(segment=Segment.DELIVERY, side=Side.BUY, turnover=D(10_000), on=IN_2026, with_dp=True)
    assert bought.dp == 0


def test_a_fill_pays_only_what_is_left_of_the_brokerage_cap():
    fill = {"segment": Segment.INTRADAY, "side": Side.BUY, "price": D(100), "on": IN_2026}
    first = fill_charges(**fill, quantity=D(500))
    second = fill_charges(**fill, quantity=D(500), order_turnover=D(50_000))
    assert (first.brokerage, second.brokerage) == (D(15), D(5))


def test_nothing_traded_costs_nothing():
    assert (
        order_charges(segment=Segment.OPTIONS, side=Side.BUY, turnover=D(0), on=IN_2026, exchange="NFO") == NO_CHARGES
    )


def test_an_exchange_without_rates_is_named():
    with pytest.raises(DataError, match="XETRA"):
        order_charges(segment=Segment.INTRADAY, side=Side.BUY, turnover=D(1), on=IN_2026, exchange="XETRA")


@pytest.mark.parametrize(
    ("kind", "product", "segment"),
    [
        (InstrumentKind.EQUITY, "MIS", Segment.INTRADAY),
        (InstrumentKind.EQUITY, "CNC", Segment.DELIVERY),
        (InstrumentKind.FUTURE, "NRML", Segment.FUTURES),
        (InstrumentKind.OPTION, "MIS", Segment.OPTIONS),
    ],
)
def test_the_segment_follows_from_the_instrument_and_the_product(kind, product, segment):
    assert segment_of(kind, product) is segment


FILLS = st.lists(
    st.tuples(st.integers(1, 5_000), st.decimals(min_value=D("0.05"), max_value=D(20_000), places=2)),
    min_size=1,
    max_size=8,
)


@given(fills=FILLS, segment=st.sampled_from(Segment), side=st.sampled_from(Side))
def test_any_split_of_an_order_into_fills_costs_the_same_and_no_fill_earns(fills, segment, side):
    exchange = "NSE" if segment.startswith("equity") else "NFO"
    on_the = {"segment": segment, "side": side, "on": IN_2026, "exchange": exchange}
    turnover, added = D(0), Charges()
    for quantity, price in fills:
        bill = fill_charges(**on_the, quantity=D(quantity), price=price, order_turnover=turnover)
        assert min(bill.brokerage, bill.transaction_tax, bill.exchange_fee, bill.gst, bill.stamp_duty) >= 0
        added, turnover = added + bill, turnover + quantity * price
    assert added == order_charges(**on_the, turnover=turnover)


@given(
    st.sampled_from(list(Segment)),
    st.sampled_from(list(Side)),
    st.sampled_from([date(2019, 1, 1), date(2022, 6, 1), date(2024, 1, 2), date(2024, 10, 2), date(2026, 4, 2)]),
    st.integers(-5, 10**9) | st.integers(0, 10**15),
)
def test_a_bill_in_units_is_the_bill_to_the_paisa(segment: Segment, side: Side, on: date, units: int) -> None:
    exchange = "NSE" if segment in (Segment.INTRADAY, Segment.DELIVERY) else "NFO"
    tariff = tariff_of(segment, side, on, exchange)

    paise = tariff.in_units().total_paise(units)

    assert Decimal(paise) / 100 == tariff.total_charges(Decimal(units).scaleb(-4))


@pytest.mark.parametrize("units", [-1, 0, 1])
def test_the_flat_brokerage_of_an_option_is_due_from_the_least_turnover_on(units: int) -> None:
    tariff = tariff_of(Segment.OPTIONS, Side.BUY, IN_2026, "NFO")
    paise = 2360 if units > 0 else 0  # twenty rupees and their tax
    assert tariff.in_units().total_paise(units) == paise
    assert tariff.total_charges(Decimal(units).scaleb(-4)) == Decimal(paise) / 100
