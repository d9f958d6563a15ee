"""The common course of an order in one step is what the fold makes of its facts, over every order there can be."""

from __future__ import annotations

import msgspec
import pytest

from tests.domain.test_order_machine import execution, fact, facts_of, request
from tradebot.domain.order import Order, OrderEvent, OrderState
from tradebot.domain.order_course import accepted, filled
from tradebot.domain.order_fold import apply, begin

E, S = OrderEvent, OrderState


def reached(depth: int) -> set[Order]:
    """Every order that `depth` facts after its beginning can lead to."""
    facts = facts_of("T1")
    layer = {begin(f) for f in facts if f.event in (E.INTENT, E.DENIED)}
    found = set(layer)
    for _ in range(depth):
        layer = {apply(order, f) for order in layer for f in facts} - found
        found |= layer
    return found


@pytest.fixture(scope="module")
def orders() -> set[Order]:
    return reached(3)


def test_an_order_sent_and_accepted_in_one_step_is_what_the_two_facts_make_of_it(orders: set[Order]) -> None:
    taken = 0
    for order in orders:
        found = accepted(order, "V-T1", at=5, mono=7)
        if found is not None:
            sent = apply(order, msgspec.structs.replace(fact("T1", E.SENDING, mono=7), at=5))
            fold = fact("T1", E.ACCEPTED, mono=7, venue_order_id="V-T1")
            assert found == apply(sent, msgspec.structs.replace(fold, at=5))
            taken += 1
    assert taken >= 1


@pytest.mark.parametrize("quantity", [1, 2, 3])
def test_an_order_filled_whole_in_one_step_is_what_its_fact_makes_of_it(orders: set[Order], quantity: int) -> None:
    taken = 0
    for order in orders:
        fill = execution("T1", "z", quantity=quantity)
        found = filled(order, fill, at=5, mono=7)
        if found is not None:
            told = fact("T1", E.EXECUTED, mono=7, execution=fill, venue_order_id=fill.venue_order_id)
            assert found == apply(order, msgspec.structs.replace(told, at=5))
            assert found.state is S.FILLED
            assert not found.shortfall
            taken += 1
    assert bool(taken) is (quantity < 3)


def test_a_fill_of_another_size_or_of_another_order_takes_the_long_way() -> None:
    order = accepted(begin(fact("T1", E.INTENT, request=request())), "V-T1", at=1, mono=1)
    assert order is not None

    elsewhere = msgspec.structs.replace(execution("T1", "a", quantity=2), venue_order_id="V")
    assert filled(order, execution("T1", "a", quantity=1), at=1, mono=1) is None
    assert filled(order, elsewhere, at=1, mono=1) is None
    assert filled(order, execution("T1", "a", quantity=2), at=1, mono=1) is not None
