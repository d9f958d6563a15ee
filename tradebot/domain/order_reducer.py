"""The order reducer: makes an order's next state from its state and one event.

It is a pure function, so a replay of the journal gives the same orders. `changes` is in every function the dict of the
order's fields that the event changes: field -> new value.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tradebot.domain.order import (
    CancelState,
    Fill,
    IrregularFills,
    Order,
    OrderEvent,
    OrderTimes,
    ReplaceState,
    VenueOrder,
    VenueReported,
)
from tradebot.domain.order_states import (
    NOT_AT_VENUE,
    RULES_BY_PAIR,
    OrderEventType,
    OrderOrigin,
    OrderState,
    RequestState,
)

S, E = OrderState, OrderEventType
# Bound once, because reading an enum member costs as much as a call and the reducer runs four times an order.
INTENT, SENDING, ACCEPTED, NOT_FOUND, REPLACED = E.INTENT, E.SENDING, E.ACCEPTED, E.NOT_FOUND, E.REPLACED
EXECUTED, REVERSED = E.EXECUTED, E.REVERSED
FILLED, PARTIAL, OPEN, CANCELED, REJECTED, UNKNOWN = (S.FILLED, S.PARTIAL, S.OPEN, S.CANCELED, S.REJECTED, S.UNKNOWN)
NO_REQUEST, OWN = RequestState.NONE, OrderOrigin.OWN
FIRST_STATES = {E.INTENT: S.INTENT, E.DENIED: S.DENIED}
FILL_EVENTS = (E.EXECUTED, E.REVERSED, E.QUARANTINED)  # events that have a fill
UNFILLED_STATES = (S.OPEN, S.ACKED)  # at the venue without a fill
# The order of statuses with the same venue time: the lower rank is the older status.
STATUS_RANKS = {
    E.SEEN_ACKED: 0,
    E.SEEN_OPEN: 1,
    E.SEEN_FILLED: 2,
    E.SEEN_CANCELED: 2,
    E.SEEN_EXPIRED: 2,
    E.SEEN_REJECTED: 2,
}
CANCEL_STATES = {
    E.CANCEL_ASKED: RequestState.SENDING,
    E.CANCEL_SENT: RequestState.SENT,
    E.CANCEL_ACCEPTED: RequestState.SENT,
    E.CANCEL_REFUSED: RequestState.REFUSED,
    E.CANCEL_UNKNOWN: RequestState.UNKNOWN,
}
REPLACE_STATES = {
    E.REPLACE_SENT: RequestState.SENT,
    E.REPLACE_REFUSED: RequestState.REFUSED,
    E.REPLACE_UNKNOWN: RequestState.UNKNOWN,
}
TERMS_EVENTS = (E.REPLACED, E.CHANGED)  # events that change the terms in force at the venue
LINK_EVENTS = (E.LINK_LOST, E.LINK_BACK)
# part of an Order -> its fields that are monotonic times
MONOTONIC_FIELDS = {
    "cancel": ("sent_mono",),
    "replace": ("mono",),
    "times": ("sent_mono", "acked_mono", "ended_mono", "triggered_mono"),
}


def open_order(event: OrderEvent) -> Order:
    """Return the order that an INTENT or DENIED event starts."""
    request = event.request
    assert request is not None, f"{event.type} of {event.order_id} carries no request"
    assert event.type in FIRST_STATES, f"an order cannot begin with {event.type}"
    return Order(
        request,
        FIRST_STATES[event.type],
        request.quantity,
        request.price,
        event.venue_order_id,
        OrderTimes(event.at, event.at),
        origin=OrderOrigin.EXTERNAL if request.is_external else OWN,
        reason=event.reason,
        reference=event.reference,
        trigger_price=request.trigger_price,
    )


def apply_event(order: Order, event: OrderEvent) -> Order:
    """Return `order` after the event.

    Two kinds of events leave the state and count in `ignored`: one that has no rule for the current state, and a status
    older than the last one. Their venue ids and reported quantities are kept. A fill is booked in every state, and only
    once.
    """
    assert event.order_id == order.order_id, f"fact of {event.order_id} applied to {order.order_id}"
    event_type, venue = event.type, event.venue_order
    changes = (
        _learn_from_venue(order, event) if venue is not None or event.venue_order_id != order.venue_order_id else {}
    )
    row = RULES_BY_PAIR.get((order.state, event_type))
    if row is None or (venue is not None and is_outdated(order, event_type, venue)):
        return _with(order, changes | {"ignored": order.ignored + 1})
    if (event_type is SENDING or event_type is ACCEPTED) and not order.filled:
        # The fast path of most orders: the new state has no other consequences. `row.target` is an OrderState here.
        was, mono = order.times, event.mono
        sent, acked = (mono, was.acked_mono) if event_type is SENDING else (was.sent_mono, mono)
        changes["state"] = row.target
        changes["times"] = OrderTimes(was.begun_at, event.at, sent, acked, was.ended_mono, was.triggered_mono)
        if event.reason:
            changes["reason"] = event.reason
        if order.state.is_terminal:  # an absent order that the venue accepted after all
            _revive(order, changes)
        return replace(order, **changes)
    if event_type is EXECUTED and event.fill is not None:
        return _book_fill(order, event, event.fill, changes)
    return _apply_status(order, event, changes, row.target)


def is_outdated(order: Order, event_type: OrderEventType, venue: VenueOrder | None) -> bool:
    """Return True for a status that is older than the last one that counted.

    Statuses are compared by the venue's time, then by `STATUS_RANKS`. A status without a time is given the time of the
    last one.
    """
    if venue is None or event_type not in STATUS_RANKS:
        return False
    seen_at = order.reported.seen_at
    return (venue.changed_at or seen_at, STATUS_RANKS[event_type]) < (seen_at, order.reported.rank)


def cap_monotonic_times(order: Order, mono: int) -> Order:
    """Return `order` with every monotonic time limited to `mono` (ns)."""
    changes: dict[str, Any] = {}
    for part, names in MONOTONIC_FIELDS.items():
        was = getattr(order, part)
        if late := {name: mono for name in names if getattr(was, name) > mono}:
            changes[part] = replace(was, **late)
    return _with(order, changes) if changes else order


def _with(order: Order, changes: dict[str, Any]) -> Order:
    return replace(order, **changes)


def _learn_from_venue(order: Order, event: OrderEvent) -> dict[str, Any]:
    # The venue ids and the filled quantity in an event. They count even if its status is out of date.
    changes: dict[str, Any] = {}
    if event.venue_order_id and event.venue_order_id != order.venue_order_id:
        is_unseen = order.reported.rank < 0 and not order.fills  # rank -1: no status of the order was reported yet
        if not order.venue_order_id or (is_unseen and event.venue_order is not None):
            # The order has no id yet, or one from the answer to the request only. The id in a reported row replaces it.
            changes["venue_order_id"] = event.venue_order_id
        elif event.type is E.REPLACED or event.type is E.TRIGGERED:  # a GTT order that triggered has another id
            changes["venue_order_id"] = event.venue_order_id
            changes["other_ids"] = (*order.other_ids, order.venue_order_id)
        elif event.venue_order_id not in order.other_ids:
            changes["other_ids"] = (*order.other_ids, event.venue_order_id)
    venue = event.venue_order
    if venue is not None and venue.filled > order.reported.filled:
        changes["reported"] = replace(order.reported, filled=venue.filled, average_price=venue.average_price)
    return changes


def _note_event(order: Order, event: OrderEvent, changes: dict[str, Any]) -> None:
    """Record in `changes` what an event says about the cancel, the replace, the terms or the venue's last report."""
    event_type, venue = event.type, event.venue_order
    if event_type in CANCEL_STATES:
        was, is_sent = order.cancel, event_type is E.CANCEL_SENT
        changes["cancel"] = CancelState(
            CANCEL_STATES[event_type], was.tries + is_sent, event.mono if is_sent else was.sent_mono
        )
    elif event_type in REPLACE_STATES:
        _note_replace(order, event, changes)
    elif event_type in TERMS_EVENTS:
        _note_terms(order, event, changes)
    elif event_type is E.TRIGGERED and not order.is_triggered:
        changes["is_triggered"] = True
    elif event_type in LINK_EVENTS:
        changes["is_stale"] = event_type is E.LINK_LOST
    elif event_type in STATUS_RANKS:
        changes["is_stale"] = False
        if venue is not None:
            _note_report_time(order, venue, changes, STATUS_RANKS[event_type])


def _note_replace(order: Order, event: OrderEvent, changes: dict[str, Any]) -> None:
    was, request = order.replace, REPLACE_STATES[event.type]
    if event.type is E.REPLACE_SENT:
        changes["replace"] = ReplaceState(request, was.tries + 1, event.mono, event.terms)
        changes["reference"] = event.reference or order.reference
    else:
        changes["replace"] = ReplaceState(request, was.tries, was.mono, was.terms)


def _note_terms(order: Order, event: OrderEvent, changes: dict[str, Any]) -> None:
    # REPLACED: the terms that we requested are in force. CHANGED: the terms in the venue's row are.
    was, venue, terms = order.replace, event.venue_order, event.terms or order.replace.terms
    if event.type is REPLACED:
        changes["replace"] = ReplaceState(NO_REQUEST, was.tries, event.mono)
        if terms is not None:
            changes["quantity"], changes["price"] = terms.quantity, terms.price
            changes["trigger_price"] = terms.trigger_price
    elif venue is not None:
        changes["replace"] = was.after_end()
        changes["quantity"], changes["price"] = venue.quantity, venue.price
        changes["trigger_price"] = venue.trigger_price
    # Statuses from before this row refer to older terms, so they are out of date from now on.
    if venue is not None:
        _note_report_time(order, venue, changes)


def _note_report_time(order: Order, venue: VenueOrder, changes: dict[str, Any], rank: int | None = None) -> None:
    # Without a `rank` that of the last status stays.
    reported: VenueReported = changes.get("reported", order.reported)
    seen_at, rank = max(reported.seen_at, venue.changed_at), reported.rank if rank is None else rank
    changes["reported"] = replace(reported, seen_at=seen_at, rank=rank)


def _revive(order: Order, changes: dict[str, Any]) -> None:
    """Reset in `changes` what no longer holds when an ended order is live again."""
    changes["is_presumed"] = False
    reported: VenueReported = changes.get("reported", order.reported)
    if reported.ended_as is not None:
        changes["reported"] = replace(reported, ended_as=None)
    cancel: CancelState = changes.get("cancel", order.cancel)
    if cancel.tries:
        changes["cancel"] = replace(cancel, tries=0)


def _enter_state(order: Order, event: OrderEvent, changes: dict[str, Any], state: OrderState) -> Order:
    """Return `order` in `state`, with the consequences of entering it and of leaving the old one."""
    filled = changes.get("filled", order.filled)
    # The fills may say more than the status.
    if filled and state in UNFILLED_STATES:
        state = _state_by_quantity(state, filled, _largest_quantity(order, changes))
    elif filled and state is REJECTED:
        state = CANCELED  # the filled part stays, the rest has ended
    is_end = state.is_terminal and state is not order.state
    changes["times"] = _times(order.times, event, is_end=is_end, is_trigger=changes.get("is_triggered", False))
    if state is order.state:
        return _with(order, changes)
    changes["state"] = state
    if event.reason:
        changes["reason"] = event.reason
    if is_end:
        _note_end(order, event, changes, state)
    elif order.state.is_terminal:
        _revive(order, changes)
    return replace(order, **changes)


def _note_end(order: Order, event: OrderEvent, changes: dict[str, Any], state: OrderState) -> None:
    """Record in `changes` what ends with an order that ends in `state`."""
    changes["cancel"] = changes.get("cancel", order.cancel).after_end()
    changes["replace"] = changes.get("replace", order.replace).after_end()
    changes["is_stale"], changes["is_presumed"] = False, event.type is NOT_FOUND and not event.is_proof
    # FILLED is no reported end: it follows from the fills, and no longer holds when one of them is reversed.
    if event.type in STATUS_RANKS and state is not FILLED:
        changes["reported"] = replace(changes.get("reported", order.reported), ended_as=state)
        # An order of ours that ends without a cancel of ours was ended by the broker.
        if not order.cancel.state.is_pending and state in (CANCELED, S.EXPIRED) and order.origin is OWN:
            changes["origin"] = OrderOrigin.BROKER


def _times(was: OrderTimes, event: OrderEvent, *, is_end: bool, is_trigger: bool) -> OrderTimes:
    acked, mono = was.acked_mono, event.mono
    if event.type is ACCEPTED or (not acked and (event.type is EXECUTED or event.type in STATUS_RANKS)):
        acked = mono
    ended, triggered = mono if is_end else was.ended_mono, mono if is_trigger else was.triggered_mono
    return OrderTimes(was.begun_at, event.at, was.sent_mono, acked, ended, triggered)


def _apply_status(order: Order, event: OrderEvent, changes: dict[str, Any], target: OrderState | str | None) -> Order:
    """Return `order` after an event other than a new fill; `target` is the one in its transition rule."""
    if event.type in FILL_EVENTS:
        return _correct_fills(order, event, changes)
    _note_event(order, event, changes)
    if target is None:
        return _enter_state(order, event, changes, order.state)
    if not isinstance(target, OrderState):  # BY_QUANTITY
        target = _state_by_quantity(order.state, order.filled, _largest_quantity(order, changes))
    return _enter_state(order, event, changes, target)


def _correct_fills(order: Order, event: OrderEvent, changes: dict[str, Any]) -> Order:
    """Return `order` after a fill of it was reversed, or was quarantined because its figures differ from the booked."""
    assert event.fill is not None, f"{event.type} fact of {event.order_id} carries no execution"
    if event.type is REVERSED:
        return _reverse_fill(order, event, event.fill, changes)
    changes["irregular"] = replace(order.irregular, quarantined=order.irregular.quarantined | {event.fill.fill_key})
    return _with(order, changes)


def _book_fill(order: Order, event: OrderEvent, fill: Fill, changes: dict[str, Any]) -> Order:
    irregular = order.irregular
    # A booked fill is never booked again, a busted one only with other figures.
    if order.fills or irregular.busted:
        known = _find_fill((*order.fills, *irregular.busted), fill)
        if known is not None and (known in order.fills or known.is_same_trade(fill)):
            changes["ignored"] = order.ignored + 1
            if not known.is_same_trade(fill):
                changes["irregular"] = replace(irregular, quarantined=irregular.quarantined | {fill.fill_key})
            return _with(order, changes)
    if irregular.busted or irregular.quarantined or order.state.is_terminal:
        busted = tuple(e for e in irregular.busted if e.fill_key != fill.fill_key)
        late = irregular.late + order.state.is_terminal
        changes["irregular"] = IrregularFills(busted, irregular.quarantined - {fill.fill_key}, late)
    changes["filled"] = filled = order.filled + fill.quantity
    changes["value"] = order.value + fill.quantity * fill.price
    changes["fills"] = (*order.fills, fill) if order.fills else (fill,)
    if not order.venue_order_id:
        changes["venue_order_id"] = fill.venue_order_id
    terms = order.replace.terms
    if terms is not None and order.quantity < filled <= terms.quantity:  # the fill shows that they are in force
        changes["quantity"] = terms.quantity
    if not order.is_triggered and order.request.purpose.rests:  # a stop that fills has triggered
        changes["is_triggered"] = True
    return _enter_state(
        order, event, changes, _state_by_quantity(order.state, filled, _largest_quantity(order, changes))
    )


def _reverse_fill(order: Order, event: OrderEvent, fill: Fill, changes: dict[str, Any]) -> Order:
    booked = _find_fill(order.fills, fill)
    if booked is None:
        return _with(order, changes | {"ignored": order.ignored + 1})
    filled, irregular = order.filled - booked.quantity, order.irregular
    busted = irregular.busted if booked.is_inferred else (*irregular.busted, booked)
    changes |= {
        "filled": filled,
        "value": order.value - booked.quantity * booked.price,
        "fills": tuple(e for e in order.fills if e.fill_key != booked.fill_key),
        "irregular": IrregularFills(busted, irregular.quarantined - {booked.fill_key}, irregular.late),
    }
    state, reported = order.state, order.reported
    if state in (FILLED, PARTIAL) and filled < order.quantity:
        # The quantity of a reversed fill does not return to the order book. If the venue reported the order as filled
        # completely, it has ended. An inferred fill was never a trade, so its reversal ends nothing.
        over = CANCELED if reported.filled >= order.quantity and not booked.is_inferred else None
        state = reported.ended_as or over or (PARTIAL if filled else OPEN)
    return _enter_state(order, event, changes, state)


def _find_fill(fills: tuple[Fill, ...], fill: Fill) -> Fill | None:
    return next((e for e in fills if e.fill_key == fill.fill_key), None)


def _largest_quantity(order: Order, changes: dict[str, Any]) -> Decimal:
    # The quantity at which the order counts as filled. A larger quantity that a replace requests may be in force
    # already, so until its result is known the order is filled only at the larger of the two.
    if order.replace.terms is None and "quantity" not in changes:
        return order.quantity
    quantity: Decimal = changes.get("quantity", order.quantity)
    asked: ReplaceState = changes.get("replace", order.replace)
    return quantity if asked.terms is None else max(quantity, asked.terms.quantity)


def _state_by_quantity(state: OrderState, filled: Decimal, quantity: Decimal) -> OrderState:
    # The state that follows from the fills. An end at the venue stays; other ends are disproved by a fill.
    if filled >= quantity:
        return FILLED
    if state.is_terminal and state not in NOT_AT_VENUE:
        return state
    # A fill shows that the order works at the venue, even if it was presumed absent. Without a fill (all reversed), an
    # order in doubt or partly filled is open.
    return PARTIAL if filled else (OPEN if state in (PARTIAL, UNKNOWN) else state)
