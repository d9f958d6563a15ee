"""Positions as sums of fills: average cost, what crossing zero leaves, and a fill that is taken back."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.order import Fill, Side
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey

D = Decimal


def fill(quantity: int, price: int) -> Fill:
    """A fill of a signed quantity."""
    return Fill(
        execution_id="x", venue_order_id="v", symbol="AAA", exchange="NSE",
        side=Side.BUY if quantity > 0 else Side.SELL, quantity=D(abs(quantity)), price=D(price), traded_at=1,
    )  # fmt: skip


def after(*fills: tuple[int, int]) -> Position:
    position = Position(PositionKey("", "NSE", "AAA", "MIS"))
    for quantity, price in fills:
        position = position.apply_fill(fill(quantity, price), D(1))
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
    total = Fraction(position.realized) + Fraction(position.unrealized_pnl(D(mark)))
    assert abs(total - (cash + Fraction(position.quantity) * mark)) < Fraction(1, 10**15)


@given(FILLS)
def test_a_fill_that_is_taken_back_leaves_quantity_charges_and_turnover_as_before(fills: list[tuple[int, int]]) -> None:
    before = after(*fills)
    back = before.apply_fill(fill(3, 50), D(2)).reverse_fill(fill(3, 50), D(2))
    assert (back.quantity, back.charges, back.bought, back.sold) == (
        before.quantity, before.charges, before.bought, before.sold,
    )  # fmt: skip


def test_a_position_is_flat_without_quantity_and_has_no_average_price_then() -> None:
    key = PositionKey("", "NSE", "AAA", "MIS")
    flat, held = Position(key), Position(key, Decimal(1), Decimal(100))
    assert (flat.is_flat, held.is_flat) == (True, False)
    assert (flat.average_price, held.average_price, held.unrealized_pnl(Decimal(101))) == (0, 100, 1)


def test_what_was_bought_and_sold_is_counted_at_its_value() -> None:
    position = Position(PositionKey("", "NSE", "AAA", "MIS"))
    for n, (side, quantity, price) in enumerate(((Side.BUY, 3, 100), (Side.SELL, 2, 110), (Side.SELL, 4, 90))):
        fill = Fill(
            f"e{n}", "V1", "AAA", "NSE", side, Decimal(quantity), Decimal(price), traded_at=0
        )  # fmt: skip
        position = position.apply_fill(fill, Decimal(1))
    assert (position.bought, position.sold, position.charges) == (300, 580, 3)
    assert (position.quantity, position.cost, position.realized) == (-3, -270, 10)
    back = position.reverse_fill(fill, Decimal(1))
    assert (back.bought, back.sold, back.charges, back.quantity) == (300, 220, 2, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_part_that_is_no_longer_ours_leaves_with_its_cost_and_what_it_won(sign: int) -> None:
    key = PositionKey("", "NSE", "AAA", "MIS")
    held = Position(key, Decimal(10 * sign), Decimal(1000 * sign), realized=Decimal(7))
    rest = held.release_quantity(Decimal(4 * sign), Decimal(110))
    assert (rest.quantity, rest.cost, rest.average_price) == (6 * sign, 600 * sign, 100)
    assert rest.realized == 7 + 40 * sign
    again = rest.with_quantity(Decimal(2), Decimal(50))
    assert (again.quantity, again.cost, again.realized) == (2, 100, rest.realized)
