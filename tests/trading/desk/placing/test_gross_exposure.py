"""The worst case over all symbols: the kept sum is the one added up again, to the last digit."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import OrderEvent, OrderEventType, OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.blotter import Blotter
from tradebot.trading.desk.book.marks import Marks
from tradebot.trading.desk.placing.gross_exposure import MAX_DIRECT_SUM, GrossExposure

SIZE = 2 * MAX_DIRECT_SUM
SYMBOLS = [f"S{i:02d}" for i in range(SIZE)]


def added_up(blotter: Blotter, marks: Marks, without: str) -> Decimal:
    total = Decimal(0)
    for symbol in SYMBOLS:
        if symbol != without and (price := marks.last_price(symbol)) is not None:
            total += max(abs(q) for q in blotter.exposure.worst_case(symbol)) * price
    return total


def intent(number: int, symbol: str, side: Side, quantity: int) -> OrderEvent:
    request = OrderRequest(
        order_id=f"o{number}",
        kind=OrderKind.MARKET,
        strategy="s",
        symbol=symbol,
        exchange="NSE",
        side=side,
        quantity=Decimal(quantity),
        purpose=OrderPurpose.ENTRY,
    )
    return OrderEvent(order_id=request.order_id, type=OrderEventType.INTENT, at=0, mono=0, request=request)


steps = st.one_of(
    st.tuples(st.just("adopt"), st.sampled_from(SYMBOLS), st.decimals("-900", "900", places=2)),
    st.tuples(st.just("order"), st.sampled_from(SYMBOLS), st.integers(1, 10**6)),
    st.tuples(st.just("end"), st.integers(0, 30), st.integers(0, 9)),
    st.tuples(st.just("quote"), st.integers(0, SIZE - 1), st.integers(0, 10**7)),
    st.tuples(st.just("wait"), st.integers(0, 3), st.none()),
)


@settings(max_examples=80, deadline=None)
@given(moves=st.lists(steps, max_size=60), decimals=st.sampled_from([(2, 0), (2, 3), (4, 2)]))
def test_the_kept_sum_is_the_sum(moves, decimals):
    instruments = [
        Instrument(symbol=s, price_decimals=decimals[0] if i % 3 else 2, quantity_decimals=decimals[1] if i % 3 else 0)
        for i, s in enumerate(SYMBOLS)
    ]
    universe = Universe(instruments)
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    gross, made, mono = GrossExposure(universe, blotter, marks), 0, 0
    for symbol in SYMBOLS[: MAX_DIRECT_SUM + 2]:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(3), Decimal(1))
    marks.last[:] = np.arange(SIZE) * 1_000
    for kind, which, value in moves:
        match kind:
            case "adopt":
                blotter.adopt_position(PositionKey("", "NSE", which, "MIS"), value, Decimal(1))
            case "order":
                blotter.record_event(intent(made, which, Side.BUY if value % 2 else Side.SELL, value))
                made += 1
            case "end":
                order = blotter.orders.get(f"o{which}")
                if order is not None and order.is_live:
                    for event_type in (OrderEventType.SENDING, OrderEventType.ACCEPTED, OrderEventType.SEEN_CANCELED):
                        venue_order_id = f"v{which}" if event_type is not OrderEventType.SENDING else ""
                        blotter.record_event(
                            OrderEvent(
                                order_id=f"o{which}", type=event_type, at=0, mono=mono, venue_order_id=venue_order_id
                            )
                        )
            case "quote":
                marks.last[which] = value
            case "wait":
                mono += which * SECOND
                blotter.expire_reservations(mono)
        asked = SYMBOLS[(made + mono) % SIZE]
        assert gross.value_without(asked) == added_up(blotter, marks, asked)
        assert gross.total_value() == added_up(blotter, marks, without="")


def test_sums_beyond_64_bits_are_exact():
    universe = Universe([Instrument(symbol=s) for s in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    for symbol in SYMBOLS:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(10**10 + 1), Decimal(1))
    marks.last[:] = 10**9 + 7
    expected = (SIZE - 1) * (10**10 + 1) * Decimal(10**9 + 7) / 100
    assert GrossExposure(universe, blotter, marks).value_without(SYMBOLS[3]) == expected


@pytest.mark.parametrize("others", [0, MAX_DIRECT_SUM + 2])
def test_what_was_cancelled_a_moment_ago_counts_for_two_seconds_more(others):
    universe = Universe([Instrument(symbol=s) for s in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    gross = GrossExposure(universe, blotter, marks)
    marks.last[:] = 10_000
    for symbol in SYMBOLS[:others]:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(3), Decimal(1))
    blotter.expire_reservations(SECOND)
    blotter.record_event(intent(0, SYMBOLS[-1], Side.BUY, 7))
    for event, venue_order_id in (("SENDING", ""), ("ACCEPTED", "v0"), ("SEEN_CANCELED", "v0")):
        event = OrderEvent(
            order_id="o0", type=OrderEventType[event], at=0, mono=SECOND, venue_order_id=venue_order_id
        )  # fmt: skip
        blotter.record_event(event)
    for mono, held in ((SECOND, 7), (3 * SECOND - 1, 7), (3 * SECOND, 0)):
        blotter.expire_reservations(mono)
        assert gross.value_without(SYMBOLS[-2]) == (3 * others + held) * Decimal(100)


@pytest.mark.parametrize("held", [MAX_DIRECT_SUM - 1, SIZE - 1], ids=["few", "many"])
def test_a_symbol_that_an_earlier_run_held_and_this_one_does_not_name_counts_as_nothing(held):
    universe = Universe([Instrument(symbol=symbol) for symbol in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    for symbol in ("GONE", *SYMBOLS[:held]):
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(3), Decimal(100))
    marks.last[:] = 10_000

    assert GrossExposure(universe, blotter, marks).value_without(SYMBOLS[0]) == (held - 1) * 300
    assert bool(blotter.dirty_exposure) is (held < MAX_DIRECT_SUM), (
        "what was added up in columns is not looked at again"
    )


@pytest.mark.parametrize("units", [2**30, 2**31 - 1])
def test_many_sums_that_fit_each_and_not_together_are_exact(units):
    universe = Universe([Instrument(symbol=s, price_decimals=0) for s in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    for symbol in SYMBOLS:
        blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(units), Decimal(1))
    marks.last[:] = units
    assert GrossExposure(universe, blotter, marks).value_without(SYMBOLS[3]) == (SIZE - 1) * units * units


def test_a_quantity_that_was_no_whole_number_of_units_and_is_one_now_counts_once():
    universe = Universe([Instrument(symbol=s) for s in SYMBOLS])
    blotter, marks = Blotter(lambda order, fill: Decimal(0)), Marks(universe)
    gross = GrossExposure(universe, blotter, marks)
    marks.last[:] = 10_000
    for quantity in ("2.5", "3", "0.5", "0"):
        for symbol in SYMBOLS:
            blotter.adopt_position(PositionKey("", "NSE", symbol, "MIS"), Decimal(quantity), Decimal(100))
        assert gross.value_without(SYMBOLS[3]) == 100 * (SIZE - 1) * Decimal(quantity)
