"""Marks: the newest quote of each instrument, the price that an order is judged at, and a book that cannot be."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.marks import Marks

D = Decimal
UNIVERSE = Universe([Instrument(symbol="AAA"), Instrument(symbol="BBB", price_decimals=4)])


def quoted(last: int, bid: int, ask: int, *, id_: int = 0, seen_at: int = 9 * SECOND) -> Marks:
    marks = Marks(UNIVERSE)
    quote(marks, last, bid, ask, id_=id_, seen_at=seen_at)
    return marks


def quote(marks: Marks, last: int, bid: int, ask: int, *, id_: int = 0, seen_at: int = 9 * SECOND) -> None:
    one = np.array([1])
    quotes = Quotes(
        source="t", seen_at=seen_at, ids=one * id_, sent_at=one, last=one * last, volume=one, bid=one * bid,
        ask=one * ask, bid_size=one, ask_size=one,
    )  # fmt: skip
    marks.apply_quotes(quotes)


@pytest.mark.parametrize(
    ("last", "bid", "ask", "reference"),
    [
        (10_000, 9_990, 10_010, "100"), (10_000, 10_000, 10_010, "100.05"), (10_000, 10_010, 10_010, "100.10"),
        (10_000, 10_000, 10_100, "100.50"), (10_000, 10_000, 10_101, "100"),  # a spread of one percent and no more
        (10_000, 10_501, 10_499, "100"), (10_000, 0, 10_010, "100"), (10_000, 9_990, 0, "100"),
        (10_000, 10_500, 10_500, "105"), (10_000, 10_501, 10_501, "100"),  # within five percent of the last price
        (10_000, 9_500, 9_500, "95"), (10_000, 9_499, 9_499, "100"),
        (0, 9_990, 10_010, "100"), (0, 1, 1, "0.01"), (10_000, -5, 5, "100"),
    ],
)  # fmt: skip
def test_the_middle_of_a_narrow_book_near_the_last_price_is_the_reference(
    last: int, bid: int, ask: int, reference: str
) -> None:
    assert quoted(last, bid, ask).reference_price("AAA") == D(reference)


def test_before_the_first_quote_nothing_has_a_price() -> None:
    marks = Marks(UNIVERSE)
    assert marks.newest_mono == 0
    assert [marks.last_price("AAA"), marks.reference_price("AAA"), marks.quote_age_s(0, SECOND)] == [None, None, None]
    assert marks.crossed_reason(0) == ""


def test_a_price_has_the_decimals_of_its_instrument_and_its_age_in_seconds() -> None:
    marks = quoted(1_234_567, 0, 0, id_=1)
    assert (marks.last_price("BBB"), marks.last_price("AAA"), marks.last_price("CCC")) == (D("123.4567"), None, None)
    assert marks.quote_age_s(1, 11 * SECOND + SECOND // 2) == 2.5
    quote(marks, 1, 0, 0, id_=1)
    assert marks.last_price("BBB") == D("0.0001")


def test_the_price_of_a_position_is_that_of_its_line_at_its_exchange() -> None:
    marks = quoted(10_000, 0, 0)
    prices = [marks.last_price_of(PositionKey("", exchange, symbol, "MIS"))
              for exchange, symbol in (("NSE", "AAA"), ("BSE", "AAA"), ("NSE", "CCC"))]  # fmt: skip
    assert prices == [D(100), None, None]


@pytest.mark.parametrize(
    ("bid", "ask", "is_crossed"), [(101, 100, True), (100, 100, False), (99, 100, False), (100, 0, False), (2, 1, True)]
)
def test_a_book_is_crossed_where_its_best_bid_is_above_its_best_ask(bid: int, ask: int, is_crossed: bool) -> None:
    marks = quoted(100, bid, ask)
    assert marks.is_crossed(0) is is_crossed
    assert bool(marks.crossed_reason(0)) is is_crossed


def test_the_newest_time_and_one_price_set_by_hand() -> None:
    marks = quoted(10_000, 9_990, 10_010, seen_at=9 * SECOND)
    quote(marks, 10_000, 0, 0, id_=1, seen_at=8 * SECOND)
    assert (marks.newest_mono, marks.quote_age_s(1, 9 * SECOND)) == (9 * SECOND, 1.0)
    marks.set_last_price(1, 20_000, 10 * SECOND)
    assert (marks.last_price("BBB"), marks.quote_age_s(1, 10 * SECOND)) == (D(2), 0.0)
