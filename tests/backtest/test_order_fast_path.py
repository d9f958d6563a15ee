"""The common course of an order in one step is what the reducer makes of its events, over every order there can be."""

from __future__ import annotations

from decimal import Decimal as D

import msgspec
import pytest

from tests.domain.order_events import execution, order_event, order_events_of, request
from tradebot.backtest.order_fast_path import accepted_order, is_single_full_fill
from tradebot.domain.order import Order, OrderEventType, OrderKind, OrderState
from tradebot.domain.order_reducer import apply_event, open_order

E, S = OrderEventType, OrderState


def reached(depth: int) -> set[Order]:
    """Every order that `depth` events after its beginning can lead to."""
    events = order_events_of("T1")
    layer = {open_order(f) for f in events if f.type in (E.INTENT, E.DENIED)}
    found = set(layer)
    for _ in range(depth):
        layer = {apply_event(order, f) for order in layer for f in events} - found
        found |= layer
    return found


@pytest.fixture(scope="module")
def orders() -> set[Order]:
    return reached(3)


@pytest.mark.parametrize("kind", [OrderKind.MARKET, OrderKind.LIMIT])
def test_an_order_placed_in_one_step_is_what_the_three_facts_make_of_it(kind: OrderKind) -> None:
    wanted = msgspec.structs.replace(request(), kind=kind, price=D(99) if kind is OrderKind.LIMIT else None)

    found = accepted_order(wanted, at=5, mono=7)

    order = open_order(msgspec.structs.replace(order_event("T1", E.INTENT, mono=7, request=wanted), at=5))
    for event_type, id_ in ((E.SENDING, ""), (E.ACCEPTED, wanted.order_id)):
        order = apply_event(
            order, msgspec.structs.replace(order_event("T1", event_type, mono=7, venue_order_id=id_), at=5)
        )
    assert found == order


@pytest.mark.parametrize("quantity", [1, 2, 3])
def test_an_order_that_a_fill_makes_whole_is_through_and_nothing_of_it_is_left_open(
    orders: set[Order], quantity: int
) -> None:
    taken = 0
    for order in orders:
        fill = execution("T1", "z", quantity=quantity)
        if is_single_full_fill(order, fill):
            event = order_event("T1", E.EXECUTED, mono=7, fill=fill, venue_order_id=fill.venue_order_id)
            found = apply_event(order, msgspec.structs.replace(event, at=5))
            assert found.state is S.FILLED
            assert (found.filled, found.fills) == (fill.quantity, (fill,))
            assert not any((found.missing_quantity, found.overfilled_quantity, found.irregular.quarantined))
            taken += 1
    assert bool(taken) is (quantity < 3)


def test_a_fill_of_another_size_or_of_another_order_takes_the_long_way() -> None:
    order = accepted_order(request(), at=1, mono=1)
    whole = msgspec.structs.replace(execution("T1", "a", quantity=2), venue_order_id=order.venue_order_id)

    assert is_single_full_fill(order, whole)
    assert not is_single_full_fill(order, msgspec.structs.replace(whole, quantity=D(1)))
    assert not is_single_full_fill(order, msgspec.structs.replace(whole, venue_order_id="V"))
