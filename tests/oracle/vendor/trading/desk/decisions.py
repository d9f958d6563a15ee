"""Decisions: all that a rule may ask for. The desk carries each one out, with what follows from it, before the next.

What goes out as it is needs no decision around it: changes and cancels to the venue, incidents, looks, trailing stops.
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
    Modify,
    ReconciliationResult,
    ReleasedPosition,
    Signal,
    Submit,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent, OrderRequest, OrderPurpose
from tradebot.domain.position_key import NettingKey

Outgoing = Modify | Cancel | Incident | ReconciliationResult | TrailingStopPrices
DeskOutput = OrderEvent | Command | Submit | Outgoing


class Record(Message, frozen=True, kw_only=False):
    """Write a fact of an order into the book; it goes out, and the rules hear what it changed."""

    fact: OrderEvent


class Known(Message, frozen=True, kw_only=False):
    """Write a fact into the book that stands in the journal already: nothing goes out and no rule hears of it."""

    fact: OrderEvent


class Place(Message, frozen=True, kw_only=False):
    """Put an order before the gate. One that passes leaves, behind its INTENT; of one that does not a denial is left.

    `id_` is its instrument's number, `reference` the price that it was decided at, None before the first quote.
    """

    id_: int
    request: OrderRequest
    reference: Decimal | None
    inputs: dict[str, float]


class CancelOrder(Message, frozen=True, kw_only=False):
    """Take an order back, if it is ours, may still trade and no cancel is under way."""

    order_id: str
    reason: str


class ClosePosition(Message, frozen=True, kw_only=False):
    """Close a symbol, now and until it is flat; the first reason stands.

    It is asked for once: the wish is kept and tried again. A rule of the desk closes with the purpose FLATTEN, which no
    entry of the other side follows; STOP, TRAIL and TARGET name a level that was reached.
    """

    symbol: str
    purpose: OrderPurpose
    reason: str
    quoted_at: int
    signal: Signal | None = None


class ClosePositions(Message, frozen=True, kw_only=False):
    """Close symbols, as `ClosePosition` does one; of very many some leave now and the others with the next ticks."""

    symbols: Sequence[str]
    reason: str


class Stand(Message, frozen=True, kw_only=False):
    """Let a command stand: a halt, a flatten, or the end of them."""

    command: Command


class Forget(Message, frozen=True, kw_only=False):
    """Forget what was known of a position of ours that is gone: its exit, its strategy, its stop."""

    symbol: str


class Release(Message, frozen=True, kw_only=False):
    """Give a part of a position up: it is not ours any more."""

    part: ReleasedPosition


class CheckExcess(Message, frozen=True, kw_only=False):
    """Hold what was filled beyond its orders against the venue's books."""

    books: AccountSnapshot


class Settle(Message, frozen=True, kw_only=False):
    """Hold the venue's net against ours and account for what is not ours; a look of the start counts as two."""

    books: AccountSnapshot
    is_start: bool


class Suspect(Message, frozen=True, kw_only=False):
    """Open nothing in the symbol of a line until the books account for what another hand does there."""

    line: NettingKey
    reason: str


class Unaccounted(Message, frozen=True, kw_only=False):
    """Open nothing in these symbols, and in no others for want of an account; the reason of each."""

    reasons: Mapping[str, str]


class Look(Message, frozen=True, kw_only=False):
    """The venue's whole books, to be held against ours; `is_start` for those of a start."""

    books: AccountSnapshot
    is_start: bool


Decision = (
    Record
    | Known
    | Place
    | CancelOrder
    | ClosePosition
    | ClosePositions
    | Stand
    | Forget
    | Release
    | CheckExcess
    | Settle
    | Suspect
    | Unaccounted
    | Outgoing
)
Decisions = Iterable[Decision]
NOTHING: Decisions = ()


def records(facts: Iterable[OrderEvent]) -> list[Decision]:
    """Return the decisions to record facts, one after the other."""
    return [Record(fact) for fact in facts]
