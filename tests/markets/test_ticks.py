"""The tick of a share follows its price and the day's rule."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tradebot.markets.listing import universe_for
from tradebot.markets.ticks import is_fund, tick_of, tick_of_index


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("249.95", "0.01"), ("250", "0.05"), ("1000", "0.05"), ("1000.05", "0.10"), ("1500", "0.10"), ("5000", "0.10"),
        ("6000", "0.50"), ("10000", "0.50"), ("15000", "1"), ("20000", "1"), ("130000", "5"),
    ],
)  # fmt: skip
def test_since_april_2025_the_tick_grows_with_the_price(price: str, tick: str) -> None:
    assert tick_of("X", Decimal(price)) == tick_of("X", Decimal(price), date(2025, 4, 15)) == Decimal(tick)


@pytest.mark.parametrize(
    ("price", "day", "exchange", "tick"),
    [
        ("100", date(2024, 6, 9), "NSE", "0.05"), ("100", date(2024, 6, 10), "NSE", "0.01"),
        ("15000", date(2025, 4, 14), "NSE", "0.05"), ("100", date(2030, 1, 1), "BSE", "0.05"),
        ("99", date(2023, 2, 28), "BSE", "0.05"), ("99", date(2023, 3, 1), "BSE", "0.01"),
        ("15000", date(2026, 1, 1), "BSE", "0.05"), ("1", date(1990, 1, 1), "NSE", "0.05"),
    ],
)  # fmt: skip
def test_each_day_and_exchange_has_its_rule(price: str, day: date, exchange: str, tick: str) -> None:
    assert tick_of("X", Decimal(price), day, exchange=exchange) == Decimal(tick)


def test_funds_and_indices_stand_apart() -> None:
    assert [name for name in ("NIFTYBEES", "SETFNIF50", "BANKIETF", "TCS", "BEESWAX") if is_fund(name)] == [
        "NIFTYBEES", "SETFNIF50", "BANKIETF",
    ]  # fmt: skip
    assert tick_of("NIFTYBEES", Decimal(6_000)) == Decimal("0.01")
    assert tick_of_index() == universe_for(["NIFTY 50"])[0].tick_size == Decimal("0.05")


def test_a_listing_has_the_ticks_of_its_day() -> None:
    assert universe_for(["TCS"])[0].tick_size == Decimal("0.10")
    assert universe_for(["TCS"], on=date(2025, 4, 14))[0].tick_size == Decimal("0.05")
    assert universe_for(["BSE:TCS"])[0].tick_size == Decimal("0.05")


def test_a_price_that_is_known_decides_before_that_of_the_listing() -> None:
    day = date(2026, 1, 1)

    found = universe_for(["TCS", "INFY"], on=day, paise={"TCS": 90_000})

    assert [i.tick_size for i in found] == [Decimal("0.05"), Decimal("0.10")]
