"""The states of an order, what can happen to it, and the table of every pair of the two; pure data, read by the fold.

A pair is either in `TABLE` or in `NO_OPS`: what is in neither does not exist. Row numbers name one rule each:

     1 denied by the gate            15 fill beyond the quantity       29 cancel: no clear answer
     2 intent, reserved              16 fill after the end             30 replace sent
     3 lapsed, never sent            17 fill told again                31 replace confirmed
     4 sending, durable              18 fill told with other content   32 replace refused or unclear
     5 no byte left                  19 fill taken back                33 ended by the venue by itself
     6 accepted                      20 status older than the last     34 changed by somebody else
     7 refused for good              21 status knows more fills        35 order of somebody else
     8 no clear answer               22 status knows fewer fills       36 position changed without fills
     9 found at the venue            23 cancel asked before sending    37 session lost
    10 not found yet                 24 cancel asked while sending     38 session back
    11 not found for good            25 cancel sent                    39 venue's ids begin again
    12 confirmed by the exchange     26 cancel accepted                40 not found while working
    13 fill                          27 cancelled                      41 start: rows 3, 8 and 37
    14 last fill                     28 cancel refused                 42 the day ended over it

Rows 10, 17, 20 to 22 and 39 change no state by themselves; the fold or the sightings keep them.
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
    """Rule `number` of the table: what `event` does in `sources`.

    `target` None leaves the state and changes flags or fields; BY_QUANTITY lets the fills decide.
    """

    number: int
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
    Row(3, E.LAPSED, (S.INTENT,), S.LAPSED),
    Row(4, E.SENDING, (S.INTENT,), S.SENDING),
    Row(5, E.NOT_SENT, (S.SENDING,), S.ABSENT),
    Row(6, E.ACCEPTED, (S.SENDING, S.UNKNOWN, S.ABSENT), S.ACKED),
    Row(7, E.REFUSED, (S.SENDING, S.ACKED), S.REJECTED),
    Row(8, E.AMBIGUOUS, (S.SENDING,), S.UNKNOWN),
    Row(9, E.SEEN_ACKED, (S.SENDING, S.UNKNOWN, *GONE), S.ACKED),
    Row(9, E.SEEN_OPEN, (S.SENDING, S.UNKNOWN, *GONE), S.OPEN),
    # The venue calls it filled before we have its fills: it works, at full exposure, until they are booked.
    Row(9, E.SEEN_FILLED, (S.SENDING, S.UNKNOWN, S.ACKED, *GONE), S.OPEN),
    Row(9, E.SEEN_CANCELED, GONE, S.CANCELED),
    Row(9, E.SEEN_EXPIRED, GONE, S.EXPIRED),
    Row(9, E.SEEN_REJECTED, (S.SENDING, S.UNKNOWN, S.ABSENT, S.LAPSED), S.REJECTED),
    Row(11, E.NOT_FOUND, (S.UNKNOWN,), S.ABSENT),
    Row(12, E.SEEN_OPEN, (S.ACKED,), S.OPEN),
    Row(13, E.EXECUTED, ALL, BY_QUANTITY),
    Row(18, E.QUARANTINED, ALL, None),
    Row(19, E.REVERSED, ALL, BY_QUANTITY),
    Row(24, E.CANCEL_ASKED, (S.INTENT, S.SENDING, S.UNKNOWN), None),
    Row(25, E.CANCEL_SENT, (*AT_VENUE, S.UNKNOWN), None),
    Row(26, E.CANCEL_ACCEPTED, LIVE, None),
    Row(27, E.SEEN_CANCELED, WORKING, S.CANCELED),
    Row(28, E.CANCEL_REFUSED, LIVE, None),
    Row(29, E.CANCEL_UNKNOWN, LIVE, None),
    Row(30, E.REPLACE_SENT, (S.OPEN, S.PARTIAL), None),
    Row(31, E.REPLACED, (S.OPEN, S.PARTIAL, S.UNKNOWN), BY_QUANTITY),
    Row(32, E.REPLACE_REFUSED, LIVE, None),
    Row(32, E.REPLACE_UNKNOWN, LIVE, None),
    Row(33, E.SEEN_EXPIRED, WORKING, S.EXPIRED),
    Row(33, E.SEEN_REJECTED, (S.ACKED, S.OPEN), S.REJECTED),
    Row(33, E.SEEN_REJECTED, (S.PARTIAL,), S.CANCELED),
    Row(34, E.CHANGED, (*AT_VENUE, S.UNKNOWN), BY_QUANTITY),
    Row(37, E.LINK_LOST, LIVE, None),
    Row(38, E.LINK_BACK, LIVE, None),
    Row(40, E.NOT_FOUND, AT_VENUE, S.UNKNOWN),
    Row(42, E.DAY_ENDED, AT_VENUE, S.UNKNOWN),
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
