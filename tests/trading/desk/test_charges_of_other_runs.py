"""Charges of symbols that this run does not name: an earlier run traded them, and they count in its day as before."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from tests.domain.order_events import execution, order_event, request
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.order import OrderEventType
from tradebot.domain.order_reducer import open_order
from tradebot.trading.desk.fill_charges import MarketCharges, charges_by_market

D = Decimal
AT = int(datetime(2026, 2, 3, 6, tzinfo=UTC).timestamp()) * SECOND
OTHER = Universe([Instrument(symbol="ELSE")])


@pytest.mark.parametrize(
    ("symbol", "exchange", "kind", "product"),
    [
        ("AAA", "NSE", InstrumentKind.EQUITY, "MIS"),
        ("AAA", "BSE", InstrumentKind.EQUITY, "CNC"),
        ("NIFTY26FEBFUT", "NFO", InstrumentKind.FUTURE, "NRML"),
        ("NIFTY26FEB25000CE", "NFO", InstrumentKind.OPTION, "MIS"),
        ("SENSEX26FEB81000PE", "BFO", InstrumentKind.OPTION, "NRML"),
    ],
)
def test_a_fill_costs_the_same_in_a_run_that_does_not_name_its_symbol(
    symbol: str, exchange: str, kind: InstrumentKind, product: str
) -> None:
    named = Universe([Instrument(symbol=symbol, exchange=exchange, kind=kind)])
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    fill = msgspec.structs.replace(
        execution("T1", "a"),
        symbol=symbol,
        exchange=exchange,
        product=product,
        quantity=D(75),
        price=D(210),
        traded_at=AT,
    )
    charged = charges_by_market(named)(order, fill)
    assert charged > 0
    assert charges_by_market(OTHER)(order, fill) == charged


def test_a_fill_at_an_exchange_without_a_table_costs_nothing_whether_its_symbol_is_named_or_not() -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    fill = msgspec.structs.replace(execution("T1", "a"), exchange="NASDAQ", traded_at=AT)
    assert charges_by_market(OTHER)(order, fill) == 0


def test_a_run_that_was_recorded_before_is_replayed_with_the_charges_that_it_counted() -> None:
    order = open_order(order_event("T1", OrderEventType.INTENT, request=request()))
    fill = msgspec.structs.replace(execution("T1", "a"), traded_at=AT)
    assert MarketCharges(OTHER, charges_unnamed=False)(order, fill) == 0
