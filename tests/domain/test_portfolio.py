"""Positions as sums of fills: average cost, what crossing zero leaves, and a fill that is taken back."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.order import Execution, Side
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey

D = Decimal


def fill(quantity: int, price: int) -> Execution:
    """A fill of a signed quantity."""
    return Execution(
        execution_id="x", venue_order_id="v", symbol="AAA", exchange="NSE",
        side=Side.BUY if quantity > 0 else Side.SELL, quantity=D(abs(quantity)), price=D(price), traded_at=1,
    )  # fmt: skip


def after(*fills: tuple[int, int]) -> Position:
    position = Position(PositionKey("", "NSE", "AAA", "MIS"))
    for quantity, price in fills:
        position = position.apply(fill(quantity, price), D(1))
    return position


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realized"),
    [
        ([(10, 100), (10, 110)], 20, 105, 0),
        ([(10, 100), (-4, 120)], 6, 100, 80),
        ([(10, 100), (-10, 90)], 0, 0, -100),
        ([(10, 100), (-15, 120)], -5, 120, 200),
        ([(-5, 120), (8, 100)], 3, 100, 100),
    ],
)
def test_a_position_is_at_average_cost_and_what_crosses_zero_starts_at_its_own_price(
    fills: list[tuple[int, int]], quantity: int, average: int, realized: int
) -> None:
    position = after(*fills)
    assert (position.quantity, position.average_price, position.realized) == (quantity, average, realized)
    assert position.charges == len(fills)


FILLS = st.lists(st.tuples(st.integers(-20, 20).filter(bool), st.integers(1, 200)), min_size=1, max_size=12)


@given(FILLS, st.integers(1, 200))
def test_realized_and_open_profit_are_what_was_sold_less_what_was_bought(
    fills: list[tuple[int, int]], mark: int
) -> None:
    position = after(*fills)
    cash = -sum(Fraction(q) * p for q, p in fills)
    total = Fraction(position.realized) + Fraction(position.unrealized(D(mark)))
    assert abs(total - (cash + Fraction(position.quantity) * mark)) < Fraction(1, 10**15)


@given(FILLS)
def test_a_fill_that_is_taken_back_leaves_quantity_charges_and_turnover_as_before(fills: list[tuple[int, int]]) -> None:
    before = after(*fills)
    back = before.apply(fill(3, 50), D(2)).reverse(fill(3, 50), D(2))
    assert (back.quantity, back.charges, back.bought, back.sold) == (
        before.quantity, before.charges, before.bought, before.sold,
    )  # fmt: skip
