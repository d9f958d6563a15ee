"""An order from intent to its end: its events, and the view that is reduced from them.

An `Order` is reduced from its events by `order_reducer.apply_event`. `filled` is the sum of booked fills and is never
copied from a status. Requests are in `order_request.py`, reports of a venue in `venue_reports.py`, the states and their
transitions in `order_states.py`; this module exports all of them.
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
    "OrderEvent",
    "OrderEventType",
    "OrderKind",
    "OrderOrigin",
    "OrderPurpose",
    "OrderRequest",
    "OrderState",
    "OrderTerms",
    "OrderTimes",
    "Refusal",
    "ReplaceState",
    "RequestState",
    "Side",
    "Validity",
    "VenueHolding",
    "VenueOrder",
    "VenueOrderStatus",
    "VenuePosition",
    "VenueReported",
)

ZERO = Decimal(0)
# Fills may still arrive this long after a reported cancel or expiry, so the exposure stays reserved.
LATE_FILL_HOLD_NS = 2 * SECOND
PRESUMED_ABSENT_HOLD_NS = 600 * SECOND  # after an absence that is presumed and not proven
# state of an ended order -> monotonic ns for which its quantity stays reserved
RESERVATION_HOLD_NS = {
    OrderState.CANCELED: LATE_FILL_HOLD_NS,
    OrderState.EXPIRED: LATE_FILL_HOLD_NS,
    OrderState.ABSENT: PRESUMED_ABSENT_HOLD_NS,
}


class OrderEvent(Message, frozen=True, kw_only=False, rename=renamed("order.OrderEvent")):
    """One event of an order, one row in the journal; `type` says what happened.

    `at` is market ns, `mono` monotonic ns. INTENT and DENIED have a `request`. EXECUTED, REVERSED and QUARANTINED have
    a `fill`. SEEN_* and CHANGED have a `venue_order`. REPLACE_SENT has `terms` and `checks`. `is_proof` on NOT_FOUND
    means that the venue states a bound after which it accepts nothing. `reference`, on INTENT, DENIED and REPLACE_SENT,
    is the price at which the gate checked the order. `control` names the control that denied it. Rows of older versions
    lack these fields. `refusal` says what a REFUSED order was refused for, where the venue reports it.
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
    """The state of an order's cancel request; `sent_mono` is the monotonic ns when it was last sent."""

    state: RequestState = RequestState.NONE
    tries: int = 0
    sent_mono: int = 0

    def after_end(self) -> CancelState:
        """Return this state as it remains after the order has ended."""
        return self if self.state is RequestState.NONE else CancelState(RequestState.NONE, self.tries, self.sent_mono)


class ReplaceState(Message, frozen=True, kw_only=False):
    """The state of an order's replace request.

    `mono` is the monotonic ns when it was last sent or confirmed; `terms` are set while its result is not known.
    """

    state: RequestState = RequestState.NONE
    tries: int = 0
    mono: int = 0
    terms: OrderTerms | None = None

    def after_end(self) -> ReplaceState:
        """Return this state as it remains after the order has ended, or after other terms came into force."""
        is_over = self.state is RequestState.NONE and self.terms is None
        return self if is_over else ReplaceState(RequestState.NONE, self.tries, self.mono)


class OrderTimes(Message, frozen=True, kw_only=False):
    """When an order reached each step, 0 for a step not reached.

    Names that end in `_at` are market ns, those in `_mono` monotonic ns.
    """

    begun_at: int = 0
    changed_at: int = 0
    sent_mono: int = 0
    acked_mono: int = 0
    ended_mono: int = 0
    triggered_mono: int = 0


class VenueReported(Message, frozen=True, kw_only=False):
    """What the venue has reported about an order, whether or not we have the fills behind it.

    `filled` is the largest cumulative quantity reported, at `average_price`. `seen_at` (venue's ns UTC) and `rank` are
    those of the last status that counted; a status with a smaller pair is out of date. `ended_as` is the end that the
    venue reported.
    """

    filled: Decimal = ZERO
    average_price: Decimal | None = None
    seen_at: int = 0
    rank: int = -1
    ended_as: OrderState | None = None


class IrregularFills(Message, frozen=True, kw_only=False):
    """The irregular fills of an order.

    The venue took the `busted` ones back for good. `quarantined` are the keys of fills that it reported again with
    different figures. `late` counts the fills that were booked after the order had ended.
    """

    busted: tuple[Fill, ...] = ()
    quarantined: frozenset[tuple[str, str]] = frozenset()
    late: int = 0


class Order(Message, frozen=True, kw_only=False):
    """The view of an order, reduced from its events. `average_price` and `filled` come from fills alone.

    `quantity`, `price` and `trigger_price` are the terms in force at the venue. A stop with `is_triggered` is an active
    order by now. `other_ids` are its other ids at the venue, such as the one before a replace. `fills` are the booked
    fills in order. `reference` is the price at which the order, or its last change, was decided; None where that was
    not recorded. `is_stale` means that it was last reported before the session was lost; `is_presumed` means that its
    absence is not proven. `ignored` counts the events without effect. Defaults are shared objects, because most orders
    never use these parts.
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
    trigger_price: Decimal | None = None
    is_triggered: bool = False

    @property
    def order_id(self) -> str:
        """Return our id of the order."""
        return self.request.order_id

    @property
    def symbol(self) -> str:
        """Return the symbol of the order."""
        return self.request.symbol

    @property
    def is_external(self) -> bool:
        """Return True for an order that was not placed by us."""
        return self.request.purpose is OrderPurpose.EXTERNAL

    @property
    def waits_for_trigger(self) -> bool:
        """Return True for a resting stop of ours that has not triggered, confirmed by the venue or not."""
        return self.request.purpose.rests and not self.is_triggered

    @property
    def rests(self) -> bool:
        """Return True for a stop of ours that the venue has confirmed and that waits there for its trigger."""
        return self.waits_for_trigger and self.state is OrderState.OPEN

    @property
    def is_active_exit(self) -> bool:
        """Return True for an exit that asks to close now: any but a stop that waits for its trigger."""
        return self.request.purpose.is_exit and not self.waits_for_trigger

    @property
    def is_waiting_gtt(self) -> bool:
        """Return True for a GTT order that has not triggered: the venue keeps it over days, in a list of its own."""
        return self.request.gtt is not None and not self.is_triggered

    @property
    def is_live(self) -> bool:
        """Return True while the order may still trade."""
        return self.state.is_live

    @property
    def fill_keys(self) -> frozenset[tuple[str, str]]:
        """Return the (exchange, execution id) of every booked fill."""
        return frozenset(fill.fill_key for fill in self.fills)

    @property
    def remaining_quantity(self) -> Decimal:
        """Return the largest quantity that may still be booked as filled; after the end this is `missing_quantity`.

        While a replace is pending, the larger of the old and the requested quantity counts.
        """
        if not self.state.is_live:
            return self.missing_quantity
        terms = self.replace.terms
        most = self.quantity if terms is None else max(self.quantity, terms.quantity)
        return max(most - self.filled, self.missing_quantity)

    @property
    def may_trade(self) -> bool:
        """Return True while the venue may still fill more than it has reported."""
        return self.remaining_quantity > self.missing_quantity

    def reserved_quantity(self, mono: int) -> Decimal:
        """Return the quantity that counts as exposure at monotonic ns `mono`, for some time after the end too.

        A cancelled or expired order may bring fills for two more seconds. An order whose absence is only presumed may
        appear for ten minutes.
        """
        hold = RESERVATION_HOLD_NS.get(self.state, 0)
        if hold and (self.state is not OrderState.ABSENT or self.is_presumed) and mono - self.times.ended_mono < hold:
            return max(self.quantity - self.filled, self.missing_quantity)
        return self.remaining_quantity

    @property
    def missing_quantity(self) -> Decimal:
        """Return the quantity that the venue reports as filled beyond the booked and the busted fills."""
        missing = self.reported.filled - self.filled
        if self.irregular.busted:
            missing -= sum((e.quantity for e in self.irregular.busted), ZERO)
        return missing if missing > 0 else ZERO

    @property
    def overfilled_quantity(self) -> Decimal:
        """Return the quantity that was filled beyond the ordered quantity."""
        beyond = self.filled - self.quantity
        return beyond if beyond > 0 else ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price of the booked fills, None without a fill."""
        return self.value / self.filled if self.filled else None
