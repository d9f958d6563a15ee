"""The fold: facts in, the view of an order out. Pure, so a replay of the journal gives the same orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tradebot.domain.order import (
    CancelState,
    Execution,
    OddFills,
    Order,
    OrderFact,
    OrderTimes,
    ReplaceState,
    VenueClaim,
    VenueOrder,
)
from tradebot.domain.order_states import GONE, ROWS, OrderEvent, OrderState, Origin, Wish

S, E = OrderState, OrderEvent
# Bound once: reading a member of an enumeration costs as much as a call, and the fold runs four times an order.
INTENT, SENDING, ACCEPTED, NOT_FOUND, REPLACED = E.INTENT, E.SENDING, E.ACCEPTED, E.NOT_FOUND, E.REPLACED
EXECUTED, REVERSED = E.EXECUTED, E.REVERSED
FILLED, PARTIAL, OPEN, CANCELED, REJECTED, UNKNOWN = (S.FILLED, S.PARTIAL, S.OPEN, S.CANCELED, S.REJECTED, S.UNKNOWN)
NO_WISH, OWN = Wish.NONE, Origin.OWN
BEGINNINGS = {E.INTENT: S.INTENT, E.DENIED: S.DENIED}
FILLS = (E.EXECUTED, E.REVERSED, E.QUARANTINED)  # what carries an execution
QUIET = (S.OPEN, S.ACKED)  # at work without a fill
# How far a status is along an order's life: of two with the same time the lesser is the older one.
RANKS = {E.SEEN_ACKED: 0, E.SEEN_OPEN: 1, E.SEEN_FILLED: 2, E.SEEN_CANCELED: 2, E.SEEN_EXPIRED: 2, E.SEEN_REJECTED: 2}
CANCELS = {
    E.CANCEL_ASKED: Wish.SENDING,
    E.CANCEL_SENT: Wish.SENT,
    E.CANCEL_ACCEPTED: Wish.SENT,
    E.CANCEL_REFUSED: Wish.REFUSED,
    E.CANCEL_UNKNOWN: Wish.UNKNOWN,
}
REPLACES = {E.REPLACE_SENT: Wish.SENT, E.REPLACE_REFUSED: Wish.REFUSED, E.REPLACE_UNKNOWN: Wish.UNKNOWN}
NEW_TERMS = (E.REPLACED, E.CHANGED)  # of the order in force at the venue
LINKS = (E.LINK_LOST, E.LINK_BACK)
# The monotonic times of an order by the part that holds them.
MONOS = {"cancel": ("sent_mono",), "replace": ("mono",), "times": ("sent_mono", "acked_mono", "ended_mono")}


def begin(fact: OrderFact) -> Order:
    """Return the order that an INTENT or DENIED fact starts."""
    request = fact.request
    assert request is not None, f"{fact.event} of {fact.order_id} carries no request"
    assert fact.event in BEGINNINGS, f"an order cannot begin with {fact.event}"
    return Order(
        request,
        BEGINNINGS[fact.event],
        request.quantity,
        request.price,
        fact.venue_order_id,
        OrderTimes(fact.at, fact.at),
        origin=Origin.EXTERNAL if request.is_external else OWN,
        reason=fact.reason,
        reference=fact.reference,
    )


def apply(order: Order, fact: OrderFact) -> Order:
    """Return `order` after `fact`.

    A pair outside the table, and a status older than the last one, leave the state and count in `ignored`; what they
    tell of ids and quantities is kept. A fill is always booked, whatever the state, and once.
    """
    assert fact.order_id == order.order_id, f"fact of {fact.order_id} applied to {order.order_id}"
    event, venue = fact.event, fact.venue
    changes = _learned(order, fact) if venue is not None or fact.venue_order_id != order.venue_order_id else {}
    row = ROWS.get((order.state, event))
    if row is None or (venue is not None and is_old(order, event, venue)):
        return _with(order, changes | {"ignored": order.ignored + 1})
    if (event is SENDING or event is ACCEPTED) and not order.filled:
        # What most orders do: into a state where nothing else has to be looked after.
        was, mono = order.times, fact.mono
        sent, acked = (mono, was.acked_mono) if event is SENDING else (was.sent_mono, mono)
        changes["state"] = row.target
        changes["times"] = OrderTimes(was.begun_at, fact.at, sent, acked, was.ended_mono)
        if fact.reason:
            changes["reason"] = fact.reason
        if order.state.is_terminal:
            _revive(order, changes)
        return replace(order, **changes)
    if event is EXECUTED and fact.execution is not None:
        return _book(order, fact, fact.execution, changes)
    return _told(order, fact, changes, row.target)


def is_old(order: Order, event: OrderEvent, venue: VenueOrder | None) -> bool:
    """True for a status older than the last one that counted, by (venue's time, rank); one without time is as new."""
    if venue is None or event not in RANKS:
        return False
    seen_at = order.claim.seen_at
    return (venue.changed_at or seen_at, RANKS[event]) < (seen_at, order.claim.rank)


def no_later(order: Order, mono: int) -> Order:
    """Return `order` with every monotonic time at `mono` or before."""
    changes: dict[str, Any] = {}
    for part, names in MONOS.items():
        was = getattr(order, part)
        if late := {name: mono for name in names if getattr(was, name) > mono}:
            changes[part] = replace(was, **late)
    return _with(order, changes) if changes else order


def _with(order: Order, changes: dict[str, Any]) -> Order:
    return replace(order, **changes)


def _learned(order: Order, fact: OrderFact) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if fact.venue_order_id and fact.venue_order_id != order.venue_order_id:
        is_unseen = order.claim.rank < 0 and not order.booked
        if not order.venue_order_id or (is_unseen and fact.venue is not None):
            # An id that an answer named and nothing of the venue ever showed gives way to the one that a row shows.
            changes["venue_order_id"] = fact.venue_order_id
        elif fact.event is E.REPLACED:
            changes["venue_order_id"] = fact.venue_order_id
            changes["other_ids"] = (*order.other_ids, order.venue_order_id)
        elif fact.venue_order_id not in order.other_ids:
            changes["other_ids"] = (*order.other_ids, fact.venue_order_id)
    venue = fact.venue
    if venue is not None and venue.filled > order.claim.filled:
        changes["claim"] = replace(order.claim, filled=venue.filled, average_price=venue.average_price)
    return changes


def _flag(order: Order, fact: OrderFact, changes: dict[str, Any]) -> None:
    """Note in `changes` what an event means for the cancel, the replace, the terms and the venue's claim."""
    event, venue = fact.event, fact.venue
    if event in CANCELS:
        was, is_sent = order.cancel, event is E.CANCEL_SENT
        changes["cancel"] = CancelState(CANCELS[event], was.tries + is_sent, fact.mono if is_sent else was.sent_mono)
    elif event in REPLACES:
        _replace_asked(order, fact, changes)
    elif event in NEW_TERMS:
        _terms_changed(order, fact, changes)
    elif event in LINKS:
        changes["is_stale"] = event is E.LINK_LOST
    elif event in RANKS:
        changes["is_stale"] = False
        if venue is not None:
            _date(order, venue, changes, RANKS[event])


def _replace_asked(order: Order, fact: OrderFact, changes: dict[str, Any]) -> None:
    was, wish = order.replace, REPLACES[fact.event]
    if fact.event is E.REPLACE_SENT:
        changes["replace"] = ReplaceState(wish, was.tries + 1, fact.mono, fact.terms)
        changes["reference"] = fact.reference or order.reference
    else:
        changes["replace"] = ReplaceState(wish, was.tries, was.mono, was.terms)


def _terms_changed(order: Order, fact: OrderFact, changes: dict[str, Any]) -> None:
    was, venue, terms = order.replace, fact.venue, fact.terms or order.replace.terms
    if fact.event is REPLACED:
        changes["replace"] = ReplaceState(NO_WISH, was.tries, fact.mono)
        if terms is not None:
            changes["quantity"], changes["price"] = terms.quantity, terms.price
    elif venue is not None:
        changes["replace"] = was.ended()
        changes["quantity"], changes["price"] = venue.quantity, venue.price
    if venue is not None:  # what is older than these terms tells of others
        _date(order, venue, changes)


def _date(order: Order, venue: VenueOrder, changes: dict[str, Any], rank: int | None = None) -> None:
    claim: VenueClaim = changes.get("claim", order.claim)
    seen_at, rank = max(claim.seen_at, venue.changed_at), claim.rank if rank is None else rank
    changes["claim"] = replace(claim, seen_at=seen_at, rank=rank)


def _revive(order: Order, changes: dict[str, Any]) -> None:
    """Note in `changes` what holds again for an order that had ended."""
    changes["is_presumed"] = False
    claim: VenueClaim = changes.get("claim", order.claim)
    if claim.ended_as is not None:
        changes["claim"] = replace(claim, ended_as=None)
    cancel: CancelState = changes.get("cancel", order.cancel)
    if cancel.tries:
        changes["cancel"] = replace(cancel, tries=0)


def _entered(order: Order, fact: OrderFact, changes: dict[str, Any], state: OrderState) -> Order:
    """Return `order` in `state` with what coming into it, or leaving the old one, means."""
    filled = changes.get("filled", order.filled)
    if filled and state in QUIET:
        state = _by_quantity(state, filled, _most(order, changes))
    elif filled and state is REJECTED:
        state = CANCELED  # what was filled stays, the rest is gone
    is_end = state.is_terminal and state is not order.state
    changes["times"] = _times(order.times, fact, is_end=is_end)
    if state is order.state:
        return _with(order, changes)
    changes["state"] = state
    if fact.reason:
        changes["reason"] = fact.reason
    if is_end:
        _end(order, fact, changes, state)
    elif order.state.is_terminal:
        _revive(order, changes)
    return replace(order, **changes)


def _end(order: Order, fact: OrderFact, changes: dict[str, Any], state: OrderState) -> None:
    """Note in `changes` what ends with an order that ends in `state`."""
    changes["cancel"] = changes.get("cancel", order.cancel).ended()
    changes["replace"] = changes.get("replace", order.replace).ended()
    changes["is_stale"], changes["is_presumed"] = False, fact.event is NOT_FOUND and not fact.is_proof
    if fact.event in RANKS and state is not FILLED:  # which is what the fills say, and ends with them
        changes["claim"] = replace(changes.get("claim", order.claim), ended_as=state)
        if not order.cancel.wish.is_pending and state in (CANCELED, S.EXPIRED) and order.origin is OWN:
            changes["origin"] = Origin.BROKER


def _times(was: OrderTimes, fact: OrderFact, *, is_end: bool) -> OrderTimes:
    acked, mono = was.acked_mono, fact.mono
    if fact.event is ACCEPTED or (not acked and (fact.event is EXECUTED or fact.event in RANKS)):
        acked = mono
    return OrderTimes(was.begun_at, fact.at, was.sent_mono, acked, mono if is_end else was.ended_mono)


def _told(order: Order, fact: OrderFact, changes: dict[str, Any], target: OrderState | str | None) -> Order:
    """Return `order` after what is no new fill: a status, a cancel or a change and its answer, a fill taken back."""
    if fact.event in FILLS:
        return _corrected(order, fact, changes)
    _flag(order, fact, changes)
    if target is None:
        return _entered(order, fact, changes, order.state)
    if not isinstance(target, OrderState):
        target = _by_quantity(order.state, order.filled, _most(order, changes))
    return _entered(order, fact, changes, target)


def _corrected(order: Order, fact: OrderFact, changes: dict[str, Any]) -> Order:
    """Return `order` after its venue took a fill back, or after one that cannot be booked was put aside."""
    assert fact.execution is not None, f"{fact.event} fact of {fact.order_id} carries no execution"
    if fact.event is REVERSED:
        return _reverse(order, fact, fact.execution, changes)
    changes["odd"] = replace(order.odd, quarantined=order.odd.quarantined | {fact.execution.key})
    return _with(order, changes)


def _book(order: Order, fact: OrderFact, execution: Execution, changes: dict[str, Any]) -> Order:
    odd = order.odd
    if order.booked or odd.busted:
        known = _find((*order.booked, *odd.busted), execution)
        if known is not None and (known in order.booked or known.tells_the_same(execution)):
            changes["ignored"] = order.ignored + 1
            if not known.tells_the_same(execution):
                changes["odd"] = replace(odd, quarantined=odd.quarantined | {execution.key})
            return _with(order, changes)
    if odd.busted or odd.quarantined or order.state.is_terminal:
        busted = tuple(e for e in odd.busted if e.key != execution.key)
        late = odd.late + order.state.is_terminal
        changes["odd"] = OddFills(busted, odd.quarantined - {execution.key}, late)
    changes["filled"] = filled = order.filled + execution.quantity
    changes["value"] = order.value + execution.quantity * execution.price
    changes["booked"] = (*order.booked, execution) if order.booked else (execution,)
    if not order.venue_order_id:
        changes["venue_order_id"] = execution.venue_order_id
    return _entered(order, fact, changes, _by_quantity(order.state, filled, _most(order, changes)))


def _reverse(order: Order, fact: OrderFact, execution: Execution, changes: dict[str, Any]) -> Order:
    booked = _find(order.booked, execution)
    if booked is None:
        return _with(order, changes | {"ignored": order.ignored + 1})
    filled, odd = order.filled - booked.quantity, order.odd
    busted = odd.busted if booked.is_inferred else (*odd.busted, booked)
    changes |= {
        "filled": filled,
        "value": order.value - booked.quantity * booked.price,
        "booked": tuple(e for e in order.booked if e.key != booked.key),
        "odd": OddFills(busted, odd.quarantined - {booked.key}, odd.late),
    }
    state, claim = order.state, order.claim
    if state in (FILLED, PARTIAL) and filled < order.quantity:
        # A trade taken back is not put into the book again: an order that was through has ended short of it.
        over = CANCELED if claim.filled >= order.quantity and not booked.is_inferred else None
        state = claim.ended_as or over or (PARTIAL if filled else OPEN)
    return _entered(order, fact, changes, state)


def _find(executions: tuple[Execution, ...], execution: Execution) -> Execution | None:
    return next((e for e in executions if e.key == execution.key), None)


def _most(order: Order, changes: dict[str, Any]) -> Decimal:
    # A larger quantity that was asked for may be in force already: until that is known, more may fill.
    if order.replace.terms is None and "quantity" not in changes:
        return order.quantity
    quantity: Decimal = changes.get("quantity", order.quantity)
    asked: ReplaceState = changes.get("replace", order.replace)
    return quantity if asked.terms is None else max(quantity, asked.terms.quantity)


def _by_quantity(state: OrderState, filled: Decimal, quantity: Decimal) -> OrderState:
    if filled >= quantity:
        return FILLED
    if state.is_terminal and state not in GONE:
        return state
    # Found by its fill: what we took for gone works at the venue.
    return PARTIAL if filled else (OPEN if state in (PARTIAL, UNKNOWN) else state)
