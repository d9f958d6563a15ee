"""Trades gathered into columns: order, the day's volume, exact numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.venues.trade_batcher import TradeBatcher, WireNumberError, parse_units

UNIVERSE = Universe([Instrument(symbol="A"), Instrument(symbol="B")])


def test_trades_become_columns_in_their_order_with_the_volume_of_the_day() -> None:
    heard: list[Quotes] = []
    gather = TradeBatcher(UNIVERSE, source="x", on_quotes=heard.append)
    for id_, at, price, quantity in ((0, 10, 500, 3), (1, 11, 600, 4), (0, 12, 501, 5)):
        gather.add_trade(id_, sent_at=at, price=price, quantity=quantity)
    assert len(gather) == 3
    gather.flush_quotes(7)
    gather.add_trade(0, sent_at=13, price=502, quantity=1)
    gather.flush_quotes(8)

    first, second = heard
    assert (first.source, first.seen_at, second.seen_at) == ("x", 7, 8)
    assert first.ids.tolist() == [0, 1, 0]
    assert first.sent_at.tolist() == [10, 11, 12]
    assert first.last.tolist() == [500, 600, 501]
    assert first.volume.tolist() == [3, 4, 8]
    assert first.bid.tolist() == [0, 0, 0]
    assert second.volume.tolist() == [9]


def test_nothing_collected_is_nothing_handed_on() -> None:
    heard: list[Quotes] = []
    TradeBatcher(UNIVERSE, source="x", on_quotes=heard.append).flush_quotes(1)
    assert heard == []


@given(st.decimals(min_value=0, max_value=10**9, places=2), st.integers(2, 8))
def test_a_number_is_exact_in_units(number: Decimal, decimals: int) -> None:
    assert parse_units(f"{number:f}", decimals) == int(number.scaleb(decimals))


@pytest.mark.parametrize(("text", "decimals", "number"), [("7", 0, 7), (".5", 1, 5), ("3.", 2, 300), ("1.500", 1, 15)])
def test_zeros_and_a_missing_side_are_no_matter(text: str, decimals: int, number: int) -> None:
    assert parse_units(text, decimals) == number


@pytest.mark.parametrize("text", ["", ".", "-1", "1e5", "1,5", "1.2.3", "NaN", "0.015", "١", " 1"])
def test_what_is_no_number_or_too_fine_is_refused(text: str) -> None:
    with pytest.raises(WireNumberError):
        parse_units(text, 2)
