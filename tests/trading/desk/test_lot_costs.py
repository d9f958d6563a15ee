"""A lot that costs more than the money of an order is named before a signal finds out."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.trading.desk.lot_costs import unaffordable_lots

D = Decimal
DEAR, LOTS = Instrument(symbol="MRF"), Instrument(symbol="NIFTYFUT", kind=InstrumentKind.FUTURE, lot_size=D(65))


def test_what_no_order_pays_is_named_with_its_price() -> None:
    assert unaffordable_lots([(DEAR, D(130_000), D(130_000))], D(10_000)) == (
        "MRF: one lot of 1 costs 130,000.00, more than order_notional 10,000: no entry sized by it is made",
    )
    assert unaffordable_lots([(LOTS, D(200), D(220))], D(10_000)) == (
        "NIFTYFUT: one lot of 65 costs 13,000.00 to 14,300.00, more than order_notional 10,000: no entry sized by it "
        "is made",
    )


def test_what_some_prices_are_too_high_for_is_named_too() -> None:
    assert unaffordable_lots([(DEAR, D(9_000), D(11_000))], D(10_000)) == (
        "MRF: one lot of 1 costs up to 11,000.00: where that is more than order_notional 10,000, no entry sized by it "
        "is made",
    )


def test_what_an_order_pays_and_what_is_not_traded_is_not_named() -> None:
    index = Instrument(symbol="NIFTY", kind=InstrumentKind.INDEX)

    assert unaffordable_lots([(DEAR, D(100), D(10_000)), (index, D(25_000), D(25_000))], D(10_000)) == ()


def test_a_lot_that_costs_the_whole_order_at_its_lowest_price_is_made_at_that_price() -> None:
    assert unaffordable_lots([(DEAR, D(10_000), D(10_001))], D(10_000)) == (
        "MRF: one lot of 1 costs up to 10,001.00: where that is more than order_notional 10,000, no entry sized by it "
        "is made",
    )
