"""The reducer, rule by rule: what each event leaves of an order's state, times, ids, reason, cancel and replace."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.domain.order_events import D, E, S, execution, order_event, request, status
from tradebot.clock import SECOND
from tradebot.domain.order import (
    CancelState,
    Order,
    OrderEvent,
    OrderEventType,
    OrderOrigin,
    OrderPurpose,
    OrderTerms,
    OrderTimes,
    ReplaceState,
    RequestState,
)
from tradebot.domain.order_reducer import apply_event, cap_monotonic_times, open_order


def told(*events: OrderEvent, **asked: Any) -> Order:
    """An order after its INTENT, sent and accepted at monotonic 1 and 2, and `events`."""
    order = open_order(order_event("T1", E.INTENT, request=replace(request(), **asked), reason="a signal"))
    for given in (
        order_event("T1", E.SENDING, mono=1),
        order_event("T1", E.ACCEPTED, mono=2, venue_order_id="V-T1"),
        *events,
    ):
        order = apply_event(order, given)
    return order


def seen(event_type: OrderEventType, *, filled: int = 0, at: int = 2, mono: int = 3, **more: Any) -> OrderEvent:
    venue = replace(status("T1", event_type, filled=filled, at=at), **more)
    return order_event("T1", event_type, mono=mono, venue_order=venue, venue_order_id=venue.venue_order_id)


def fill(name: str = "a", quantity: int = 1, *, mono: int = 4, **more: Any) -> OrderEvent:
    return order_event("T1", E.EXECUTED, mono=mono, fill=execution("T1", name, quantity=quantity), **more)


def test_the_times_of_an_order_are_those_of_its_facts() -> None:
    assert told().times == OrderTimes(begun_at=1, changed_at=1, sent_mono=1, acked_mono=2)
    assert told(seen(E.SEEN_OPEN)).times.acked_mono == 2, "the first word of the venue counts"
    begun = open_order(order_event("T1", E.INTENT, request=request()))
    sent = apply_event(begun, order_event("T1", E.SENDING, mono=1))
    assert apply_event(sent, seen(E.SEEN_OPEN)).times.acked_mono == 3
    assert apply_event(sent, fill()).times.acked_mono == 4
    assert told(fill(quantity=2)).times.ended_mono == 4
    late = replace(told(fill(quantity=2)), times=OrderTimes(1, 1, 10, 12, 14))
    assert cap_monotonic_times(late, 12).times == OrderTimes(1, 1, 10, 12, 12)
    assert cap_monotonic_times(late, 14) is late


def test_times_of_a_cancel_and_a_replace_are_set_back_with_those_of_their_order() -> None:
    terms = OrderTerms(quantity=D(3), price=D(99))
    order = told(
        seen(E.SEEN_OPEN),
        order_event("T1", E.REPLACE_SENT, mono=20, terms=terms),
        order_event("T1", E.CANCEL_SENT, mono=30),
    )
    back = cap_monotonic_times(order, 5)
    assert (back.replace.mono, back.cancel.sent_mono, back.times.acked_mono) == (5, 5, 2)
    assert (back.replace.terms, back.cancel.state) == (terms, RequestState.SENT)


def test_a_reason_stands_until_another_state_comes_with_one() -> None:
    assert told().reason == "a signal"
    assert told(seen(E.SEEN_OPEN)).reason == "a signal"
    assert told(order_event("T1", E.REFUSED, reason="no margin")).reason == "no margin"
    sending = open_order(order_event("T1", E.INTENT, request=request(), reason="a signal"))
    assert apply_event(sending, order_event("T1", E.SENDING, reason="again")).reason == "again"


def test_of_two_statuses_of_one_second_the_one_further_along_counts_and_of_two_as_far_the_later_told() -> None:
    filled = seen(E.SEEN_FILLED, filled=2)
    assert told(filled, seen(E.SEEN_CANCELED)).state is S.CANCELED
    assert told(filled, seen(E.SEEN_CANCELED, at=1)).state is S.OPEN, "an older one"
    gone = told(order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND), seen(E.SEEN_OPEN, at=0))
    assert gone.state is S.OPEN, "one without a time is as new as the last"


@pytest.mark.parametrize(
    ("events", "venue_order_id", "other_ids"),
    [
        ((seen(E.SEEN_OPEN, venue_order_id="V2"),), "V2", ()),  # an answer named V-T1 and nothing ever showed it
        ((order_event("T1", E.ACCEPTED, venue_order_id="V2"),), "V-T1", ("V2",)),
        ((seen(E.SEEN_OPEN), seen(E.SEEN_OPEN, venue_order_id="V2")), "V-T1", ("V2",)),
        ((fill(), seen(E.SEEN_OPEN, venue_order_id="V2")), "V-T1", ("V2",)),
        ((seen(E.SEEN_OPEN), *[seen(E.SEEN_OPEN, venue_order_id="V2")] * 2), "V-T1", ("V2",)),
        ((seen(E.SEEN_OPEN), order_event("T1", E.REPLACED, venue_order_id="V2")), "V2", ("V-T1",)),
    ],
)  # fmt: skip
def test_the_id_of_an_order_is_the_one_that_the_venue_showed_and_further_ones_are_kept(
    events: tuple[OrderEvent, ...], venue_order_id: str, other_ids: tuple[str, ...]
) -> None:
    order = told(*events)
    assert (order.venue_order_id, order.other_ids) == (venue_order_id, other_ids)


def test_a_fill_or_a_first_row_names_the_id_of_an_order_that_has_none() -> None:
    sent = apply_event(open_order(order_event("T1", E.INTENT, request=request())), order_event("T1", E.SENDING))
    assert apply_event(sent, fill()).venue_order_id == "V-T1"
    acked = apply_event(sent, seen(E.SEEN_ACKED))
    assert (acked.state, acked.venue_order_id) == (S.ACKED, "V-T1")
    assert apply_event(acked, seen(E.SEEN_OPEN, venue_order_id="V2")).other_ids == ("V2",)


def test_a_cancel_is_counted_and_forgotten_with_its_order_but_for_its_tries() -> None:
    sent = order_event("T1", E.CANCEL_SENT, mono=7)
    assert told(sent).cancel == CancelState(RequestState.SENT, 1, 7)
    assert told(sent, order_event("T1", E.CANCEL_REFUSED, mono=8)).cancel == CancelState(RequestState.REFUSED, 1, 7)
    assert told(sent, order_event("T1", E.CANCEL_UNKNOWN), sent).cancel == CancelState(RequestState.SENT, 2, 7)
    canceled = told(sent, seen(E.SEEN_CANCELED))
    assert (canceled.cancel, canceled.origin) == (CancelState(RequestState.NONE, 1, 7), OrderOrigin.OWN)
    assert told(seen(E.SEEN_CANCELED)).origin is OrderOrigin.BROKER, "it was not asked for here"
    assert told(seen(E.SEEN_CANCELED), purpose=OrderPurpose.EXTERNAL).origin is OrderOrigin.EXTERNAL
    absent = told(sent, order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND))
    assert (absent.state, absent.is_presumed, absent.cancel.tries) == (S.ABSENT, True, 1)
    back = apply_event(absent, seen(E.SEEN_OPEN))
    assert (back.state, back.is_presumed, back.cancel.tries) == (S.OPEN, False, 0)


def test_a_replace_holds_the_larger_quantity_open_until_it_is_settled() -> None:
    terms = OrderTerms(quantity=D(3), price=D(99))
    sent = seen(E.SEEN_OPEN), order_event("T1", E.REPLACE_SENT, mono=7, terms=terms, reference=D(98))
    order = told(*sent)
    assert (order.replace, order.reference) == (ReplaceState(RequestState.SENT, 1, 7, terms), 98)
    assert (order.quantity, order.remaining_quantity) == (2, 3)
    assert told(*sent, fill(quantity=2)).state is S.PARTIAL, "a third one may fill"
    refused = told(*sent, order_event("T1", E.REPLACE_REFUSED, mono=8))
    assert refused.replace == ReplaceState(RequestState.REFUSED, 1, 7, terms)
    done = told(*sent, order_event("T1", E.REPLACED, mono=9))
    assert (done.quantity, done.price, done.replace) == (3, 99, ReplaceState(RequestState.NONE, 1, 9))
    changed = told(*sent, seen(E.CHANGED, quantity=D(1), price=D(97), at=5))
    assert (changed.quantity, changed.price, changed.replace) == (1, 97, ReplaceState(RequestState.NONE, 1, 7))
    assert changed.reported.seen_at == 5
    assert told(*sent, seen(E.SEEN_CANCELED)).replace == ReplaceState(RequestState.NONE, 1, 7)


def test_terms_that_were_never_asked_to_change_are_shared_with_every_other_order() -> None:
    order = told(seen(E.SEEN_OPEN), seen(E.CHANGED, quantity=D(1), at=5))
    assert order.replace is told().replace
    asked = ReplaceState(RequestState.NONE, 1, 7, OrderTerms(quantity=D(3)))
    assert (asked.after_end(), ReplaceState(RequestState.SENT, 1, 7).after_end()) == (
        ReplaceState(RequestState.NONE, 1, 7),
    ) * 2
    still = ReplaceState(RequestState.NONE, 1, 7)
    assert still.after_end() is still
    assert CancelState(RequestState.SENT, 1, 7).after_end() == CancelState(RequestState.NONE, 1, 7)


@pytest.mark.parametrize(
    ("events", "mono", "reserved"),
    [
        ((seen(E.SEEN_CANCELED),), 3 + 2 * SECOND - 1, 2), ((seen(E.SEEN_CANCELED),), 3 + 2 * SECOND, 0),
        ((seen(E.SEEN_EXPIRED),), 3 + 2 * SECOND - 1, 2), ((fill(), seen(E.SEEN_CANCELED)), 3, 1),
        ((order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND, mono=3)), 3 + 600 * SECOND - 1, 2),
        ((order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND, mono=3)), 3 + 600 * SECOND, 0),
        ((order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND, mono=3, is_proof=True)), 3, 0),
        ((seen(E.SEEN_CANCELED, filled=2),), 3 + 9 * SECOND, 2), ((fill(quantity=2),), 4, 0), ((), 9, 2),
    ],
)  # fmt: skip
def test_what_may_still_fill_is_reserved_for_as_long_as_it_may(
    events: tuple[OrderEvent, ...], mono: int, reserved: int
) -> None:
    assert told(*events).reserved_quantity(mono) == reserved


@pytest.mark.parametrize(("filled", "may"), [(0, True), (1, True), (2, False)])
def test_an_order_may_trade_while_the_venue_has_not_named_all_of_it(filled: int, may: bool) -> None:
    assert told(seen(E.SEEN_OPEN, filled=filled)).may_trade is may


@pytest.mark.parametrize(
    ("events", "state", "filled", "booked"),
    [
        ((fill(),), S.PARTIAL, 1, 1), ((fill(), fill("b")), S.FILLED, 2, 2), ((fill(), fill()), S.PARTIAL, 1, 1),
        ((fill(quantity=2), order_event("T1", E.REVERSED, fill=execution("T1", "a", quantity=2))), S.OPEN, 0, 0),
        ((fill(), order_event("T1", E.REVERSED, fill=execution("T1", "a"))), S.OPEN, 0, 0),
        ((fill(), fill("b"), order_event("T1", E.REVERSED, fill=execution("T1", "b"))), S.PARTIAL, 1, 1),
        ((seen(E.SEEN_FILLED, filled=2), fill(quantity=2),
          order_event("T1", E.REVERSED, fill=execution("T1", "a", quantity=2))), S.CANCELED, 0, 0),
        ((fill(), seen(E.SEEN_REJECTED)), S.CANCELED, 1, 1), ((seen(E.SEEN_REJECTED),), S.REJECTED, 0, 0),
        ((seen(E.SEEN_CANCELED), fill()), S.CANCELED, 1, 1),
        ((seen(E.SEEN_CANCELED), fill(quantity=2)), S.FILLED, 2, 1),
        ((order_event("T1", E.NOT_FOUND), order_event("T1", E.NOT_FOUND), fill()), S.PARTIAL, 1, 1),
        ((fill(), order_event("T1", E.NOT_FOUND),
          order_event("T1", E.REVERSED, fill=execution("T1", "a"))), S.UNKNOWN, 0, 0),
        ((fill(quantity=2), fill("b"), order_event("T1", E.REVERSED, fill=execution("T1", "b"))), S.FILLED, 2, 1),
        ((seen(E.SEEN_OPEN), fill(), seen(E.CHANGED, quantity=D(1), filled=1, at=5)), S.FILLED, 1, 1),
    ],
)  # fmt: skip
def test_the_fills_say_how_far_an_order_is(
    events: tuple[OrderEvent, ...], state: OrderEventType, filled: int, booked: int
) -> None:
    order = told(*events)
    assert (order.state, order.filled, len(order.fills)) == (state, filled, booked)
    assert order.value == 100 * filled
    assert order.average_price == (100 if filled else None)


def test_fills_that_are_odd_are_put_aside_counted_or_kept_as_taken_back() -> None:
    late = told(seen(E.SEEN_CANCELED), fill())
    assert late.irregular.late == 1
    told_again = told(fill(), order_event("T1", E.EXECUTED, fill=replace(execution("T1", "a"), price=D(101))))
    assert (told_again.filled, len(told_again.irregular.quarantined), told_again.ignored) == (1, 1, 1)
    assert told(fill(), fill()).irregular.quarantined == frozenset()
    other = replace(execution("T1", "a"), price=D(101))
    aside = told(fill(), order_event("T1", E.QUARANTINED, fill=other))
    assert aside.irregular.quarantined == {other.fill_key}
    back = apply_event(aside, order_event("T1", E.REVERSED, fill=execution("T1", "a")))
    assert (back.irregular.quarantined, [e.fill_key for e in back.irregular.busted]) == (frozenset(), [other.fill_key])
    again = apply_event(back, order_event("T1", E.EXECUTED, fill=other))
    assert (again.irregular.busted, again.filled, again.value) == ((), 1, 101)
    same = apply_event(back, fill())
    assert (same.filled, same.ignored) == (0, back.ignored + 1), "told again as it was, it stays taken back"


def test_a_lost_link_makes_an_order_stale_until_anything_is_seen_of_it() -> None:
    lost = told(order_event("T1", E.LINK_LOST))
    assert lost.is_stale
    for back in (order_event("T1", E.LINK_BACK), seen(E.SEEN_OPEN), seen(E.SEEN_CANCELED)):
        assert not apply_event(lost, back).is_stale


def test_an_order_of_another_hand_is_known_by_its_purpose() -> None:
    assert [told(purpose=purpose).is_external for purpose in (OrderPurpose.EXTERNAL, OrderPurpose.ENTRY)] == [
        True,
        False,
    ]


def test_what_is_left_of_an_order_and_what_the_venue_named_beyond_its_fills() -> None:
    assert told(fill()).remaining_quantity == 1
    whole = seen(E.SEEN_OPEN, filled=2), fill(quantity=2)
    assert told(whole[0]).missing_quantity == 2
    back = told(*whole, order_event("T1", E.REVERSED, fill=execution("T1", "a", quantity=2)))
    assert back.missing_quantity == 0, "what the venue took back is not missing"


@pytest.mark.parametrize(
    ("event", "state"), [(E.SEEN_OPEN, S.PARTIAL), (E.SEEN_REJECTED, S.CANCELED), (E.SEEN_CANCELED, S.CANCELED)]
)
def test_what_was_filled_of_an_order_in_doubt_counts_where_it_is_found(
    event: OrderEventType, state: OrderEventType
) -> None:
    order = told(fill(), order_event("T1", E.NOT_FOUND), seen(event))
    assert (order.state, order.filled) == (state, 1)


def test_the_end_that_the_venue_named_is_forgotten_when_the_order_lives_again() -> None:
    rejected = told(seen(E.SEEN_REJECTED))
    assert rejected.reported.ended_as is S.REJECTED
    lives = apply_event(rejected, seen(E.SEEN_OPEN, at=3))
    assert (lives.state, lives.reported.ended_as) == (S.OPEN, None)
    for unnamed in (order_event("T1", E.REFUSED), order_event("T1", E.NOT_FOUND), fill(quantity=2)):
        assert told(order_event("T1", E.NOT_FOUND), unnamed).reported.ended_as is None, unnamed.type
    assert told(order_event("T1", E.REFUSED)).reported.ended_as is None


def test_new_terms_find_an_order_in_doubt_at_work_and_leave_another_where_it_is() -> None:
    changed = seen(E.CHANGED, quantity=D(1), at=5)
    assert told(order_event("T1", E.NOT_FOUND), changed).state is S.OPEN
    assert told(changed).state is S.ACKED


def test_a_fill_shows_that_a_larger_quantity_is_in_force() -> None:
    terms = OrderTerms(quantity=D(3), price=D(99))
    sent = seen(E.SEEN_OPEN), order_event("T1", E.REPLACE_SENT, mono=7, terms=terms)
    order = told(*sent, fill(quantity=3))
    assert (order.state, order.quantity, order.overfilled_quantity) == (S.FILLED, 3, 0)
    beyond = told(*sent, fill(quantity=4))
    assert (beyond.quantity, beyond.overfilled_quantity) == (2, 2), "more than either"


def test_a_stop_is_at_rest_until_it_triggers_or_fills() -> None:
    stop = {"purpose": OrderPurpose.RESTING_STOP, "trigger_price": D(95)}
    waiting = told(seen(E.SEEN_OPEN), **stop)
    assert (waiting.rests, waiting.is_triggered, waiting.trigger_price) == (True, False, 95)
    assert not told(**stop).rests, "accepted, and not confirmed"
    assert not told(seen(E.SEEN_OPEN)).rests, "an order of another purpose"
    triggered = apply_event(waiting, order_event("T1", E.TRIGGERED, mono=8))
    assert (triggered.rests, triggered.is_triggered, triggered.times.triggered_mono) == (False, True, 8)
    again = apply_event(triggered, order_event("T1", E.TRIGGERED, mono=9))
    assert again.times.triggered_mono == 8
    filled = told(seen(E.SEEN_OPEN), fill(mono=6), **stop)
    assert (filled.is_triggered, filled.times.triggered_mono) == (True, 6)


def test_a_gtt_that_triggered_goes_on_under_the_id_of_the_order_that_it_placed() -> None:
    waiting = told(seen(E.SEEN_OPEN), purpose=OrderPurpose.RESTING_STOP, trigger_price=D(95))
    placed = apply_event(waiting, order_event("T1", E.TRIGGERED, mono=8, venue_order_id="V-PLACED"))
    assert (placed.venue_order_id, placed.other_ids) == ("V-PLACED", ("V-T1",))


def test_a_changed_trigger_is_in_force_once_the_venue_shows_it() -> None:
    stop = {"purpose": OrderPurpose.RESTING_STOP, "trigger_price": D(95)}
    terms = OrderTerms(quantity=D(2), trigger_price=D(97))
    sent = told(seen(E.SEEN_OPEN), order_event("T1", E.REPLACE_SENT, mono=7, terms=terms), **stop)
    assert sent.trigger_price == 95
    assert apply_event(sent, order_event("T1", E.REPLACED, mono=9)).trigger_price == 97
