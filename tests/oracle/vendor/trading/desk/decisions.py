"""Decisions: all that a rule may ask for. The desk carries out each one, with what follows from it, before the next.

Outgoing messages need no decision around them: changes and cancels, incidents, reconciliation results, trailing stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from tradebot.domain.message import Message
from tradebot.domain.messages import (
    AccountSnapshot,
    Cancel,
    Command,
    Incident,
    LimitsReloaded,
    Modify,
    ReconciliationResult,
    ReleasedPosition,
    Signal,
    Submit,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent, OrderPurpose, OrderRequest
from tradebot.domain.position_key import NettingKey

Outgoing = Modify | Cancel | Incident | ReconciliationResult | TrailingStopPrices
DeskOutput = OrderEvent | Command | LimitsReloaded | Submit | Outgoing


class RecordEvent(Message, frozen=True, kw_only=False):
    """Write an order event into the book and send it out; the rules are asked about the change."""

    event: OrderEvent


class RecordJournaled(Message, frozen=True, kw_only=False):
    """Write an order event into the book that is in the journal already; nothing goes out and no rule is asked."""

    event: OrderEvent


class PlaceOrder(Message, frozen=True, kw_only=False):
    """Put an order before the gate. If it passes, its INTENT and then the order go out, else a denial.

    `id_` is the id of its instrument, `reference` the price at which it was decided, None before the first quote.
    `inputs` are the indicator values behind it.
    """

    id_: int
    request: OrderRequest
    reference: Decimal | None
    inputs: dict[str, float]


class CancelOrder(Message, frozen=True, kw_only=False):
    """Cancel an order, if it is ours, may still trade and no cancel is pending."""

    order_id: str
    reason: str


class ClosePosition(Message, frozen=True, kw_only=False):
    """Close the position in a symbol, now and until it is flat; the first reason stays.

    One decision is enough: the exit stays requested and is tried again. `purpose` is STOP, TRAIL or TARGET if that
    level was reached, EXIT for a signal, and FLATTEN for an operator or another rule; no waiting entry follows a
    FLATTEN. `quoted_at` is monotonic ns.
    """

    symbol: str
    purpose: OrderPurpose
    reason: str
    quoted_at: int
    signal: Signal | None = None


class ClosePositions(Message, frozen=True, kw_only=False):
    """Close the positions in several symbols, as `ClosePosition` does for one.

    If there are very many, some exits leave now and the others on the next ticks.
    """

    symbols: Sequence[str]
    reason: str


class ApplyCommand(Message, frozen=True, kw_only=False):
    """Put a command into effect: a halt, a flatten, or a resume."""

    command: Command


class ForgetPosition(Message, frozen=True, kw_only=False):
    """Forget the requested exit, the strategy and the stop of a position of ours that is flat."""

    symbol: str


class ReleasePosition(Message, frozen=True, kw_only=False):
    """Release a part of a position that is no longer ours."""

    part: ReleasedPosition


class CheckOverfills(Message, frozen=True, kw_only=False):
    """Compare the overfilled symbols with an account snapshot."""

    books: AccountSnapshot


class AttributePositions(Message, frozen=True, kw_only=False):
    """Attribute the net quantities of an account snapshot to us and to others.

    The snapshot of a start counts as two polls.
    """

    books: AccountSnapshot
    is_start: bool


class BlockSymbol(Message, frozen=True, kw_only=False):
    """Block entries in the symbol of a netting key until a snapshot accounts for what others do there."""

    netting_key: NettingKey
    reason: str


class SetUnaccounted(Message, frozen=True, kw_only=False):
    """Block entries in exactly these symbols, because no snapshot accounts for them; each with its reason."""

    reasons: Mapping[str, str]


class SetUnprotected(Message, frozen=True, kw_only=False):
    """Block entries in a symbol because no stop of it can rest at the venue; an empty reason opens it."""

    symbol: str
    reason: str


class Reconcile(Message, frozen=True, kw_only=False):
    """Compare a whole account snapshot with the book; `is_start` marks the snapshot of a start."""

    books: AccountSnapshot
    is_start: bool


Decision = (
    RecordEvent
    | RecordJournaled
    | PlaceOrder
    | CancelOrder
    | ClosePosition
    | ClosePositions
    | ApplyCommand
    | ForgetPosition
    | ReleasePosition
    | CheckOverfills
    | AttributePositions
    | BlockSymbol
    | SetUnaccounted
    | SetUnprotected
    | Outgoing
)
Decisions = Iterable[Decision]
NOTHING: Decisions = ()


def record_events(events: Iterable[OrderEvent]) -> list[Decision]:
    """Return the decisions to record order events, in their order."""
    return [RecordEvent(event) for event in events]
