"""The records of a GTT order (good till triggered): what a client requests, what the broker keeps, and its result."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.domain.order import Side


class GttBookStatus(StrEnum):
    """The state of a GTT order at the broker. Only an active one can trigger; the words stand in the log."""

    ACTIVE = "active"
    TRIGGERED = "triggered"
    DISABLED = "disabled"  # by the broker, after a split or a bonus has moved the price
    EXPIRED = "expired"
    CANCELLED = "cancelled"  # by the broker
    REJECTED = "rejected"  # by the broker: the instrument left its series or was suspended
    DELETED = "deleted"  # by the client


class GttLeg(Message, frozen=True):
    """A trigger price, and the limit order that the broker places when the last price reaches it."""

    trigger: Decimal
    side: Side
    quantity: Decimal
    price: Decimal
    product: str


class GttTicket(Message, frozen=True):
    """A GTT order as a client requests it.

    With two legs the first waits below the last price and the second above it, and one cancels the other. A single leg
    waits on its side of `last_price`, the last price that the client names.
    """

    exchange: str
    symbol: str
    last_price: Decimal
    legs: tuple[GttLeg, ...]

    def reached_leg(self, last: Decimal) -> int | None:
        """Return the index of the leg that the last price `last` triggers, None without one."""
        for index, leg in enumerate(self.legs):
            waits_below = index == 0 if len(self.legs) > 1 else leg.trigger < self.last_price
            if last <= leg.trigger if waits_below else last >= leg.trigger:
                return index
        return None


class GttResult(Message, frozen=True):
    """What came of a trigger: the index of its leg, the last price that reached it, and the order that was placed.

    `order_id` is "" where the broker refused the order, with the `reason` in its words. `placed_at` is market ns.
    """

    leg: int
    last_price: Decimal
    placed_at: int
    order_id: str
    reason: str = ""


class BookGtt(Message, frozen=True):
    """One version of a GTT order at the broker; every change makes a new one. Times are market ns."""

    gtt_id: int
    ticket: GttTicket
    status: GttBookStatus
    created_at: int
    changed_at: int
    expires_at: int
    reason: str = ""
    result: GttResult | None = None

    @property
    def is_active(self) -> bool:
        """Return whether it can still trigger."""
        return self.status is GttBookStatus.ACTIVE
