"""The fold: facts in, the view of an order out. Pure, so a replay of the journal gives the same orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tradebot.domain.order import Execution, Order, OrderFact, Purpose, Terms, VenueOrder
from tradebot.domain.order_states import GONE, ROWS, OrderEvent, OrderState, Origin, Wish

S, E = OrderState, OrderEvent
# Bound once: reading a member of an enumeration costs as much as a call, and the fold runs four times an order.
INTENT, SENDING, ACCEPTED, NOT_FOUND, REPLACED = E.INTENT, E.SENDING, E.ACCEPTED, E.NOT_FOUND, E.REPLACED
EXECUTED, REVERSED = E.EXECUTED, E.REVERSED
FILLED, PARTIAL, OPEN, CANCELED, REJECTED, UNKNOWN = (
    S.FILLED, S.PARTIAL, S.OPEN, S.CANCELED, S.REJECTED, S.UNKNOWN
)  # fmt: skip
REVIVED: dict[str, Any] = {"ended_as": None, "is_presumed": False, "cancel_tries": 0}
NO_WISH, OWN, EXTERNAL = Wish.NONE, Origin.OWN, Purpose.EXTERNAL
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
        origin=Origin.EXTERNAL if request.is_external else OWN,
        reason=fact.reason,
        begun_at=fact.at,
        changed_at=fact.at,
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
        changes["state"], changes["changed_at"] = row.target, fact.at
        changes["sent_mono" if event is SENDING else "acked_mono"] = fact.mono
        if fact.reason:
            changes["reason"] = fact.reason
        if order.state.is_terminal:
            changes |= REVIVED
        return replace(order, **changes)
    if event is EXECUTED and fact.execution is not None:
        return _book(order, fact, fact.execution, changes)
    return _told(order, fact, changes, row.target)


def is_old(order: Order, event: OrderEvent, venue: VenueOrder | None) -> bool:
    """True for a status older than the last one that counted, by (venue's time, rank); one without time is as new."""
    if venue is None or event not in RANKS:
        return False
    return (venue.changed_at or order.seen_at, RANKS[event]) < (order.seen_at, order.rank)


def _with(order: Order, changes: dict[str, Any]) -> Order:
    return replace(order, **changes)


def _learned(order: Order, fact: OrderFact) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if fact.venue_order_id and fact.venue_order_id != order.venue_order_id:
        is_unseen = order.rank < 0 and not order.booked
        if not order.venue_order_id or (is_unseen and fact.venue is not None):
            # An id that an answer named and nothing of the venue ever showed gives way to the one that a row shows.
            changes["venue_order_id"] = fact.venue_order_id
        elif fact.event is E.REPLACED:
            changes["venue_order_id"] = fact.venue_order_id
            changes["other_ids"] = (*order.other_ids, order.venue_order_id)
        elif fact.venue_order_id not in order.other_ids:
            changes["other_ids"] = (*order.other_ids, fact.venue_order_id)
    if fact.venue is not None and fact.venue.filled > order.claimed:
        changes |= {"claimed": fact.venue.filled, "claimed_price": fact.venue.average_price}
    return changes


def _flags(order: Order, fact: OrderFact) -> dict[str, Any]:
    event, venue = fact.event, fact.venue
    if event is ACCEPTED:
        return {"acked_mono": fact.mono}
    if event in CANCELS:
        changes: dict[str, Any] = {"cancel": CANCELS[event]}
        if event is E.CANCEL_SENT:
            changes |= {"cancel_tries": order.cancel_tries + 1, "cancel_mono": fact.mono}
        return changes
    if event in REPLACES:
        changes = {"replace": REPLACES[event]}
        if event is E.REPLACE_SENT:
            changes |= {"pending": fact.terms, "replace_tries": order.replace_tries + 1, "replace_mono": fact.mono}
            changes["reference"] = fact.reference or order.reference
        return changes
    match event:
        case E.REPLACED:
            terms = fact.terms or order.pending
            settled: dict[str, Any] = {"replace": Wish.NONE, "pending": None, "replace_mono": fact.mono}
            if venue is not None:  # what is older than these terms tells of others
                settled["seen_at"] = max(order.seen_at, venue.changed_at)
            return settled | ({"quantity": terms.quantity, "price": terms.price} if terms is not None else {})
        case E.CHANGED if venue is not None:
            seen_at = max(order.seen_at, venue.changed_at)
            terms_of = {"quantity": venue.quantity, "price": venue.price, "seen_at": seen_at}
            return terms_of | {"replace": Wish.NONE, "pending": None}
        case E.LINK_LOST | E.LINK_BACK:
            return {"is_stale": event is E.LINK_LOST}
        case _ if event in RANKS:
            seen: dict[str, Any] = {"acked_mono": order.acked_mono or fact.mono, "is_stale": False}
            if venue is not None:
                seen |= {"seen_at": max(order.seen_at, venue.changed_at), "rank": RANKS[event]}
            return seen
    return {}


def _entered(order: Order, fact: OrderFact, changes: dict[str, Any], state: OrderState) -> Order:
    """Return `order` in `state` with what coming into it, or leaving the old one, means."""
    filled = changes.get("filled", order.filled)
    if filled and state in QUIET:
        state = _by_quantity(state, filled, _most(order, changes))
    elif filled and state is REJECTED:
        state = CANCELED  # what was filled stays, the rest is gone
    if state is order.state:
        return _with(order, changes)
    changes["state"] = state
    if fact.reason:
        changes["reason"] = fact.reason
    if state.is_terminal:
        changes["cancel"] = changes["replace"] = NO_WISH
        changes["pending"], changes["is_stale"], changes["ended_mono"] = None, False, fact.mono
        changes["is_presumed"] = fact.event is NOT_FOUND and not fact.is_proof
        if fact.event in RANKS and state is not FILLED:  # which is what the fills say, and ends with them
            changes["ended_as"] = state
            if not order.cancel.is_pending and state in (CANCELED, S.EXPIRED) and order.origin is OWN:
                changes["origin"] = Origin.BROKER
    elif order.state.is_terminal:
        changes |= REVIVED
    return replace(order, **changes)


def _told(order: Order, fact: OrderFact, changes: dict[str, Any], target: OrderState | str | None) -> Order:
    """Return `order` after what is no new fill: a status, a cancel or a change and its answer, a fill taken back."""
    if fact.event in FILLS:
        return _corrected(order, fact, changes)
    changes["changed_at"] = fact.at
    changes |= _flags(order, fact)
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
    changes["quarantined"] = order.quarantined | {fact.execution.key}
    return _with(order, changes)


def _book(order: Order, fact: OrderFact, execution: Execution, changes: dict[str, Any]) -> Order:
    if order.booked or order.busted:
        known = _find((*order.booked, *order.busted), execution)
        if known is not None and (known in order.booked or known.tells_the_same(execution)):
            changes["ignored"] = order.ignored + 1
            if not known.tells_the_same(execution):
                changes["quarantined"] = order.quarantined | {execution.key}
            return _with(order, changes)
        if order.busted:
            changes["busted"] = tuple(e for e in order.busted if e.key != execution.key)
    if order.quarantined:
        changes["quarantined"] = order.quarantined - {execution.key}
    if order.state.is_terminal:
        changes["late_fills"] = order.late_fills + 1
    changes["filled"] = filled = order.filled + execution.quantity
    changes["value"] = order.value + execution.quantity * execution.price
    changes["booked"] = (*order.booked, execution) if order.booked else (execution,)
    if not order.venue_order_id:
        changes["venue_order_id"] = execution.venue_order_id
    changes["acked_mono"] = order.acked_mono or fact.mono
    changes["changed_at"] = fact.at
    return _entered(order, fact, changes, _by_quantity(order.state, filled, _most(order, changes)))


def _reverse(order: Order, fact: OrderFact, execution: Execution, changes: dict[str, Any]) -> Order:
    booked = _find(order.booked, execution)
    if booked is None:
        return _with(order, changes | {"ignored": order.ignored + 1})
    filled = order.filled - booked.quantity
    changes |= {
        "filled": filled,
        "value": order.value - booked.quantity * booked.price,
        "booked": tuple(e for e in order.booked if e.key != booked.key),
        "quarantined": order.quarantined - {booked.key},
        "changed_at": fact.at,
    }
    if not booked.is_inferred:
        changes["busted"] = (*order.busted, booked)
    state = order.state
    if state in (FILLED, PARTIAL) and filled < order.quantity:
        # A trade taken back is not put into the book again: an order that was through has ended short of it.
        over = CANCELED if order.claimed >= order.quantity and not booked.is_inferred else None
        state = order.ended_as or over or (PARTIAL if filled else OPEN)
    return _entered(order, fact, changes, state)


def _find(executions: tuple[Execution, ...], execution: Execution) -> Execution | None:
    return next((e for e in executions if e.key == execution.key), None)


def _most(order: Order, changes: dict[str, Any]) -> Decimal:
    # A larger quantity that was asked for may be in force already: until that is known, more may fill.
    if order.pending is None and "quantity" not in changes:
        return order.quantity
    quantity: Decimal = changes.get("quantity", order.quantity)
    pending: Terms | None = changes.get("pending", order.pending)
    return quantity if pending is None else max(quantity, pending.quantity)


def _by_quantity(state: OrderState, filled: Decimal, quantity: Decimal) -> OrderState:
    if filled >= quantity:
        return FILLED
    if state.is_terminal and state not in GONE:
        return state
    # Found by its fill: what we took for gone works at the venue.
    return PARTIAL if filled else (OPEN if state in (PARTIAL, UNKNOWN) else state)
