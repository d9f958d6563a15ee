"""Every kind of message between the stages. A stage raises on a kind that it does not know."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from tradebot.domain.commands import EVERYTHING, CommandVerb, HaltExpiry, Scope
from tradebot.domain.market import Quotes
from tradebot.domain.message import Message
from tradebot.domain.order import (
    ZERO,
    Fill,
    OrderEvent,
    OrderRequest,
    Side,
    VenueHolding,
    VenueOrder,
    VenuePosition,
)
from tradebot.domain.position_key import NettingKey, PositionKey
from tradebot.domain.venue_rows import UnreadRow
from tradebot.domain.wire_names import renamed


class ClockTick(Message, frozen=True):
    """The clock as a feed: market time is now `at` (ns); `mono` is our monotonic ns."""

    at: int
    mono: int


class EarlySessionEnd(Message, frozen=True):
    """Symbols whose session ends earlier than that of the others; times in market ns."""

    closes_at: int
    entries_until: int
    square_off_at: int
    symbols: tuple[str, ...]


class SessionBegins(Message, frozen=True, rename=renamed("messages.SessionBegins")):
    """A new trading day: the current or next session; times in market ns.

    No position is opened after `entries_until`; positions are closed from `square_off_at` on; the session ends at
    `closes_at`. The symbols in `early_ends` have earlier times.
    """

    opens_at: int
    closes_at: int
    entries_until: int
    square_off_at: int
    early_ends: tuple[EarlySessionEnd, ...] = ()

    @property
    def session_ends(self) -> tuple[SessionBegins | EarlySessionEnd, ...]:
        """Return this session, with the latest end, and the early ends."""
        return self, *self.early_ends

    def is_open(self, at: int) -> bool:
        """Return whether `at` (market ns) is in this session, which ends last of all symbols."""
        return self.opens_at <= at < self.closes_at


class LinkUp(Message, frozen=True):
    """A connection of `source` is up, for the first time or again."""

    source: str
    mono: int


class LinkDown(Message, frozen=True):
    """A connection of `source` broke or went silent. Its data is stale until `LinkUp` and a new quote."""

    source: str
    mono: int
    reason: str


class FrozenSymbols(Message, frozen=True):
    """All symbols whose quotes now only repeat. No position may be opened in them."""

    symbols: tuple[str, ...]
    mono: int


class FetchedQuotes(Message, frozen=True):
    """The quotes that the venue returned on request. They take precedence over its stream."""

    quotes: Quotes


class BrokerSession(Message, frozen=True, rename=renamed("messages.BrokerSession")):
    """The state of our login at the venue from monotonic ns `mono` on.

    `lost_reason` says why the login was lost, "" while it is valid. `orders_refused` is True when an order route
    itself refused the login; then no exit can be sent.
    """

    mono: int
    lost_reason: str = ""
    orders_refused: bool = False


class Action(StrEnum):
    """What a signal asks for. An exit closes the open position, whether long or short."""

    ENTER_LONG = "enter_long"
    EXIT_LONG = "exit_long"
    ENTER_SHORT = "enter_short"
    EXIT_SHORT = "exit_short"

    is_entry: bool
    side: Side
    text: str  # the value as a plain str, which is encoded four times as fast

    def __init__(self, value: str) -> None:
        self.text = value
        self.is_entry = value.startswith("enter")
        self.side = Side.BUY if value in ("enter_long", "exit_short") else Side.SELL


class Signal(Message, frozen=True, kw_only=False):
    """A strategy's signal for one symbol at one close.

    `signal_id` is a pure function of (strategy, symbol, bar end, action). `inputs` are the indicator values behind the
    signal. `stop_loss` and `target` are prices, `trail_by` is a distance; the strategy gives floats, the desk rounds
    them. `quantity` is None where the desk sizes the order. `bar_at` is market ns; `quoted_at` and `made_at` are
    monotonic ns.
    """

    signal_id: str
    strategy: str
    symbol: str
    action: Action
    bar_at: int
    quoted_at: int
    made_at: int = 0
    close: float = 0.0
    quantity: float | None = None
    stop_loss: float | None = None
    trail_by: float | None = None
    target: float | None = None
    inputs: dict[str, float] = {}


class Signals(Message, frozen=True):
    """The signals of one close, or one part of them, ordered by (symbol id, strategy); may be empty.

    `at` is market ns, `interval` is in ns. `failed` are the symbols whose workers did not answer.
    """

    at: int
    interval: int
    signals: tuple[Signal, ...] = ()
    failed: tuple[str, ...] = ()


class Submit(Message, frozen=True):
    """An order that passed the gate, with its exposure reserved. The order sender journals it, then sends it once."""

    request: OrderRequest


class Modify(Message, frozen=True):
    """A request to change a working order to the kind, price and total quantity in `request`."""

    request: OrderRequest
    venue_order_id: str

    @property
    def order_id(self) -> str:
        """Return our id of the order."""
        return self.request.order_id


class Cancel(Message, frozen=True):
    """A request to cancel a working order."""

    order_id: str
    venue_order_id: str
    reason: str


class OrderReport(Message, frozen=True):
    """A report of the venue about an order, from the stream or a list; `mono` is our monotonic ns."""

    order: VenueOrder
    mono: int


class FillReport(Message, frozen=True, rename=renamed("messages.FillReport")):
    """A report of the venue about a fill; `mono` is our monotonic ns."""

    fill: Fill
    mono: int


class RequestResult(Message, frozen=True, rename=renamed("messages.RequestResult")):
    """The result of a request that we sent, as an event of the order."""

    event: OrderEvent


class AccountSnapshot(Message, frozen=True, rename=renamed("messages.AccountSnapshot")):
    """A snapshot of the account at the venue: orders are read first, then fills, positions, holdings and cash.

    `asked_at` is our monotonic ns before the first query; the snapshot may lack what we sent later. `unread` are rows
    that exist and could not be read; what they stand for is unknown, never absent. `cash` is None where the venue did
    not report it. Old journals have snapshots without holdings.
    """

    asked_at: int
    orders: tuple[VenueOrder, ...]
    fills: tuple[Fill, ...]
    positions: tuple[VenuePosition, ...]
    cash: Decimal | None
    unread: tuple[UnreadRow, ...] = ()
    holdings: tuple[VenueHolding, ...] = ()

    def net_quantities(self) -> dict[NettingKey, Decimal]:
        """Return netting key -> signed quantity over all positions and holdings, flat ones included.

        A sale of held shares appears as a negative position of the day beside an unchanged holding. Their sum is right.
        """
        net: dict[NettingKey, Decimal] = {}
        rows: tuple[VenuePosition | VenueHolding, ...] = (*self.positions, *self.holdings)
        for row in rows:
            net[row.netting_key] = net.get(row.netting_key, ZERO) + row.quantity
        return net

    def unknown_position_reason(self, symbol: str) -> str:
        """Return why the position in `symbol` is not known, "" when it is.

        It is unknown while a row that may be about it cannot be read.
        """
        for row in self.unread:
            if row.book == "positions" and row.symbol in ("", symbol):
                return row.reason
        return ""


class ExternalPosition(Message, frozen=True):
    """The part of a venue's position that is not ours; `quantity` is signed, `average_price` 0 if not given."""

    key: PositionKey
    quantity: Decimal
    average_price: Decimal = ZERO


class ReleasedPosition(Message, frozen=True):
    """A signed `quantity` that left our position because another person or program closed or converted it.

    It leaves at `price`; its profit is not ours from then on. `at` is market ns.
    """

    key: PositionKey
    quantity: Decimal
    price: Decimal
    at: int


class ReconciliationResult(Message, frozen=True):
    """The result of a comparison of our book with an account snapshot; `differences` has a sentence for each mismatch.

    `external` are the venue's positions that are not ours; `released` are the quantities that this reconciliation
    removed from ours. `adopted` are positions taken over from the venue as (symbol, signed quantity, average price);
    only runs of older versions did so, at their start. `at` is market ns.
    """

    at: int
    differences: tuple[str, ...] = ()
    cash: Decimal | None = None
    adopted: tuple[tuple[str, Decimal, Decimal], ...] = ()
    external: tuple[ExternalPosition, ...] = ()
    released: tuple[ReleasedPosition, ...] = ()


class TrailingStopPrices(Message, frozen=True, rename=renamed("messages.TrailingStopPrices")):
    """The best prices since entry, which trailing stops follow: `best_prices` maps the entry's order id to a price.

    A row holds the prices that moved since the previous row. A start restores them, because the quotes behind them are
    gone. `at` is market ns.
    """

    at: int
    best_prices: dict[str, Decimal] = {}


class ClockOffset(Message, frozen=True, rename=renamed("messages.ClockOffset")):
    """The host's wall clock is `offset_ns` ahead of the venue's time; negative is behind, 0 means that they agree."""

    mono: int
    offset_ns: int


class DiskAllowance(StrEnum):
    """The orders that the free space on the journal's disk allows: all, only exits, or only cancels."""

    ALL = "all"
    EXITS = "exits"
    CANCELS = "cancels"


class DiskSpaceState(Message, frozen=True):
    """The orders that the journal's disk allows from now on; `reason` is empty where its space is sufficient."""

    mono: int
    allows: DiskAllowance
    reason: str = ""


class Incident(Message, frozen=True):
    """Something happened that must not, and a person is told. If it halts a scope, a `Command` does so."""

    text: str
    at: int = 0
    order_id: str = ""
    symbol: str = ""


class Command(Message, frozen=True):
    """A command from the operator, or from a rule, which names itself in `control`.

    `until` says when a halt ends; a person's halt lasts until `resume`, whatever its reason says. A flatten with an
    `id` that was applied before changes nothing. The `id` of a cancel is that of the order.
    """

    verb: CommandVerb
    reason: str = ""
    scope: Scope = EVERYTHING
    id: str = ""
    until: HaltExpiry = HaltExpiry.RESUME
    control: str = ""


MarketMessage = Quotes | ClockTick | LinkUp | LinkDown | FetchedQuotes


class LimitsReloaded(Message, frozen=True):
    """The operator's limits changed: `limits` are those in force from now on, as JSON values by the names of `Limits`.

    `order_notional` is the size of an entry from now on.
    """

    limits: dict[str, Any]
    order_notional: Decimal


DeskMessage = (
    Quotes
    | ClockTick
    | LinkUp
    | LinkDown
    | FrozenSymbols
    | SessionBegins
    | Signals
    | OrderReport
    | FillReport
    | RequestResult
    | AccountSnapshot
    | Command
    | BrokerSession
    | ClockOffset
    | DiskSpaceState
    | LimitsReloaded
)
OrderMessage = Submit | Modify | Cancel
