"""An order from intent to its end: the facts of its life, and the view that is their fold.

Facts and views are kept apart: an `Order` is the fold of its facts (`apply`). `filled` is the sum of booked executions
and is never copied from a status. What is asked stands in `order_request.py`, what a venue reports in
`venue_reports.py`, the states and their table in `order_states.py`; all of it is to be had here.
"""

from __future__ import annotations

from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.domain.order_request import OrderKind, OrderPurpose, OrderRequest, OrderTerms, Side, Validity
from tradebot.domain.order_states import TRANSITIONS, OrderEventType, OrderOrigin, OrderState, RequestState
from tradebot.domain.venue_reports import Fill, Refusal, VenueHolding, VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.wire_names import renamed

__all__ = (
    "RESERVATION_HOLD_NS",
    "TRANSITIONS",
    "ZERO",
    "CancelState",
    "Fill",
    "IrregularFills",
    "Order",
    "OrderEventType",
    "OrderEvent",
    "OrderKind",
    "OrderRequest",
    "OrderState",
    "OrderTimes",
    "OrderOrigin",
    "OrderPurpose",
    "Refusal",
    "ReplaceState",
    "Side",
    "OrderTerms",
    "Validity",
    "VenueReported",
    "VenueHolding",
    "VenueOrder",
    "VenuePosition",
    "VenueOrderStatus",
    "RequestState",
)

ZERO = Decimal(0)
LATE_FILL_HOLD_NS = 2 * SECOND  # after a cancel was seen: fills may still be on their way, the reservation stands
PRESUMED_ABSENT_HOLD_NS = 600 * SECOND  # after an absence that is only presumed
RESERVATION_HOLD_NS = {
    OrderState.CANCELED: LATE_FILL_HOLD_NS,
    OrderState.EXPIRED: LATE_FILL_HOLD_NS,
    OrderState.ABSENT: PRESUMED_ABSENT_HOLD_NS,
}


class OrderEvent(Message, frozen=True, kw_only=False, rename=renamed("order.OrderEvent")):
    """One journal row of an order's life: an event with what it brought.

    `at` is market ns, `mono` monotonic ns. `request` comes with INTENT and DENIED, `fill` with EXECUTED, REVERSED
    and QUARANTINED, `venue_order` with the SEEN_* events and CHANGED, `terms` and `checks` with REPLACE_SENT. `is_proof` says
    of NOT_FOUND that the venue states a bound after which it accepts nothing. `reference` is the price that the gate
    judged an order at, of INTENT, DENIED and REPLACE_SENT; `control` names what denied it. Rows of before these were
    written down have none.
    `refusal` is what a REFUSED order was refused for, where the venue says so.
    """

    order_id: str
    type: OrderEventType
    at: int
    mono: int = 0
    reason: str = ""
    venue_order_id: str = ""
    request: OrderRequest | None = None
    fill: Fill | None = None
    venue_order: VenueOrder | None = None
    checks: tuple[str, ...] = ()
    inputs: dict[str, float] = {}
    terms: OrderTerms | None = None
    is_proof: bool = False
    reference: Decimal | None = None
    refusal: Refusal | None = None
    control: str = ""


class CancelState(Message, frozen=True, kw_only=False):
    """How far the cancel of an order has come; `sent_mono` is when it was last sent."""

    state: RequestState = RequestState.NONE
    tries: int = 0
    sent_mono: int = 0

    def after_end(self) -> CancelState:
        """Return what is left of it once its order has ended."""
        return self if self.state is RequestState.NONE else CancelState(RequestState.NONE, self.tries, self.sent_mono)


class ReplaceState(Message, frozen=True, kw_only=False):
    """How far the replace of an order has come.

    `mono` is when it was last sent or confirmed, `terms` are those of one that is not settled.
    """

    state: RequestState = RequestState.NONE
    tries: int = 0
    mono: int = 0
    terms: OrderTerms | None = None

    def after_end(self) -> ReplaceState:
        """Return what is left of it once its order has ended, or once other terms are in force."""
        is_over = self.state is RequestState.NONE and self.terms is None
        return self if is_over else ReplaceState(RequestState.NONE, self.tries, self.mono)


class OrderTimes(Message, frozen=True, kw_only=False):
    """When an order came how far, 0 for what it did not: `_at` is market ns, `_mono` monotonic ns."""

    begun_at: int = 0
    changed_at: int = 0
    sent_mono: int = 0
    acked_mono: int = 0
    ended_mono: int = 0


class VenueReported(Message, frozen=True, kw_only=False):
    """What the venue has said of an order, whether or not we know the fills behind it.

    `filled` is the largest cumulative quantity that it has named, at `average_price`. `seen_at` and `rank` date the
    last status that counted. `ended_as` is the end that it named.
    """

    filled: Decimal = ZERO
    average_price: Decimal | None = None
    seen_at: int = 0
    rank: int = -1
    ended_as: OrderState | None = None


class IrregularFills(Message, frozen=True, kw_only=False):
    """The fills of an order that are not plainly booked.

    `busted` were taken back for good, `quarantined` are the keys of those put aside, `late` counts those booked after
    the end.
    """

    busted: tuple[Fill, ...] = ()
    quarantined: frozenset[tuple[str, str]] = frozenset()
    late: int = 0


class Order(Message, frozen=True, kw_only=False):
    """The view of an order: the fold of its facts. `average_price` and `filled` come from executions alone.

    `quantity` and `price` are the terms in force at the venue. `other_ids` are further ids of it at the venue, as
    before a replace. `fills` are its executions in order. `reference` is the price that it was decided at, or its
    last change; None where that was not written down. `is_stale` says that it was last seen before the session was
    lost, `is_presumed` that its absence is not proven. `ignored` counts the facts that were passed over.
    Most orders share the parts that they never use: a default is one object for all.
    """

    request: OrderRequest
    state: OrderState
    quantity: Decimal
    price: Decimal | None = None
    venue_order_id: str = ""
    times: OrderTimes = OrderTimes()
    other_ids: tuple[str, ...] = ()
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    irregular: IrregularFills = IrregularFills()
    reported: VenueReported = VenueReported()
    cancel: CancelState = CancelState()
    replace: ReplaceState = ReplaceState()
    origin: OrderOrigin = OrderOrigin.OWN
    is_stale: bool = False
    is_presumed: bool = False
    reason: str = ""
    reference: Decimal | None = None
    ignored: int = 0

    @property
    def order_id(self) -> str:
        return self.request.order_id

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def is_external(self) -> bool:
        """True for an order that was placed elsewhere."""
        return self.request.purpose is OrderPurpose.EXTERNAL

    @property
    def is_live(self) -> bool:
        return self.state.is_live

    @property
    def fill_keys(self) -> frozenset[tuple[str, str]]:
        """The (exchange, execution id) of every fill booked."""
        return frozenset(execution.fill_key for execution in self.fills)

    @property
    def remaining_quantity(self) -> Decimal:
        """What may still trade: the worst case while live, afterwards only fills the venue named and we lack."""
        if not self.state.is_live:
            return self.missing_quantity
        terms = self.replace.terms
        most = self.quantity if terms is None else max(self.quantity, terms.quantity)
        return max(most - self.filled, self.missing_quantity)

    @property
    def may_trade(self) -> bool:
        """True while more may fill than the venue has named already."""
        return self.remaining_quantity > self.missing_quantity

    def reserved_quantity(self, mono: int) -> Decimal:
        """Return what must be counted as exposure at monotonic `mono`, the time after an end included.

        A cancelled or expired order may still bring fills for two seconds; one whose absence is only presumed may
        appear for ten minutes.
        """
        hold = RESERVATION_HOLD_NS.get(self.state, 0)
        if hold and (self.state is not OrderState.ABSENT or self.is_presumed) and mono - self.times.ended_mono < hold:
            return max(self.quantity - self.filled, self.missing_quantity)
        return self.remaining_quantity

    @property
    def missing_quantity(self) -> Decimal:
        """What the venue says was filled beyond the executions booked and those it took back."""
        missing = self.reported.filled - self.filled
        if self.irregular.busted:
            missing -= sum((e.quantity for e in self.irregular.busted), ZERO)
        return missing if missing > 0 else ZERO

    @property
    def overfilled_quantity(self) -> Decimal:
        """What was filled beyond the quantity ordered."""
        beyond = self.filled - self.quantity
        return beyond if beyond > 0 else ZERO

    @property
    def average_price(self) -> Decimal | None:
        return self.value / self.filled if self.filled else None
