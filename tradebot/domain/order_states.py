"""The states of an order, the events that can happen to it, and a rule for every pair; pure data for the reducer.

Every pair of state and event is either in `TRANSITION_RULES` or in `IGNORED_PAIRS`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class OrderState(StrEnum):
    """The states of an order."""

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

    is_terminal: bool  # nothing more is expected; a fill is still accepted
    is_live: bool  # it may still trade and counts as exposure; UNKNOWN is live

    def __init__(self, value: str) -> None:
        # Attributes, not properties: the reducer reads them for every event.
        self.is_terminal = value in ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "LAPSED", "ABSENT")
        self.is_live = not self.is_terminal


class OrderEventType(StrEnum):
    """Everything that can happen to an order."""

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
    TRIGGERED = "triggered"


class RequestState(StrEnum):
    """The state of a cancel or replace request, independent of the state of its order."""

    NONE = "none"
    SENDING = "sending"  # waits for the result of the order itself
    SENT = "sent"
    UNKNOWN = "unknown"
    REFUSED = "refused"

    @property
    def is_pending(self) -> bool:
        """Return True while the venue may still act on the request."""
        return self in (RequestState.SENDING, RequestState.SENT, RequestState.UNKNOWN)


class OrderOrigin(StrEnum):
    """Who caused the order or its end."""

    OWN = "own"
    EXTERNAL = "external"
    BROKER = "broker"


class TransitionRule(NamedTuple):
    """One rule: the state that `event` leads to from each state in `sources`.

    With `target` None the state stays and only other fields change. With BY_QUANTITY the state follows from the fills.
    """

    event: OrderEventType
    sources: tuple[OrderState, ...]
    target: OrderState | str | None


S, E = OrderState, OrderEventType
BY_QUANTITY = "by quantity"
ALL_STATES = tuple(S)
ENDED_AT_VENUE = (S.FILLED, S.CANCELED, S.EXPIRED)
NOT_AT_VENUE = (S.ABSENT, S.LAPSED, S.REJECTED)  # ends that a later report of the venue may disprove
TERMINAL_STATES = (*ENDED_AT_VENUE, *NOT_AT_VENUE, S.DENIED)
TERMINAL_SET = frozenset(TERMINAL_STATES)
AT_VENUE = (S.ACKED, S.OPEN, S.PARTIAL)
WORKING_STATES = (S.SENDING, *AT_VENUE, S.UNKNOWN)
LIVE_STATES = (S.INTENT, *WORKING_STATES)

TRANSITION_RULES: tuple[TransitionRule, ...] = (
    # Sending an order, and the answer.
    TransitionRule(E.LAPSED, (S.INTENT,), S.LAPSED),  # never sent
    TransitionRule(E.SENDING, (S.INTENT,), S.SENDING),  # on disk before the first byte is sent
    TransitionRule(E.NOT_SENT, (S.SENDING,), S.ABSENT),  # no byte was sent
    TransitionRule(E.ACCEPTED, (S.SENDING, S.UNKNOWN, S.ABSENT), S.ACKED),
    TransitionRule(E.REFUSED, (S.SENDING, S.ACKED), S.REJECTED),  # final
    TransitionRule(E.AMBIGUOUS, (S.SENDING,), S.UNKNOWN),
    # Reported by the venue.
    TransitionRule(E.SEEN_ACKED, (S.SENDING, S.UNKNOWN, *NOT_AT_VENUE), S.ACKED),
    TransitionRule(E.SEEN_OPEN, (S.SENDING, S.UNKNOWN, *NOT_AT_VENUE), S.OPEN),
    # The venue reports it as filled before we have its fills: it stays open, at full exposure, until they are booked.
    TransitionRule(E.SEEN_FILLED, (S.SENDING, S.UNKNOWN, S.ACKED, *NOT_AT_VENUE), S.OPEN),
    TransitionRule(E.SEEN_CANCELED, NOT_AT_VENUE, S.CANCELED),
    TransitionRule(E.SEEN_EXPIRED, NOT_AT_VENUE, S.EXPIRED),
    TransitionRule(E.SEEN_REJECTED, (S.SENDING, S.UNKNOWN, S.ABSENT, S.LAPSED), S.REJECTED),
    TransitionRule(E.NOT_FOUND, (S.UNKNOWN,), S.ABSENT),  # final
    TransitionRule(E.SEEN_OPEN, (S.ACKED,), S.OPEN),  # confirmed by the exchange
    # Fills: booked in every state, quarantined when reported again with other figures, reversed.
    TransitionRule(E.EXECUTED, ALL_STATES, BY_QUANTITY),
    TransitionRule(E.QUARANTINED, ALL_STATES, None),
    TransitionRule(E.REVERSED, ALL_STATES, BY_QUANTITY),
    # A cancel: requested before the venue's id of its order is known, sent, answered.
    TransitionRule(E.CANCEL_ASKED, (S.INTENT, S.SENDING, S.UNKNOWN), None),
    TransitionRule(E.CANCEL_SENT, (*AT_VENUE, S.UNKNOWN), None),
    TransitionRule(E.CANCEL_ACCEPTED, LIVE_STATES, None),
    TransitionRule(E.SEEN_CANCELED, WORKING_STATES, S.CANCELED),
    TransitionRule(E.CANCEL_REFUSED, LIVE_STATES, None),
    TransitionRule(E.CANCEL_UNKNOWN, LIVE_STATES, None),
    # A replace: sent, answered.
    TransitionRule(E.REPLACE_SENT, (S.OPEN, S.PARTIAL), None),
    TransitionRule(E.REPLACED, (S.OPEN, S.PARTIAL, S.UNKNOWN), BY_QUANTITY),
    TransitionRule(E.REPLACE_REFUSED, LIVE_STATES, None),
    TransitionRule(E.REPLACE_UNKNOWN, LIVE_STATES, None),
    # Ended by the venue, or changed by another person or program.
    TransitionRule(E.SEEN_EXPIRED, WORKING_STATES, S.EXPIRED),
    TransitionRule(E.SEEN_REJECTED, (S.ACKED, S.OPEN), S.REJECTED),
    TransitionRule(E.SEEN_REJECTED, (S.PARTIAL,), S.CANCELED),
    TransitionRule(E.CHANGED, (*AT_VENUE, S.UNKNOWN), BY_QUANTITY),
    # A stop that rested has triggered: from now on it is an active order, which may fill.
    TransitionRule(E.TRIGGERED, (*AT_VENUE, S.UNKNOWN), None),
    # Our knowledge is out of date: the link was lost, a working order is not found, its day has ended.
    TransitionRule(E.LINK_LOST, LIVE_STATES, None),
    TransitionRule(E.LINK_BACK, LIVE_STATES, None),
    TransitionRule(E.NOT_FOUND, AT_VENUE, S.UNKNOWN),
    TransitionRule(E.DAY_ENDED, AT_VENUE, S.UNKNOWN),
)
RULES_BY_PAIR: dict[tuple[OrderState, OrderEventType], TransitionRule] = {
    (state, row.event): row for row in TRANSITION_RULES for state in row.sources
}
# (state, event) -> the next state, for the rules that name one.
TRANSITIONS: dict[tuple[OrderState, OrderEventType], OrderState] = {
    pair: row.target for pair, row in RULES_BY_PAIR.items() if isinstance(row.target, OrderState)
}


def _all_states_but(*states: OrderState) -> tuple[OrderState, ...]:
    return tuple(state for state in ALL_STATES if state not in states)


# Events that change nothing and are counted: (event, states, why). A complete list, so that a missing pair is found.
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
    (E.TRIGGERED, (S.INTENT, S.SENDING, *TERMINAL_STATES), "it has ended, or its first sighting comes first"),
    (E.LINK_LOST, TERMINAL_STATES, "nothing is awaited"),
    (E.LINK_BACK, TERMINAL_STATES, "nothing is awaited"),
    (E.DAY_ENDED, (S.INTENT, S.SENDING, S.UNKNOWN, *TERMINAL_STATES), "it has ended, or is in doubt already"),
)
IGNORED_PAIRS: dict[tuple[OrderState, OrderEventType], str] = {
    (s, e): why for e, states, why in IGNORED_EVENTS for s in states
}
