"""An order and its rows as they begin: nothing is counted or timed that was not told; what is passed over counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.domain.order_events import execution, order_event, request, status
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderRequest, OrderState, Side, VenueOrder
from tradebot.domain.order_reducer import apply_event, open_order

E, D = OrderEventType, Decimal


def test_a_row_that_tells_no_times_has_none() -> None:
    bare = b'{"order_id":"T1","symbol":"A","exchange":"NSE","side":"BUY","kind":"MARKET","quantity":"1"}'
    told = msgspec.json.decode(bare, type=OrderRequest)
    assert (told.decided_at, told.signaled_at, told.quoted_at) == (0, 0, 0)
    assert msgspec.json.decode(b'{"order_id":"T1","event":"sending","at":5}', type=OrderEvent).mono == 0
    shown = b'"status":"open","filled":"0","venue_order_id":"V1","tag":""}'
    assert msgspec.json.decode(bare[:-1] + b"," + shown, type=VenueOrder).changed_at == 0


def test_an_order_begins_with_nothing_counted() -> None:
    for order, known in (
        (Order(request(), OrderState.INTENT, D(2)), {}),
        (open_order(order_event("T1", E.INTENT, request=request())), {"begun_at": 1, "changed_at": 1}),
    ):
        counted: dict[str, Any] = {}
        for part in (order, order.times, order.irregular, order.reported, order.cancel, order.replace):
            names = {f.name for f in msgspec.structs.fields(part) if f.type in (int, D)} - {"quantity", "rank"}
            assert names
            counted |= {name: value for name in names if (value := getattr(part, name))}
        assert counted == known
        assert order.reported.rank == -1


def test_an_order_shares_what_most_orders_never_use() -> None:
    first, other = (open_order(order_event(name, E.INTENT, request=request())) for name in ("T1", "T2"))
    for event in (
        order_event("T1", E.SENDING),
        order_event("T1", E.ACCEPTED),
        order_event("T1", E.EXECUTED, fill=execution("T1", "a")),
    ):
        first = apply_event(first, event)
    for part in ("irregular", "reported", "cancel", "replace"):
        assert getattr(first, part) is getattr(other, part)


def test_each_fact_that_is_passed_over_is_counted_once() -> None:
    order = open_order(order_event("T1", E.INTENT, request=request()))
    fill = execution("T1", "a")
    for event in (
        order_event("T1", E.SENDING),
        order_event("T1", E.ACCEPTED),
        order_event("T1", E.EXECUTED, fill=fill),
    ):
        order = apply_event(order, event)
    assert order.ignored == 0
    passed_over = (
        order_event("T1", E.EXECUTED, fill=fill),  # told again
        order_event("T1", E.SEEN_ACKED, venue_order=status("T1", E.SEEN_ACKED, filled=0, at=1)),  # no state goes back
        order_event("T1", E.REVERSED, fill=execution("T1", "unknown")),
        order_event("T1", E.EXECUTED, fill=msgspec.structs.replace(fill, price=D(7))),  # with other figures
    )
    for count, event in enumerate(passed_over, 1):
        order = apply_event(order, event)
        assert order.ignored == count
    assert order.filled == 1


@pytest.mark.parametrize(("filled", "beyond"), [(1, 0), (2, 0), (3, 1)])
def test_what_was_filled_beyond_the_quantity_is_the_overfill(filled: int, beyond: int) -> None:
    order = open_order(order_event("T1", E.INTENT, request=request(side=Side.BUY)))
    for event in (
        order_event("T1", E.SENDING),
        order_event("T1", E.EXECUTED, fill=execution("T1", "a", quantity=filled)),
    ):
        order = apply_event(order, event)
    assert order.overfilled_quantity == beyond


def test_a_rejected_order_reserves_nothing_from_the_moment_of_its_end() -> None:
    order = open_order(order_event("T1", E.INTENT, request=request()))
    for event in (order_event("T1", E.SENDING), order_event("T1", E.REFUSED, mono=9)):
        order = apply_event(order, event)
    assert order.state is OrderState.REJECTED
    assert order.reserved_quantity(order.times.ended_mono) == 0


@pytest.mark.parametrize(("claimed", "missing"), [(0, 0), (1, 1), (2, 2)])
def test_what_the_venue_claims_and_no_fill_told_is_missing(claimed: int, missing: int) -> None:
    order = open_order(order_event("T1", E.INTENT, request=request()))
    for event in (
        order_event("T1", E.SENDING),
        order_event("T1", E.SEEN_OPEN, venue_order=status("T1", E.SEEN_OPEN, filled=claimed, at=2)),
    ):
        order = apply_event(order, event)
    assert order.missing_quantity == missing


def told(*events: OrderEvent) -> Order:
    order = open_order(order_event("T1", E.INTENT, request=request()))
    for one in events:
        order = apply_event(order, one)
    return order


def test_an_order_that_was_given_up_and_is_accepted_after_all_is_given_up_no_longer() -> None:
    given_up = told(order_event("T1", E.SENDING), order_event("T1", E.AMBIGUOUS), order_event("T1", E.NOT_FOUND))
    assert (given_up.state, given_up.is_presumed) == (OrderState.ABSENT, True)
    back = apply_event(given_up, order_event("T1", E.ACCEPTED, venue_order_id="V1"))
    assert (back.state, back.is_presumed, back.reported.ended_as) == (OrderState.ACKED, False, None)


def test_a_claim_keeps_the_price_that_it_came_with_until_more_is_claimed() -> None:
    def claim(filled: int, price: int) -> OrderEvent:
        shown = msgspec.structs.replace(status("T1", E.SEEN_OPEN, filled=filled, at=2), average_price=D(price))
        return order_event("T1", E.SEEN_OPEN, venue_order=shown)

    order = told(order_event("T1", E.SENDING), claim(1, 100), claim(1, 101))
    assert (order.reported.filled, order.reported.average_price) == (1, 100)
    assert apply_event(order, claim(2, 102)).reported.average_price == 102


def test_a_cancel_counts_when_it_is_sent_and_not_when_it_is_answered() -> None:
    sent = told(order_event("T1", E.SENDING), order_event("T1", E.ACCEPTED), order_event("T1", E.CANCEL_SENT, mono=7))
    answered = apply_event(sent, order_event("T1", E.CANCEL_UNKNOWN, mono=9))
    for order in (sent, answered):
        assert (order.cancel.tries, order.cancel.sent_mono) == (1, 7)
