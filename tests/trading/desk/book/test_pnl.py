"""What open positions are worth is the same sum, whether added up one by one or in columns."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import ZERO
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.blotter import Blotter
from tradebot.trading.desk.book.marks import Marks
from tradebot.trading.desk.book.pnl import MAX_DIRECT_SUM, Pnl

SYMBOLS = [f"S{n}" for n in range(MAX_DIRECT_SUM + 4)]
UNIVERSE = Universe(
    Instrument(symbol=s, price_decimals=2 + n % 2, quantity_decimals=3 * (n % 3 == 0)) for n, s in enumerate(SYMBOLS)
)
QUANTITY = st.decimals(-(10**6), 10**6, places=3)


@settings(deadline=None)
@given(st.data())
def test_many_positions_are_worth_what_each_of_them_is(data: st.DataObject) -> None:
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(UNIVERSE)
    pnl = Pnl(UNIVERSE, blotter, marks)

    for _ in range(3):
        for symbol in data.draw(st.lists(st.sampled_from([*SYMBOLS, "FOREIGN"]), max_size=20)):
            blotter.adopt_position(
                PositionKey("", "NSE", symbol, "MIS"), data.draw(QUANTITY), data.draw(st.decimals(1, 10**5, places=2))
            )
        marks.last[:] = data.draw(st.lists(st.integers(0, 10**13), min_size=len(SYMBOLS), max_size=len(SYMBOLS)))

        one_by_one = ZERO
        for position in blotter.positions.by_key.values():
            if position.symbol in UNIVERSE and (price := marks.last_price(position.symbol)) is not None:
                one_by_one += position.unrealized_pnl(price)
        assert pnl.total_profit() == one_by_one  # however many they are, and whether each is an instrument of this run


def test_a_position_without_a_price_counts_as_nothing_won() -> None:
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(UNIVERSE)
    for symbol in SYMBOLS:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(10), Decimal(100))
    marks.last[:] = np.array([0, *[11_000 * 10 ** (n % 2) for n in range(1, len(SYMBOLS))]])

    assert Pnl(UNIVERSE, blotter, marks).total_profit() == Decimal(100) * (len(SYMBOLS) - 1)


@pytest.mark.parametrize("held", [1, MAX_DIRECT_SUM + 2], ids=["few", "many"])
def test_the_day_begins_at_what_is_won_by_then_and_without_marks_at_what_was_realized(held: int) -> None:
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(UNIVERSE)
    pnl = Pnl(UNIVERSE, blotter, marks)
    for symbol in SYMBOLS[:held]:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(10), Decimal(100))
    marks.last[:] = [11_000 * 10 ** (n % 2) for n in range(len(SYMBOLS))]
    sums = blotter.positions
    sums.realized, sums.charges, sums.fill_count = Decimal(70), Decimal(8), 3
    assert pnl.total_profit() == pnl.day_profit() == 62 + 100 * held
    pnl.reset_day_base(is_marked=False)
    assert (pnl.day_base_profit, pnl.day_profit(), pnl.day_base_fills) == (62, 100 * held, (3, 8))
    pnl.reset_day_base()
    assert (pnl.day_base_profit, pnl.day_profit()) == (62 + 100 * held, 0)
    assert not (held > MAX_DIRECT_SUM and blotter.positions.dirty_pnl), "what was added up is not looked at again"


def test_what_an_earlier_run_held_and_this_one_does_not_name_is_worth_what_it_cost() -> None:
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(UNIVERSE)
    pnl = Pnl(UNIVERSE, blotter, marks)
    for symbol in (*SYMBOLS, "GONE"):
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(10), Decimal(100))
    marks.last[:] = [11_000 * 10 ** (n % 2) for n in range(len(SYMBOLS))]
    assert pnl.total_profit() == 100 * len(SYMBOLS)
    for symbol in (SYMBOLS[0], "GONE"):
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(0), Decimal(100))
    assert pnl.total_profit() == 100 * (len(SYMBOLS) - 1)


def test_before_the_first_day_nothing_was_won_filled_or_charged() -> None:
    pnl = Pnl(UNIVERSE, Blotter(lambda order, fill: ZERO), Marks(UNIVERSE))
    assert (pnl.total_profit(), pnl.day_base_profit, pnl.day_base_fills) == (0, 0, (0, 0))


@pytest.mark.parametrize("units", [2**30, 2**31 - 1])
def test_many_sums_that_fit_each_and_not_together_are_exact(units: int) -> None:
    universe = Universe([Instrument(symbol=symbol, price_decimals=0) for symbol in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(universe)
    for symbol in SYMBOLS:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(units), Decimal(1))
    marks.last[:] = units
    assert Pnl(universe, blotter, marks).total_profit() == len(SYMBOLS) * (units * units - units)


def test_a_quantity_that_was_no_whole_number_of_units_and_is_one_now_counts_once() -> None:
    universe = Universe([Instrument(symbol=symbol) for symbol in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: ZERO), Marks(universe)
    pnl = Pnl(universe, blotter, marks)
    marks.last[:] = 11_000
    for quantity in ("2.5", "3", "0.5"):
        for symbol in SYMBOLS:
            blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(quantity), Decimal(100))
        assert pnl.total_profit() == 10 * len(SYMBOLS) * Decimal(quantity)
