"""The states of an order, what can happen to it, and the table of every pair of the two; pure data, read by the fold.

A pair is either in `TRANSITION_RULES` or in `IGNORED_PAIRS`: what is in neither does not exist.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class OrderState(StrEnum):
    INTENT = "INTENT"
    SENDING = "SENDING"
    ACKED = "ACKED"
    OPEN = "OPEN"
    PARTIAL = "PARTIAL"
    UNKNOWN = "UNKNOWN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    LAPSED = "LAPSED"
    ABSENT = "ABSENT"

    is_terminal: bool  # no more is expected; a fill is still accepted
    is_live: bool  # it may still trade, UNKNOWN included: it counts as exposure

    def __init__(self, value: str) -> None:
        # Attributes and not properties: the fold asks them of every fact.
        self.is_terminal = value in ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "LAPSED", "ABSENT")
        self.is_live = not self.is_terminal


class OrderEventType(StrEnum):
    """Everything that can happen to an order; the columns of the table."""

    DENIED = "denied"
    INTENT = "intent"
    LAPSED = "lapsed"
    SENDING = "sending"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    SEEN_ACKED = "seen_acked"
    SEEN_OPEN = "seen_open"
    SEEN_FILLED = "seen_filled"
    SEEN_CANCELED = "seen_canceled"
    SEEN_EXPIRED = "seen_expired"
    SEEN_REJECTED = "seen_rejected"
    EXECUTED = "executed"
    REVERSED = "reversed"
    QUARANTINED = "quarantined"
    NOT_FOUND = "not_found"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_SENT = "cancel_sent"
    CANCEL_ACCEPTED = "cancel_accepted"
    CANCEL_REFUSED = "cancel_refused"
    CANCEL_UNKNOWN = "cancel_unknown"
    REPLACE_SENT = "replace_sent"
    REPLACED = "replaced"
    REPLACE_REFUSED = "replace_refused"
    REPLACE_UNKNOWN = "replace_unknown"
    CHANGED = "changed"
    LINK_LOST = "link_lost"
    LINK_BACK = "link_back"
    DAY_ENDED = "day_ended"


class RequestState(StrEnum):
    """How far a cancel or a replace has come, independent of the state."""

    NONE = "none"
    SENDING = "sending"  # waits for the outcome of the order itself
    SENT = "sent"
    UNKNOWN = "unknown"
    REFUSED = "refused"

    @property
    def is_pending(self) -> bool:
        """True while the venue may act on it."""
        return self in (RequestState.SENDING, RequestState.SENT, RequestState.UNKNOWN)


class OrderOrigin(StrEnum):
    """Who caused the order or its end."""

    OWN = "own"
    EXTERNAL = "external"
    BROKER = "broker"


class TransitionRule(NamedTuple):
    """One rule of the table: what `event` does in `sources`.

    `target` None leaves the state and changes flags or fields; BY_QUANTITY lets the fills decide.
    """

    event: OrderEventType
    sources: tuple[OrderState, ...]
    target: OrderState | str | None


S, E = OrderState, OrderEventType
BY_QUANTITY = "by quantity"
ALL_STATES = tuple(S)
ENDED_AT_VENUE = (S.FILLED, S.CANCELED, S.EXPIRED)
NOT_AT_VENUE = (S.ABSENT, S.LAPSED, S.REJECTED)
TERMINAL_STATES = (*ENDED_AT_VENUE, *NOT_AT_VENUE, S.DENIED)
TERMINAL_SET = frozenset(TERMINAL_STATES)
AT_VENUE = (S.ACKED, S.OPEN, S.PARTIAL)
WORKING_STATES = (S.SENDING, *AT_VENUE, S.UNKNOWN)
LIVE_STATES = (S.INTENT, *WORKING_STATES)

TRANSITION_RULES: tuple[TransitionRule, ...] = (
    # Sending, and the answer to it.
    TransitionRule(E.LAPSED, (S.INTENT,), S.LAPSED),  # never sent
    TransitionRule(E.SENDING, (S.INTENT,), S.SENDING),  # durable before the first byte
    TransitionRule(E.NOT_SENT, (S.SENDING,), S.ABSENT),  # no byte left
    TransitionRule(E.ACCEPTED, (S.SENDING, S.UNKNOWN, S.ABSENT), S.ACKED),
    TransitionRule(E.REFUSED, (S.SENDING, S.ACKED), S.REJECTED),  # for good
    TransitionRule(E.AMBIGUOUS, (S.SENDING,), S.UNKNOWN),
    # Found at the venue.
    TransitionRule(E.SEEN_ACKED, (S.SENDING, S.UNKNOWN, *NOT_AT_VENUE), S.ACKED),
    TransitionRule(E.SEEN_OPEN, (S.SENDING, S.UNKNOWN, *NOT_AT_VENUE), S.OPEN),
    # The venue calls it filled before we have its fills: it works, at full exposure, until they are booked.
    TransitionRule(E.SEEN_FILLED, (S.SENDING, S.UNKNOWN, S.ACKED, *NOT_AT_VENUE), S.OPEN),
    TransitionRule(E.SEEN_CANCELED, NOT_AT_VENUE, S.CANCELED),
    TransitionRule(E.SEEN_EXPIRED, NOT_AT_VENUE, S.EXPIRED),
    TransitionRule(E.SEEN_REJECTED, (S.SENDING, S.UNKNOWN, S.ABSENT, S.LAPSED), S.REJECTED),
    TransitionRule(E.NOT_FOUND, (S.UNKNOWN,), S.ABSENT),  # for good
    TransitionRule(E.SEEN_OPEN, (S.ACKED,), S.OPEN),  # confirmed by the exchange
    # Fills: booked whatever the state, put aside when told with other figures, taken back.
    TransitionRule(E.EXECUTED, ALL_STATES, BY_QUANTITY),
    TransitionRule(E.QUARANTINED, ALL_STATES, None),
    TransitionRule(E.REVERSED, ALL_STATES, BY_QUANTITY),
    # A cancel: asked for before its order can be named, sent, and answered.
    TransitionRule(E.CANCEL_ASKED, (S.INTENT, S.SENDING, S.UNKNOWN), None),
    TransitionRule(E.CANCEL_SENT, (*AT_VENUE, S.UNKNOWN), None),
    TransitionRule(E.CANCEL_ACCEPTED, LIVE_STATES, None),
    TransitionRule(E.SEEN_CANCELED, WORKING_STATES, S.CANCELED),
    TransitionRule(E.CANCEL_REFUSED, LIVE_STATES, None),
    TransitionRule(E.CANCEL_UNKNOWN, LIVE_STATES, None),
    # A replace: sent, and answered.
    TransitionRule(E.REPLACE_SENT, (S.OPEN, S.PARTIAL), None),
    TransitionRule(E.REPLACED, (S.OPEN, S.PARTIAL, S.UNKNOWN), BY_QUANTITY),
    TransitionRule(E.REPLACE_REFUSED, LIVE_STATES, None),
    TransitionRule(E.REPLACE_UNKNOWN, LIVE_STATES, None),
    # What the venue ended or somebody else changed.
    TransitionRule(E.SEEN_EXPIRED, WORKING_STATES, S.EXPIRED),
    TransitionRule(E.SEEN_REJECTED, (S.ACKED, S.OPEN), S.REJECTED),
    TransitionRule(E.SEEN_REJECTED, (S.PARTIAL,), S.CANCELED),
    TransitionRule(E.CHANGED, (*AT_VENUE, S.UNKNOWN), BY_QUANTITY),
    # What we may know no more: the link, an order that worked, the day it was for.
    TransitionRule(E.LINK_LOST, LIVE_STATES, None),
    TransitionRule(E.LINK_BACK, LIVE_STATES, None),
    TransitionRule(E.NOT_FOUND, AT_VENUE, S.UNKNOWN),
    TransitionRule(E.DAY_ENDED, AT_VENUE, S.UNKNOWN),
)
RULES_BY_PAIR: dict[tuple[OrderState, OrderEventType], TransitionRule] = {
    (state, row.event): row for row in TRANSITION_RULES for state in row.sources
}
# (state, event) -> the state it leads to, where that is another rule than counting fills.
TRANSITIONS: dict[tuple[OrderState, OrderEventType], OrderState] = {
    pair: row.target for pair, row in RULES_BY_PAIR.items() if isinstance(row.target, OrderState)
}


def _all_states_but(*states: OrderState) -> tuple[OrderState, ...]:
    return tuple(state for state in ALL_STATES if state not in states)


# What changes nothing and is counted: (event, states, why). Written out, so that a pair nobody thought of is found.
IGNORED_EVENTS: tuple[tuple[OrderEventType, tuple[OrderState, ...], str], ...] = (
    (E.DENIED, ALL_STATES, "an order begins once"),
    (E.INTENT, ALL_STATES, "an order begins once"),
    (E.LAPSED, _all_states_but(S.INTENT), "its sending had begun, or it had ended"),
    (E.SENDING, _all_states_but(S.INTENT), "an order is sent once"),
    (E.NOT_SENT, _all_states_but(S.SENDING), "the venue knows better"),
    (E.ACCEPTED, (S.INTENT, *AT_VENUE, *ENDED_AT_VENUE, S.REJECTED, S.LAPSED, S.DENIED), "more is known already"),
    (E.REFUSED, _all_states_but(S.SENDING, S.ACKED), "the venue's own list knows better"),
    (E.AMBIGUOUS, _all_states_but(S.SENDING), "the stream was faster than the answer"),
    (E.SEEN_ACKED, (S.INTENT, *AT_VENUE, *ENDED_AT_VENUE, S.DENIED), "a state never goes back"),
    (E.SEEN_OPEN, (S.INTENT, S.OPEN, S.PARTIAL, *ENDED_AT_VENUE, S.DENIED), "a state never goes back"),
    (E.SEEN_FILLED, (S.INTENT, S.OPEN, S.PARTIAL, *ENDED_AT_VENUE, S.DENIED), "fills come from executions alone"),
    (E.SEEN_CANCELED, (S.INTENT, *ENDED_AT_VENUE, S.DENIED), "it has ended, or was never sent"),
    (E.SEEN_EXPIRED, (S.INTENT, *ENDED_AT_VENUE, S.DENIED), "it has ended, or was never sent"),
    (E.SEEN_REJECTED, (S.INTENT, *ENDED_AT_VENUE, S.REJECTED, S.DENIED), "it has ended, or was never sent"),
    (E.NOT_FOUND, (S.INTENT, S.SENDING, *TERMINAL_STATES), "it need not be there"),
    (E.CANCEL_ASKED, (*AT_VENUE, *TERMINAL_STATES), "it goes out at once, or there is nothing to cancel"),
    (E.CANCEL_SENT, (S.INTENT, S.SENDING, *TERMINAL_STATES), "there is nothing to cancel"),
    (E.CANCEL_ACCEPTED, TERMINAL_STATES, "it has ended"),
    (E.CANCEL_REFUSED, TERMINAL_STATES, "it has ended"),
    (E.CANCEL_UNKNOWN, TERMINAL_STATES, "it has ended"),
    (E.REPLACE_SENT, _all_states_but(S.OPEN, S.PARTIAL), "only what works can be replaced"),
    (E.REPLACED, _all_states_but(S.OPEN, S.PARTIAL, S.UNKNOWN), "only what works can be replaced"),
    (E.REPLACE_REFUSED, TERMINAL_STATES, "it has ended"),
    (E.REPLACE_UNKNOWN, TERMINAL_STATES, "it has ended"),
    (E.CHANGED, (S.INTENT, S.SENDING, *TERMINAL_STATES), "it has ended, or its first sighting brings the terms"),
    (E.LINK_LOST, TERMINAL_STATES, "nothing is awaited"),
    (E.LINK_BACK, TERMINAL_STATES, "nothing is awaited"),
    (E.DAY_ENDED, (S.INTENT, S.SENDING, S.UNKNOWN, *TERMINAL_STATES), "it has ended, or is in doubt already"),
)
IGNORED_PAIRS: dict[tuple[OrderState, OrderEventType], str] = {
    (s, e): why for e, states, why in IGNORED_EVENTS for s in states
}
