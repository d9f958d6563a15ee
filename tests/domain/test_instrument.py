"""Rounding, the one place of it: prices to the tick on the side that is asked for, quantities down to whole lots."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.instrument import Instrument

D = Decimal
LOTS = Instrument(symbol="FUT", token=256, lot_size=D(75))
PLAIN = Instrument(symbol="AAA", token=512)


@pytest.mark.parametrize(("asked", "given_"), [("74", 0), ("75", 75), ("149.99", 75), ("225", 225), ("262.5", 225)])
def test_a_quantity_is_rounded_down_to_whole_lots_and_never_up(asked: str, given_: int) -> None:
    assert LOTS.round_quantity(D(asked)) == given_


def test_a_quantity_of_whole_hundreds_is_written_with_its_zeros() -> None:
    quantity = PLAIN.round_quantity(D(600000) / D("480.00"))

    assert str(quantity) == "1250"


@pytest.mark.parametrize(("price", "down", "up", "nearest"), [
    ("100.00", "100.00", "100.00", "100.00"), ("100.01", "100.00", "100.05", "100.00"),
    ("100.049", "100.00", "100.05", "100.05"), ("100.075", "100.05", "100.10", "100.10"),
])  # fmt: skip
def test_a_price_is_rounded_to_the_tick_on_the_side_asked_for(price: str, down: str, up: str, nearest: str) -> None:
    assert PLAIN.round_price(D(price), up=False) == D(down)
    assert PLAIN.round_price(D(price), up=True) == D(up)
    assert PLAIN.round_to_nearest_tick(D(price)) == D(nearest)


@given(st.integers(1, 10**9))
def test_units_and_prices_are_the_same_number(units: int) -> None:
    price = PLAIN.price_from_units(units)
    assert (PLAIN.price_to_units(price), price * 100) == (units, units)
