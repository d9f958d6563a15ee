"""Events of orders, one for each fact of an order's life that reached the journal."""

from __future__ import annotations

from typing import Annotated

from tradebot.domain.order import OrderKind, OrderPurpose, Side
from tradebot.ops.events.event import DEBUG, ERROR, INFO, WARNING, Event, Price, Quantity, Reason, Strategy, Times

OrderId = Annotated[str, "our id of the order; `tradebot why ORDER_ID` tells its whole life"]
VenueId = Annotated[str, "the venue's id of the order"]
Bought = Annotated[Side, "BUY or SELL"]


class OrderTold(Event, frozen=True):
    """What the lines of one order say; what is not known or not asked is left out."""

    order_id: OrderId
    symbol: Annotated[str, "the symbol"] | None = None
    side: Bought | None = None
    strategy: Strategy | None = None
    broker_order_id: VenueId | None = None
    reason: Reason | None = None


class OrderAsked(OrderTold, frozen=True):
    """What the lines say that show an order whole."""

    qty: Quantity | None = None
    kind: Annotated[OrderKind, "MARKET, LIMIT, SL or SL-M"] | None = None
    purpose: Annotated[OrderPurpose, "what it is for, such as entry or exit"] | None = None
    price: Price | None = None
    stop_loss: Price | None = None
    trail_by: Annotated[Price, "how far the stop stays behind the best price"] | None = None
    target: Price | None = None


class FillTold(OrderTold, frozen=True):
    """What the lines of one fill say."""

    qty: Quantity | None = None
    price: Price | None = None
    trade_id: Annotated[str, "the venue's id of the fill"] | None = None


class OrderDenied(OrderAsked, frozen=True):
    """A control of the gate denied an order before it left; said once a control, strategy and minute."""

    level, was = WARNING, "risk_blocked"
    do = "Read the reason: it names the control and its figures. The limit may be right, or `[risk]` too tight."
    times: Times | None = None


class OrderSubmitted(OrderAsked, frozen=True):
    """An order is in the journal and leaves for the venue, once."""

    level = INFO
    do = "Nothing."


class OrderLapsed(OrderTold, frozen=True):
    """An order was given up before it left: its turn came too late, or it was withdrawn."""

    level = WARNING
    do = "If it repeats, the machine or the disk is too slow; look for loop_delayed and at the disk."


class OrderNotSent(OrderTold, frozen=True):
    """An order did not leave, which is certain: nothing of it is at the venue."""

    level = WARNING
    do = "Read the reason; an entry is not tried again, an exit is."


class OrderAcked(OrderTold, frozen=True):
    """The venue took the request and gave it an id."""

    level = INFO
    do = "Nothing."


class OrderRejected(OrderTold, frozen=True):
    """The venue refused an order; three in a row or five a minute halt the symbol."""

    level = WARNING
    do = "Read the venue's reason: funds, a blocked symbol, a price outside its band."


class OrderUnknown(OrderTold, frozen=True):
    """An order may or may not have reached the venue: it counts as exposure, is never sent again, and is looked for."""

    level = ERROR
    do = "Wait: the venue's books settle it within seconds. If it stays unknown, look in the broker's app."


class OrderOpened(OrderTold, frozen=True):
    """The venue's books show an order as open."""

    level, was = DEBUG, "order_open"
    do = "Nothing."


class OrderSeen(OrderTold, frozen=True):
    """The venue's books show an order that it has not accepted or refused yet."""

    level = DEBUG
    do = "Nothing."


class OrderCompleted(OrderTold, frozen=True):
    """The venue's books show an order as filled; the fills themselves are told by order_filled."""

    level, was = DEBUG, "order_complete"
    do = "Nothing."


class OrderCancelled(OrderTold, frozen=True):
    """An order was cancelled, by us, by hand or by the venue."""

    level = INFO
    do = "Nothing, if it was meant; else read the reason."


class OrderExpired(OrderTold, frozen=True):
    """An order ended with its validity or its day."""

    level = INFO
    do = "Nothing."


class OrderFilled(FillTold, frozen=True):
    """A fill was booked, once."""

    level = INFO
    do = "Nothing."


class FillReversed(FillTold, frozen=True):
    """The venue took a fill back, and its position and charges were booked back."""

    level, was = WARNING, "fill_taken_back"
    do = "Compare the position with the broker's; what was decided on that fill stands."


class FillDisputed(FillTold, frozen=True):
    """A fill does not fit its order and is kept apart from the books; its symbol is halted."""

    level = ERROR
    do = "Look in the broker's app which is right, then `tradebot resume` the symbol."


class OrderNotFound(OrderTold, frozen=True):
    """The venue's books do not have an order that may have been sent."""

    level = ERROR
    do = "Look in the broker's app; entries in the symbol wait until the books explain it."


class OrderCancelDeferred(OrderTold, frozen=True):
    """A cancel is wanted and waits until the order may be cancelled."""

    level, was = INFO, "order_cancel_waits"
    do = "Nothing."


class OrderCancelSent(OrderTold, frozen=True):
    """A cancel left for the venue."""

    level = INFO
    do = "Nothing."


class OrderCancelAccepted(OrderTold, frozen=True):
    """The venue took a cancel; order_cancelled follows when the order has ended."""

    level = DEBUG
    do = "Nothing."


class OrderCancelRefused(OrderTold, frozen=True):
    """The venue refused a cancel, mostly because the order was filled or had ended in the meantime."""

    level = WARNING
    do = "Nothing if order_filled follows; else look at the order in the broker's app."


class OrderCancelUnknown(OrderTold, frozen=True):
    """A cancel may or may not have arrived; the venue's books tell."""

    level = WARNING
    do = "Wait for the books; if the order still works, cancel it in the broker's app."


class OrderReplaceSent(OrderTold, frozen=True):
    """A change of price or quantity left for the venue."""

    level = INFO
    do = "Nothing."


class OrderReplaced(OrderTold, frozen=True):
    """The venue's books show the change."""

    level = INFO
    do = "Nothing."


class OrderTriggered(OrderTold, frozen=True):
    """A stop that rested at the venue has triggered; it is an active order now and may fill."""

    level = WARNING
    do = "Nothing; a rest that does not fill is chased."


class OrderReplaceRefused(OrderTold, frozen=True):
    """The venue refused a change; the order works on as it was."""

    level = WARNING
    do = "Read the reason; Kite refuses changes after 25 of them."


class OrderReplaceUnknown(OrderTold, frozen=True):
    """A change may or may not have arrived; until the books tell, the larger exposure counts."""

    level = WARNING
    do = "Wait for the books."


class OrderChanged(OrderTold, frozen=True):
    """Another hand changed an order of ours: price or quantity are not what we asked for, and the symbol is halted."""

    level, was = WARNING, "order_changed_elsewhere"
    do = "Leave the daemon's orders alone in the broker's app; look at the order, then `tradebot resume` the symbol."


class OrderUnconfirmed(OrderTold, frozen=True):
    """The link to the venue is down: what is known of an order comes from the journal alone."""

    level, was = DEBUG, "order_stale"
    do = "Nothing."


class OrderConfirmed(OrderTold, frozen=True):
    """An order was compared with the venue's books after the link came back."""

    level, was = DEBUG, "order_fresh"
    do = "Nothing."


class OrderStranded(OrderTold, frozen=True):
    """The day of an order is over, and the books never said what became of it; its symbol is halted."""

    level, was = ERROR, "order_outlived_the_day"
    do = "Look at the contract note whether it was filled, then `tradebot resume` the symbol."


class ExternalOrderSeen(OrderAsked, frozen=True):
    """The account has an order that is not the daemon's: shown, never touched."""

    level, was = WARNING, "order_external"
    do = "Nothing if it is yours. In a line that the daemon trades, entries wait until the books explain it."
