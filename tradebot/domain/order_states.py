"""The states of an order, what can happen to it, and the table of every pair of the two; pure data, read by the fold.

A pair is either in `TABLE` or in `NO_OPS`: what is in neither does not exist.
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


class OrderEvent(StrEnum):
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


class Wish(StrEnum):
    """How far a cancel or a replace has come, independent of the state."""

    NONE = "none"
    SENDING = "sending"  # waits for the outcome of the order itself
    SENT = "sent"
    UNKNOWN = "unknown"
    REFUSED = "refused"

    @property
    def is_pending(self) -> bool:
        """True while the venue may act on it."""
        return self in (Wish.SENDING, Wish.SENT, Wish.UNKNOWN)


class Origin(StrEnum):
    """Who caused the order or its end."""

    OWN = "own"
    EXTERNAL = "external"
    BROKER = "broker"


class Row(NamedTuple):
    """One rule of the table: what `event` does in `sources`.

    `target` None leaves the state and changes flags or fields; BY_QUANTITY lets the fills decide.
    """

    event: OrderEvent
    sources: tuple[OrderState, ...]
    target: OrderState | str | None


S, E = OrderState, OrderEvent
BY_QUANTITY = "by quantity"
ALL = tuple(S)
ENDED = (S.FILLED, S.CANCELED, S.EXPIRED)
GONE = (S.ABSENT, S.LAPSED, S.REJECTED)
OVER = (*ENDED, *GONE, S.DENIED)
TERMINAL = frozenset(OVER)
AT_VENUE = (S.ACKED, S.OPEN, S.PARTIAL)
WORKING = (S.SENDING, *AT_VENUE, S.UNKNOWN)
LIVE = (S.INTENT, *WORKING)

TABLE: tuple[Row, ...] = (
    # Sending, and the answer to it.
    Row(E.LAPSED, (S.INTENT,), S.LAPSED),  # never sent
    Row(E.SENDING, (S.INTENT,), S.SENDING),  # durable before the first byte
    Row(E.NOT_SENT, (S.SENDING,), S.ABSENT),  # no byte left
    Row(E.ACCEPTED, (S.SENDING, S.UNKNOWN, S.ABSENT), S.ACKED),
    Row(E.REFUSED, (S.SENDING, S.ACKED), S.REJECTED),  # for good
    Row(E.AMBIGUOUS, (S.SENDING,), S.UNKNOWN),
    # Found at the venue.
    Row(E.SEEN_ACKED, (S.SENDING, S.UNKNOWN, *GONE), S.ACKED),
    Row(E.SEEN_OPEN, (S.SENDING, S.UNKNOWN, *GONE), S.OPEN),
    # The venue calls it filled before we have its fills: it works, at full exposure, until they are booked.
    Row(E.SEEN_FILLED, (S.SENDING, S.UNKNOWN, S.ACKED, *GONE), S.OPEN),
    Row(E.SEEN_CANCELED, GONE, S.CANCELED),
    Row(E.SEEN_EXPIRED, GONE, S.EXPIRED),
    Row(E.SEEN_REJECTED, (S.SENDING, S.UNKNOWN, S.ABSENT, S.LAPSED), S.REJECTED),
    Row(E.NOT_FOUND, (S.UNKNOWN,), S.ABSENT),  # for good
    Row(E.SEEN_OPEN, (S.ACKED,), S.OPEN),  # confirmed by the exchange
    # Fills: booked whatever the state, put aside when told with other figures, taken back.
    Row(E.EXECUTED, ALL, BY_QUANTITY),
    Row(E.QUARANTINED, ALL, None),
    Row(E.REVERSED, ALL, BY_QUANTITY),
    # A cancel: asked for before its order can be named, sent, and answered.
    Row(E.CANCEL_ASKED, (S.INTENT, S.SENDING, S.UNKNOWN), None),
    Row(E.CANCEL_SENT, (*AT_VENUE, S.UNKNOWN), None),
    Row(E.CANCEL_ACCEPTED, LIVE, None),
    Row(E.SEEN_CANCELED, WORKING, S.CANCELED),
    Row(E.CANCEL_REFUSED, LIVE, None),
    Row(E.CANCEL_UNKNOWN, LIVE, None),
    # A replace: sent, and answered.
    Row(E.REPLACE_SENT, (S.OPEN, S.PARTIAL), None),
    Row(E.REPLACED, (S.OPEN, S.PARTIAL, S.UNKNOWN), BY_QUANTITY),
    Row(E.REPLACE_REFUSED, LIVE, None),
    Row(E.REPLACE_UNKNOWN, LIVE, None),
    # What the venue ended or somebody else changed.
    Row(E.SEEN_EXPIRED, WORKING, S.EXPIRED),
    Row(E.SEEN_REJECTED, (S.ACKED, S.OPEN), S.REJECTED),
    Row(E.SEEN_REJECTED, (S.PARTIAL,), S.CANCELED),
    Row(E.CHANGED, (*AT_VENUE, S.UNKNOWN), BY_QUANTITY),
    # What we may know no more: the link, an order that worked, the day it was for.
    Row(E.LINK_LOST, LIVE, None),
    Row(E.LINK_BACK, LIVE, None),
    Row(E.NOT_FOUND, AT_VENUE, S.UNKNOWN),
    Row(E.DAY_ENDED, AT_VENUE, S.UNKNOWN),
)
ROWS: dict[tuple[OrderState, OrderEvent], Row] = {(state, row.event): row for row in TABLE for state in row.sources}
# (state, event) -> the state it leads to, where that is another rule than counting fills.
TRANSITIONS: dict[tuple[OrderState, OrderEvent], OrderState] = {
    pair: row.target for pair, row in ROWS.items() if isinstance(row.target, OrderState)
}


def _besides(*states: OrderState) -> tuple[OrderState, ...]:
    return tuple(state for state in ALL if state not in states)


# What changes nothing and is counted: (event, states, why). Written out, so that a pair nobody thought of is found.
HARMLESS: tuple[tuple[OrderEvent, tuple[OrderState, ...], str], ...] = (
    (E.DENIED, ALL, "an order begins once"),
    (E.INTENT, ALL, "an order begins once"),
    (E.LAPSED, _besides(S.INTENT), "its sending had begun, or it had ended"),
    (E.SENDING, _besides(S.INTENT), "an order is sent once"),
    (E.NOT_SENT, _besides(S.SENDING), "the venue knows better"),
    (E.ACCEPTED, (S.INTENT, *AT_VENUE, *ENDED, S.REJECTED, S.LAPSED, S.DENIED), "more is known already"),
    (E.REFUSED, _besides(S.SENDING, S.ACKED), "the venue's own list knows better"),
    (E.AMBIGUOUS, _besides(S.SENDING), "the stream was faster than the answer"),
    (E.SEEN_ACKED, (S.INTENT, *AT_VENUE, *ENDED, S.DENIED), "a state never goes back"),
    (E.SEEN_OPEN, (S.INTENT, S.OPEN, S.PARTIAL, *ENDED, S.DENIED), "a state never goes back"),
    (E.SEEN_FILLED, (S.INTENT, S.OPEN, S.PARTIAL, *ENDED, S.DENIED), "fills come from executions alone"),
    (E.SEEN_CANCELED, (S.INTENT, *ENDED, S.DENIED), "it has ended, or was never sent"),
    (E.SEEN_EXPIRED, (S.INTENT, *ENDED, S.DENIED), "it has ended, or was never sent"),
    (E.SEEN_REJECTED, (S.INTENT, *ENDED, S.REJECTED, S.DENIED), "it has ended, or was never sent"),
    (E.NOT_FOUND, (S.INTENT, S.SENDING, *OVER), "it need not be there"),
    (E.CANCEL_ASKED, (*AT_VENUE, *OVER), "it goes out at once, or there is nothing to cancel"),
    (E.CANCEL_SENT, (S.INTENT, S.SENDING, *OVER), "there is nothing to cancel"),
    (E.CANCEL_ACCEPTED, OVER, "it has ended"),
    (E.CANCEL_REFUSED, OVER, "it has ended"),
    (E.CANCEL_UNKNOWN, OVER, "it has ended"),
    (E.REPLACE_SENT, _besides(S.OPEN, S.PARTIAL), "only what works can be replaced"),
    (E.REPLACED, _besides(S.OPEN, S.PARTIAL, S.UNKNOWN), "only what works can be replaced"),
    (E.REPLACE_REFUSED, OVER, "it has ended"),
    (E.REPLACE_UNKNOWN, OVER, "it has ended"),
    (E.CHANGED, (S.INTENT, S.SENDING, *OVER), "it has ended, or its first sighting brings the terms"),
    (E.LINK_LOST, OVER, "nothing is awaited"),
    (E.LINK_BACK, OVER, "nothing is awaited"),
    (E.DAY_ENDED, (S.INTENT, S.SENDING, S.UNKNOWN, *OVER), "it has ended, or is in doubt already"),
)
NO_OPS: dict[tuple[OrderState, OrderEvent], str] = {(s, e): why for e, states, why in HARMLESS for s in states}
