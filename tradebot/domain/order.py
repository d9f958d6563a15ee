"""An order from intent to its end: the request, what the venue reports, the states and the table of transitions.

Facts and views are kept apart: facts are the messages below, an `Order` is the fold of them (`apply`). `filled` is the
sum of booked executions and is never copied from a status.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message

ZERO = Decimal(0)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderKind(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "SL"
    STOP_MARKET = "SL-M"


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"


class Purpose(StrEnum):
    """Why an order exists; exits keep a share of every limit that entries may not use."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TRAIL = "trail"
    TARGET = "target"
    FLATTEN = "flatten"
    EXTERNAL = "external"

    @property
    def is_exit(self) -> bool:
        return self not in (Purpose.ENTRY, Purpose.EXTERNAL)


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

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    @property
    def is_live(self) -> bool:
        """True while the order may still trade, UNKNOWN included: it counts as exposure."""
        return self not in TERMINAL


TERMINAL = frozenset({
    OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED,
    OrderState.DENIED, OrderState.LAPSED, OrderState.ABSENT,
})  # fmt: skip


class OrderRequest(Message, frozen=True):
    """What the desk decided to send, whole and final before it is journaled.

    `order_id` is ours and is what the venue echoes (Kite: `tag`); `price` and `trigger_price` are None where the kind
    has none; `protection_pct` is the market protection of a MARKET or SL-M order. `quoted_at`, `signaled_at` and
    `decided_at` are monotonic ns of the quote, the signal and the decision behind it.
    """

    order_id: str
    symbol: str
    exchange: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    product: str = "MIS"
    protection_pct: Decimal | None = None
    purpose: Purpose = Purpose.ENTRY
    strategy: str = ""
    signal_id: str = ""
    reason: str = ""
    stop_loss: Decimal | None = None
    trail_by: Decimal | None = None
    target: Decimal | None = None
    decided_at: int = 0
    signaled_at: int = 0
    quoted_at: int = 0


class VenueStatus(StrEnum):
    """What a venue says of an order, in one vocabulary for all venues."""

    ACKED = "acked"  # the broker has it, the exchange not yet
    OPEN = "open"
    PENDING_TRIGGER = "pending_trigger"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class VenueOrder(Message, frozen=True):
    """One order as the venue reports it, on the stream or in a list.

    `tag` is our order id where the venue echoes it, else ""; `filled` is the venue's cumulative quantity; `changed_at`
    is the venue's time of the last change, ns UTC, 0 if not given.
    """

    venue_order_id: str
    tag: str
    symbol: str
    exchange: str
    side: Side
    kind: OrderKind
    status: VenueStatus
    quantity: Decimal
    filled: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    average_price: Decimal | None = None
    product: str = "MIS"
    reason: str = ""
    changed_at: int = 0


class Execution(Message, frozen=True):
    """One fill as the venue reports it; booked once per (exchange, `execution_id`)."""

    execution_id: str
    venue_order_id: str
    symbol: str
    exchange: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_at: int
    product: str = "MIS"


class VenuePosition(Message, frozen=True):
    """A net position as the venue reports it; `quantity` is signed."""

    symbol: str
    exchange: str
    product: str
    quantity: Decimal
    average_price: Decimal


class OrderEvent(StrEnum):
    """Everything that can happen to an order; the rows of the transition table."""

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
    NOT_FOUND = "not_found"
    CANCEL_SENT = "cancel_sent"
    CANCEL_REFUSED = "cancel_refused"


S, E = OrderState, OrderEvent
WORKING = (S.SENDING, S.ACKED, S.OPEN, S.PARTIAL, S.UNKNOWN)
GONE = (S.ABSENT, S.LAPSED, S.REJECTED)

# (state, event) -> state. A pair that is not here changes nothing and is counted (`Order.ignored`).
# EXECUTED is not in the table: the state after a fill follows from `filled` against `quantity` (see `apply`).
TRANSITIONS: dict[tuple[OrderState, OrderEvent], OrderState] = {
    (S.INTENT, E.LAPSED): S.LAPSED,
    (S.INTENT, E.SENDING): S.SENDING,
    (S.SENDING, E.NOT_SENT): S.ABSENT,
    (S.SENDING, E.ACCEPTED): S.ACKED,
    (S.UNKNOWN, E.ACCEPTED): S.ACKED,
    (S.SENDING, E.REFUSED): S.REJECTED,
    (S.ACKED, E.REFUSED): S.REJECTED,
    (S.SENDING, E.AMBIGUOUS): S.UNKNOWN,
    (S.UNKNOWN, E.NOT_FOUND): S.ABSENT,
    (S.ACKED, E.NOT_FOUND): S.UNKNOWN,
    (S.OPEN, E.NOT_FOUND): S.UNKNOWN,
    (S.PARTIAL, E.NOT_FOUND): S.UNKNOWN,
    **{(s, E.SEEN_ACKED): S.ACKED for s in (S.SENDING, S.UNKNOWN, *GONE)},
    **{(s, E.SEEN_OPEN): S.OPEN for s in (S.SENDING, S.UNKNOWN, S.ACKED, *GONE)},
    **{(s, E.SEEN_CANCELED): S.CANCELED for s in (*WORKING, *GONE)},
    **{(s, E.SEEN_EXPIRED): S.EXPIRED for s in (*WORKING, *GONE)},
    **{(s, E.SEEN_REJECTED): S.REJECTED for s in (S.SENDING, S.ACKED, S.OPEN, S.UNKNOWN, S.ABSENT, S.LAPSED)},
}


class OrderFact(Message, frozen=True):
    """One journal row of an order's life: an event with what it brought.

    `at` is market ns, `mono` monotonic ns. `request` comes with INTENT and DENIED, `execution` with EXECUTED, `venue`
    with the SEEN_* events.
    """

    order_id: str
    event: OrderEvent
    at: int
    mono: int = 0
    reason: str = ""
    venue_order_id: str = ""
    request: OrderRequest | None = None
    execution: Execution | None = None
    venue: VenueOrder | None = None
    checks: tuple[str, ...] = ()
    inputs: dict[str, float] = {}


class Order(Message, frozen=True):
    """The view of an order: the fold of its facts. `average_price` and `filled` come from executions alone."""

    request: OrderRequest
    state: OrderState
    venue_order_id: str = ""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    executions: frozenset[tuple[str, str]] = frozenset()
    cancel_sent: bool = False
    reason: str = ""
    claimed: Decimal = ZERO
    late_fills: int = 0
    ignored: int = 0
    changed_at: int = 0
    sent_mono: int = 0
    acked_mono: int = 0

    @property
    def order_id(self) -> str:
        return self.request.order_id

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def is_live(self) -> bool:
        return self.state.is_live

    @property
    def remaining(self) -> Decimal:
        """What may still trade: the worst case while live, nothing afterwards."""
        return max(self.request.quantity - self.filled, ZERO) if self.is_live else ZERO

    @property
    def shortfall(self) -> Decimal:
        """What the venue says was filled beyond the executions booked."""
        return max(self.claimed - self.filled, ZERO)

    @property
    def average_price(self) -> Decimal | None:
        return self.value / self.filled if self.filled else None
