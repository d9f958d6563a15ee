"""The order's state machine: every pair has its rule, no path of six events breaks a promise, and it follows a venue.

The search walks every sequence of events of one order, folded to what can still matter, and then every pair of places
that two orders can reach in six events between them. `TRADEBOT_DEPTH=8` searches deeper.
"""

from __future__ import annotations

import os
from decimal import Decimal
from itertools import product

import msgspec
import pytest

from tests.domain.order_events import D, E, S, execution, order_event, order_events_of, request, status
from tradebot.domain.order import (
    LATE_FILL_HOLD_NS,
    PRESUMED_ABSENT_HOLD_NS,
    CancelState,
    Order,
    OrderEvent,
    OrderEventType,
    OrderOrigin,
    OrderState,
    OrderTerms,
    OrderTimes,
    ReplaceState,
    RequestState,
)
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.domain.order_states import (
    BY_QUANTITY,
    IGNORED_PAIRS,
    NOT_AT_VENUE,
    RULES_BY_PAIR,
    TRANSITION_RULES,
    TRANSITIONS,
)
from tradebot.trading.desk.book.blotter import Blotter

PAIRS = set(product(S, E))
DEPTH = int(os.environ.get("TRADEBOT_DEPTH", "6"))


def core(order: Order) -> Order:
    """The order without what no rule reads: counters, texts and times."""
    return msgspec.structs.replace(
        order,
        ignored=0,
        reason="",
        irregular=msgspec.structs.replace(order.irregular, late=0),
        cancel=CancelState(order.cancel.state),
        replace=ReplaceState(order.replace.state, terms=order.replace.terms),
        times=OrderTimes(begun_at=order.times.begun_at, ended_mono=order.times.ended_mono),
    )


# Where an ended order may go, and by what: found at the venue, filled, a fill taken back. Written down twice, by hand.
REVIVALS = {
    # FILLED: filled as ordered while a larger quantity was asked for, given up, and found again.
    **{
        (s, e): {S.ACKED, S.OPEN, S.PARTIAL, S.FILLED}
        for s in NOT_AT_VENUE
        for e in (E.SEEN_ACKED, E.SEEN_OPEN, E.SEEN_FILLED)
    },
    **{(s, E.SEEN_CANCELED): {S.CANCELED} for s in NOT_AT_VENUE},
    **{(s, E.SEEN_EXPIRED): {S.EXPIRED} for s in NOT_AT_VENUE},
    **{(s, E.SEEN_REJECTED): {S.REJECTED, S.CANCELED} for s in (S.ABSENT, S.LAPSED)},
    **{(s, E.EXECUTED): {S.PARTIAL, S.FILLED} for s in NOT_AT_VENUE},
    **{(s, E.EXECUTED): {S.FILLED} for s in (S.CANCELED, S.EXPIRED, S.DENIED)},
    (S.ABSENT, E.ACCEPTED): {S.ACKED, S.PARTIAL, S.FILLED},
    (S.FILLED, E.REVERSED): {S.OPEN, S.PARTIAL, S.CANCELED, S.EXPIRED, S.REJECTED},
}


def check(before: Order, given: OrderEvent, after: Order) -> None:
    """The promises, by sums of their own."""
    booked = {e.fill_key: e for e in after.fills}
    assert len(booked) == len(after.fills), "a fill is booked once"
    assert after.filled == sum((e.quantity for e in after.fills), D(0)), "filled is the sum of executions"
    assert after.value == sum((e.quantity * e.price for e in after.fills), D(0))
    assert after.filled >= before.filled or given.type is E.REVERSED, "filled never falls but by a reversal"
    assert after.reported.filled >= before.reported.filled
    if (before.state, given.type) in IGNORED_PAIRS:
        assert (after.state, after.ignored) == (before.state, before.ignored + 1), "a no-op is counted"
    if before.state.is_terminal and after.state is not before.state:
        assert after.state in REVIVALS.get((before.state, given.type), ()), "ended stays ended"
    if after.is_live:
        worst = max([after.quantity, *([after.replace.terms.quantity] if after.replace.terms else [])])
        assert after.reserved_quantity(2) >= worst - after.filled, "a live order is exposed whole"
        assert after.filled < worst or after.state is S.INTENT or given.type is E.CHANGED, "nothing is left"
    known = after.reported.filled - after.filled - sum((e.quantity for e in after.irregular.busted), D(0))
    assert after.reserved_quantity(10**15) >= max(known, D(0)), "what the venue filled is exposed until it is booked"
    assert after.remaining_quantity >= 0
    if after.state in (S.CANCELED, S.EXPIRED) and given.mono == after.times.ended_mono:
        assert after.reserved_quantity(after.times.ended_mono + LATE_FILL_HOLD_NS - 1) >= after.quantity - after.filled
    if after.state is S.FILLED:
        assert after.filled >= after.quantity


def walk(order_id: str, depth: int) -> list[set[Order]]:
    """Return, for each number of events, the orders first reached by it."""
    events = order_events_of(order_id)
    starts = {core(open_order(f)) for f in events if f.type in (E.INTENT, E.DENIED)}
    levels, known = [starts], set(starts)
    for _ in range(depth):
        reached = set()
        for order in levels[-1]:
            for given in events:
                after = apply_event(order, given)
                check(order, given, after)
                reached.add(core(after))
        levels.append(reached - known)
        known |= reached
    return levels


def test_every_pair_of_state_and_event_has_one_rule() -> None:
    assert set(RULES_BY_PAIR) | set(IGNORED_PAIRS) == PAIRS
    assert set(RULES_BY_PAIR) & set(IGNORED_PAIRS) == set()
    assert all(why for why in IGNORED_PAIRS.values())
    assert sum(len(row.sources) for row in TRANSITION_RULES) == len(RULES_BY_PAIR), "two rows claim one pair"


@pytest.mark.parametrize(
    ("state", "event", "target"),
    [
        (S.INTENT, E.LAPSED, S.LAPSED),
        (S.SENDING, E.NOT_SENT, S.ABSENT),
        (S.SENDING, E.AMBIGUOUS, S.UNKNOWN),
        (S.SENDING, E.REFUSED, S.REJECTED),
        (S.UNKNOWN, E.NOT_FOUND, S.ABSENT),
        (S.ACKED, E.NOT_FOUND, S.UNKNOWN),
        (S.OPEN, E.NOT_FOUND, S.UNKNOWN),
        (S.PARTIAL, E.NOT_FOUND, S.UNKNOWN),
        (S.OPEN, E.DAY_ENDED, S.UNKNOWN),
        (S.OPEN, E.CANCEL_ACCEPTED, S.OPEN),
        (S.OPEN, E.CANCEL_REFUSED, S.OPEN),
        (S.UNKNOWN, E.REFUSED, S.UNKNOWN),
        (S.ABSENT, E.SEEN_OPEN, S.OPEN),
        (S.CANCELED, E.SEEN_OPEN, S.CANCELED),
        (S.FILLED, E.SEEN_CANCELED, S.FILLED),
        (S.DENIED, E.SENDING, S.DENIED),
    ],
)
def test_the_rules_that_money_hangs_on(state: OrderState, event: OrderEventType, target: OrderState) -> None:
    order = msgspec.structs.replace(open_order(order_event("T1", E.INTENT, request=request())), state=state)
    assert apply_event(order, next(f for f in order_events_of("T1") if f.type is event)).state is target


def test_every_row_of_the_table_leads_where_it_says() -> None:
    for (state, event_type), target in TRANSITIONS.items():
        order = msgspec.structs.replace(open_order(order_event("T1", E.INTENT, request=request())), state=state)
        given = next(f for f in order_events_of("T1") if f.type is event_type)
        assert apply_event(order, given).state is target, (state, event_type)


def test_rows_that_count_fills_or_set_flags_name_no_state() -> None:
    others = {pair for pair, row in RULES_BY_PAIR.items() if row.target in (None, BY_QUANTITY)}
    assert others | set(TRANSITIONS) == set(RULES_BY_PAIR)


def test_a_pair_without_a_row_changes_no_state_and_is_counted() -> None:
    for state, event_type in IGNORED_PAIRS:
        order = msgspec.structs.replace(open_order(order_event("T1", E.INTENT, request=request())), state=state)
        for given in (f for f in order_events_of("T1") if f.type is event_type):
            after = apply_event(order, given)
            assert (after.state, after.ignored) == (state, 1), (state, event_type)


def test_no_sequence_of_events_breaks_a_promise_of_two_orders() -> None:
    first = walk("T1", DEPTH)
    # Two orders share a blotter: its exposure is the sum of theirs at every pair of places six events can reach.
    shapes: list[dict[tuple[bool, Decimal, Decimal], Order]] = [
        {(o.is_live, o.filled, o.reserved_quantity(2)): o for o in level} for level in first
    ]
    assert sum(map(len, first)) > 1000
    for one, other in product(range(DEPTH + 1), repeat=2):
        if one + other > DEPTH:
            continue
        for a, b in product(shapes[one].values(), shapes[other].values()):
            blotter = Blotter(lambda order, given: D(0))
            for order_id, order in (("T1", a), ("T2", b)):
                blotter.orders[order_id] = order
                home = blotter.exposure._live if order.is_live else blotter.exposure.reserved
                home.setdefault("AAA", {})[order_id] = None
            blotter.expire_reservations(2)
            longest, shortest = blotter.exposure.worst_case("AAA")
            assert (longest, shortest) == (a.reserved_quantity(2) + b.reserved_quantity(2), 0)


# ---- single rules, told as small stories


def after(*events: OrderEvent, quantity: int = 2) -> Order:
    order = open_order(order_event("T1", E.INTENT, request=request(quantity=quantity)))
    for given in events:
        order = apply_event(order, given)
    return order


def seen(event_type: OrderEventType, *, filled: int = 0, at: int = 0) -> OrderEvent:
    return order_event(
        "T1", event_type, venue_order=status("T1", event_type, filled=filled, at=at), venue_order_id="V-T1"
    )


def filled(name: str, *, quantity: int = 1, price: int = 100, inferred: bool = False) -> OrderEvent:
    return order_event("T1", E.EXECUTED, fill=execution("T1", name, quantity=quantity, price=price, inferred=inferred))


SENT = (order_event("T1", E.SENDING), order_event("T1", E.ACCEPTED, venue_order_id="V-T1"))


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([(E.SEEN_OPEN, 5), (E.SEEN_ACKED, 4)], S.OPEN),
        ([(E.SEEN_CANCELED, 5), (E.SEEN_OPEN, 5)], S.CANCELED),
        ([(E.SEEN_REJECTED, 5), (E.SEEN_OPEN, 4)], S.REJECTED),
        ([(E.SEEN_REJECTED, 5), (E.SEEN_OPEN, 5)], S.REJECTED),
        ([(E.SEEN_REJECTED, 0), (E.SEEN_OPEN, 0)], S.REJECTED),
        ([(E.SEEN_REJECTED, 5), (E.SEEN_OPEN, 6)], S.OPEN),
    ],
)
def test_an_older_status_never_moves_a_state_back(
    statuses: list[tuple[OrderEventType, int]], state: OrderState
) -> None:
    assert after(*SENT, *(seen(event_type, at=at) for event_type, at in statuses)).state is state


def test_an_older_status_still_tells_how_much_was_filled() -> None:
    order = after(*SENT, seen(E.SEEN_OPEN, at=5), seen(E.SEEN_OPEN, at=4, filled=1))
    assert (order.filled, order.missing_quantity, order.ignored) == (0, 1, 1)


def test_a_cancel_that_lacks_fills_stays_exposed_by_them() -> None:
    order = after(*SENT, seen(E.SEEN_CANCELED, filled=1))
    assert (order.state, order.reserved_quantity(1 + LATE_FILL_HOLD_NS)) == (S.CANCELED, 1)


def test_a_cancel_frees_its_reservation_after_two_seconds_and_a_presumed_absence_after_ten_minutes() -> None:
    canceled = after(*SENT, seen(E.SEEN_CANCELED))
    assert (canceled.reserved_quantity(LATE_FILL_HOLD_NS), canceled.reserved_quantity(1 + LATE_FILL_HOLD_NS)) == (2, 0)
    lost = (order_event("T1", E.SENDING), order_event("T1", E.AMBIGUOUS))
    presumed = after(*lost, order_event("T1", E.NOT_FOUND))
    assert (
        presumed.reserved_quantity(PRESUMED_ABSENT_HOLD_NS),
        presumed.reserved_quantity(1 + PRESUMED_ABSENT_HOLD_NS),
    ) == (2, 0)
    assert after(*lost, order_event("T1", E.NOT_FOUND, is_proof=True)).reserved_quantity(1) == 0


def test_while_a_replace_is_pending_the_larger_quantity_is_exposed() -> None:
    replacing = (*SENT, seen(E.SEEN_OPEN), order_event("T1", E.REPLACE_SENT, terms=OrderTerms(quantity=D(5))))
    assert after(*replacing).remaining_quantity == 5
    assert after(*replacing, order_event("T1", E.REPLACE_UNKNOWN)).remaining_quantity == 5
    smaller = order_event("T1", E.REPLACE_SENT, terms=OrderTerms(quantity=D(1)))
    assert after(*SENT, seen(E.SEEN_OPEN), smaller).remaining_quantity == 2
    through = after(*replacing, filled("a", quantity=2))
    assert (through.state, through.remaining_quantity) == (S.PARTIAL, 3), "the larger quantity may be in force"
    stayed = apply_event(through, order_event("T1", E.CHANGED, venue_order=status("T1", E.CHANGED, filled=2, at=3)))
    assert (stayed.state, stayed.remaining_quantity) == (S.FILLED, 0)
    done = after(*replacing, order_event("T1", E.REPLACED, venue_order_id="V2"))
    assert (done.quantity, done.remaining_quantity, done.replace.state, done.other_ids) == (
        5,
        5,
        RequestState.NONE,
        ("V-T1",),
    )


def test_an_order_the_venue_ends_by_itself_says_so() -> None:
    assert after(*SENT, seen(E.SEEN_CANCELED)).origin is OrderOrigin.BROKER
    asked = after(*SENT, order_event("T1", E.CANCEL_SENT), seen(E.SEEN_CANCELED))
    assert (asked.origin, asked.cancel.state) == (OrderOrigin.OWN, RequestState.NONE)


def test_a_fill_beyond_the_quantity_is_booked_and_flagged() -> None:
    order = after(*SENT, filled("a", quantity=2), filled("b"))
    assert (order.state, order.filled, order.overfilled_quantity, order.irregular.late) == (S.FILLED, 3, 1, 1)


def test_a_fill_told_with_other_figures_is_set_aside() -> None:
    order = after(*SENT, filled("a"), filled("a", price=101))
    assert (order.filled, order.value, order.irregular.quarantined) == (1, 100, {("NSE", "T1-a")})


def test_a_fill_taken_back_reopens_what_was_filled_and_is_not_booked_again() -> None:
    order = after(*SENT, filled("a", quantity=2), order_event("T1", E.REVERSED, fill=execution("T1", "a", quantity=2)))
    assert (order.state, order.filled) == (S.OPEN, 0)
    again = apply_event(order, filled("a", quantity=2))
    assert (again.filled, again.ignored) == (0, 1)
    corrected = apply_event(order, filled("a", quantity=2, price=99))
    assert (corrected.state, corrected.average_price) == (S.FILLED, 99)


def test_a_bust_of_an_order_the_venue_calls_filled_ends_it() -> None:
    order = after(*SENT, seen(E.SEEN_FILLED, filled=2), filled("a"), filled("b"),
                  order_event("T1", E.REVERSED, fill=execution("T1", "b")))  # fmt: skip
    assert (order.state, order.filled, order.missing_quantity) == (S.CANCELED, 1, 0)


def test_the_real_fill_takes_the_place_of_the_inferred_one() -> None:
    made_up = (*SENT, seen(E.SEEN_FILLED, filled=2), filled("i", quantity=2, inferred=True))
    assert after(*made_up).state is S.FILLED
    order = after(*made_up, order_event("T1", E.REVERSED, fill=execution("T1", "i")), filled("a", quantity=2, price=99))
    assert (order.state, order.filled, order.average_price, order.missing_quantity) == (S.FILLED, 2, 99, 0)
    assert order.irregular.late == 0


def test_facts_written_before_the_new_fields_still_decode() -> None:
    old = b'{"order_id":"T1","event":"executed","at":5,"execution":{"execution_id":"9","venue_order_id":"V",'
    old += b'"symbol":"AAA","exchange":"NSE","side":"BUY","quantity":"1","price":"2.5","traded_at":4}}'
    decoded = msgspec.json.decode(old, type=OrderEvent)
    assert decoded.fill is not None
    assert not decoded.fill.is_inferred
    assert not decoded.is_proof
    assert decoded.terms is None


def test_an_order_can_always_come_to_an_end() -> None:
    for level in walk("T1", 3):
        for order in level:
            if order.is_live and order.state is not S.INTENT:
                ends = [
                    apply_event(order, seen(e, filled=int(order.filled), at=99))
                    for e in (E.SEEN_CANCELED, E.SEEN_EXPIRED)
                ]
                assert all(end.state.is_terminal for end in ends), order


def test_a_bust_after_a_status_made_the_order_whole_reopens_or_ends_it_but_does_not_leave_it_filled() -> None:
    event = order_event("T1", E.REPLACE_SENT, terms=OrderTerms(quantity=D(3), price=D(99)))
    lost = (
        *SENT,
        seen(E.SEEN_OPEN),
        event,
        filled("a"),
        filled("b"),
        order_event("T1", E.NOT_FOUND),
        order_event("T1", E.NOT_FOUND),
    )
    whole = after(*lost, seen(E.SEEN_OPEN, at=5))
    assert whole.state is S.FILLED
    busted = apply_event(whole, order_event("T1", E.REVERSED, fill=execution("T1", "b")))
    assert (busted.state, busted.filled) == (S.PARTIAL, 1)
