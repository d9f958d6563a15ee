"""Order invariants: which events a person is told of, how far each halts, and which cancels go out that waited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.domain.order_events import execution, order_event, request, status
from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.messages import Action, Cancel, OrderReport
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderPurpose, VenueOrderStatus
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.trading.desk.rules.order_invariants import order_violations

D, E = Decimal, OrderEventType
ENDED = 100 * SECOND


def ordered(*events: OrderEventType, strategy: str = "s", **more: Any) -> Order:
    """An order of ours after some events; the last one came at the time ENDED, with `more` in its fact."""
    order = open_order(order_event("T1", E.INTENT, request=msgspec.structs.replace(request(), strategy=strategy)))
    for event_type in events:
        order = apply_event(
            order, order_event("T1", event_type, mono=ENDED, **(more if event_type is events[-1] else {}))
        )
    return order


def found(before: Order, event: OrderEvent) -> list[tuple[str, str]]:
    return [(f.text, str(f.scope or "")) for f in order_violations(before, event, apply_event(before, event))]


@pytest.mark.parametrize(
    ("after_end", "inferred", "is_told"),
    [
        (3 * SECOND, False, False), (5 * SECOND, False, False), (5 * SECOND + 1, False, True),
        (60 * SECOND, False, True), (60 * SECOND, True, False), (3 * SECOND, True, False),
    ],
)  # fmt: skip
def test_a_fill_long_after_the_end_is_told_unless_we_made_it_up(after_end: int, inferred: bool, is_told: bool) -> None:
    before = ordered(E.SENDING, E.ACCEPTED, E.SEEN_CANCELED)
    event = order_event("T1", E.EXECUTED, mono=ENDED + after_end, fill=execution("T1", "a", inferred=inferred))
    late = [(f"T1 was CANCELED and filled 1 more, {after_end / SECOND:.1f} s after its end", "")]
    assert found(before, event) == (late if is_told else [])


def test_a_fill_of_what_was_over_for_good_stops_its_strategy_however_soon_it_comes() -> None:
    denied = open_order(order_event("T1", E.DENIED, request=msgspec.structs.replace(request(), strategy="s")))
    event = order_event("T1", E.EXECUTED, mono=2, fill=execution("T1", "a"))
    assert found(denied, event) == [("T1 was DENIED and filled 1 more", "strategy:s")]


@pytest.mark.parametrize("event", [E.SEEN_ACKED, E.SEEN_OPEN, E.SEEN_FILLED, E.SEEN_CANCELED, E.SEEN_EXPIRED])
@pytest.mark.parametrize("start", [E.INTENT, E.DENIED])
def test_what_we_never_sent_and_the_venue_knows_halts_its_symbol(start: OrderEventType, event: OrderEventType) -> None:
    before = open_order(order_event("T1", start, request=request()))
    told = order_event("T1", event, venue_order=status("T1", event, filled=0, at=2))
    assert found(before, told) == [(f"T1 is {before.state} here and known to the venue", "symbol:AAA")]


def test_what_we_sent_and_the_venue_knows_is_no_finding() -> None:
    event = order_event("T1", E.SEEN_OPEN, venue_order=status("T1", E.SEEN_OPEN, filled=0, at=2))
    assert found(ordered(E.SENDING), event) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"quantity": D(1)}, "T1 has quantity 1 at the venue, we sent 2"),
        ({"price": D(99)}, "T1 has the price 99 at the venue, we sent 100"),
    ],
)
def test_terms_that_we_did_not_ask_for_halt_the_symbol(changes: dict[str, Any], text: str) -> None:
    shown = msgspec.structs.replace(status("T1", E.SEEN_OPEN, filled=0, at=2), **changes)
    event = order_event("T1", E.CHANGED, venue_order=shown)
    assert found(ordered(E.SENDING, E.ACCEPTED), event) == [(text, "symbol:AAA")]


def test_more_than_was_ordered_is_told_once_for_every_fill_beyond() -> None:
    order = ordered(E.SENDING, E.ACCEPTED)
    text = "T1 was filled 1 beyond its quantity 2"
    for name, quantity, told in (("a", 1, []), ("b", 2, [(text, "symbol:AAA")])):
        told_of = order_event("T1", E.EXECUTED, fill=execution("T1", name, quantity=quantity))
        assert found(order, told_of) == told
        order = apply_event(order, told_of)


def test_a_fill_that_was_taken_back_is_told_unless_we_made_it_up() -> None:
    for inferred in (False, True):
        fill = execution("T1", "a", inferred=inferred)
        before = ordered(E.SENDING, E.ACCEPTED, E.EXECUTED, fill=fill)
        event = order_event("T1", E.REVERSED, fill=fill, reason="bust")
        assert found(before, event) == ([] if inferred else [("T1: a fill was taken back: bust", "")])


def test_nothing_is_found_in_a_beginning_or_in_an_order_placed_elsewhere() -> None:
    order = ordered(E.SENDING)
    outside = msgspec.structs.replace(
        order, request=msgspec.structs.replace(order.request, purpose=OrderPurpose.EXTERNAL)
    )
    event = order_event("T1", E.CHANGED, venue_order=status("T1", E.SEEN_OPEN, filled=0, at=2, quantity=1))
    assert order_violations(None, event, order) == order_violations(outside, event, outside) == []


def test_an_order_without_a_strategy_that_comes_back_halts_its_symbol() -> None:
    before = ordered(E.SENDING, E.REFUSED, strategy="")
    event = order_event("T1", E.SEEN_OPEN, venue_order=status("T1", E.SEEN_OPEN, filled=0, at=2))
    text = f"T1 was {before.state} and lives at the venue"
    assert found(before, event) == [(text, "symbol:AAA")]


def test_an_exit_that_comes_back_from_the_dead_is_cancelled_though_halts_leave_exits_alone() -> None:
    rig = DeskRig()
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.REFUSED)
    shown = msgspec.structs.replace(rig.venue_order(exit_, VenueOrderStatus.OPEN), venue_order_id="V2")
    outputs = rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    assert events(outputs) == [E.SEEN_OPEN, E.CANCEL_SENT]
    assert [(o.order_id, o.venue_order_id) for o in outputs if isinstance(o, Cancel)] == [(exit_.order_id, "V2")]


def test_a_fill_told_with_other_figures_halts_its_symbol_while_the_order_works() -> None:
    before = ordered(E.SENDING, E.ACCEPTED, E.EXECUTED, fill=execution("T1", "a"))
    event = order_event("T1", E.EXECUTED, fill=execution("T1", "a", price=101), reason="other figures")
    assert found(before, event) == [("T1: other figures", "symbol:AAA")]


def test_a_fill_beyond_the_quantity_is_told_after_the_end_too_and_no_status_tells_it_again() -> None:
    whole = ordered(E.SENDING, E.ACCEPTED, E.EXECUTED, fill=execution("T1", "a", quantity=2))
    event = order_event("T1", E.EXECUTED, mono=ENDED + SECOND, fill=execution("T1", "b"))
    assert found(whole, event) == [("T1 was filled 1 beyond its quantity 2", "symbol:AAA")]
    assert (
        found(
            apply_event(whole, event),
            order_event("T1", E.SEEN_FILLED, venue_order=status("T1", E.SEEN_FILLED, filled=3, at=2)),
        )
        == []
    )


@pytest.mark.parametrize("is_proof", [False, True])
def test_an_absence_is_told_where_it_is_presumed_and_not_where_it_is_proven(is_proof: bool) -> None:
    before = ordered(E.SENDING, E.AMBIGUOUS)
    event = order_event("T1", E.NOT_FOUND, is_proof=is_proof, reason="not in 2 complete order lists")
    text = "T1 is taken for never accepted: not in 2 complete order lists"
    assert found(before, event) == ([] if is_proof else [(text, "")])
    assert found(ordered(E.SENDING, E.ACCEPTED), event) == [], "one that was there is in doubt first"
