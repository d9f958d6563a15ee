"""Every kind of message that travels between the stages; a stage that meets a kind it does not know raises."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.commands import EVERYTHING, CommandVerb, HaltExpiry, Scope
from tradebot.domain.market_data import Quotes
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
    """The clock as a feed: market time moved to `at`; `mono` is our monotonic time."""

    at: int
    mono: int


class EarlySessionEnd(Message, frozen=True):
    """Symbols whose day ends at other times than that of the rest, in market ns."""

    closes_at: int
    entries_until: int
    square_off_at: int
    symbols: tuple[str, ...]


class SessionBegins(Message, frozen=True, rename=renamed("messages.SessionBegins")):
    """Another trading day: the session now in force or next to come, in market ns.

    `entries_until` is the end of new positions, `square_off_at` the time from which positions are closed, `closes_at`
    the end of the day, for all symbols but those that `early_ends` name, which end earlier.
    """

    opens_at: int
    closes_at: int
    entries_until: int
    square_off_at: int
    early_ends: tuple[EarlySessionEnd, ...] = ()

    @property
    def session_ends(self) -> tuple[SessionBegins | EarlySessionEnd, ...]:
        """The day's end and the earlier ones."""
        return self, *self.early_ends


class LinkUp(Message, frozen=True):
    """A connection of `source` works (again)."""

    source: str
    mono: int


class LinkDown(Message, frozen=True):
    """A connection of `source` broke or went silent; its data is stale until `LinkUp` and a fresh quote."""

    source: str
    mono: int
    reason: str


class FrozenSymbols(Message, frozen=True):
    """The symbols whose quotes only repeat themselves now, all of them: nothing may be opened in these."""

    symbols: tuple[str, ...]
    mono: int


class FetchedQuotes(Message, frozen=True):
    """What the venue answered when it was asked for quotes; it knows better than its stream."""

    quotes: Quotes


class BrokerSession(Message, frozen=True, rename=renamed("messages.BrokerSession")):
    """The state of our login at the venue from `mono` on: `lost_reason` says why it is dead, "" while it holds.

    `orders_refused`: an order route itself said so, and no exit can leave.
    """

    mono: int
    lost_reason: str = ""
    orders_refused: bool = False


class Action(StrEnum):
    """What a signal asks for; EXIT closes what is open, whichever way it stands."""

    ENTER_LONG = "enter_long"
    EXIT_LONG = "exit_long"
    ENTER_SHORT = "enter_short"
    EXIT_SHORT = "exit_short"

    is_entry: bool
    side: Side
    text: str  # itself as a plain str, which is written four times as fast

    def __init__(self, value: str) -> None:
        self.text = value
        self.is_entry = value.startswith("enter")
        self.side = Side.BUY if value in ("enter_long", "exit_short") else Side.SELL


class Signal(Message, frozen=True, kw_only=False):
    """What a strategy wants of one symbol at one close.

    `signal_id` is a pure function of (strategy, symbol, bar end, action). `inputs` are the indicator values behind it.
    `stop_loss` and `target` are prices, `trail_by` a distance, as floats from the strategy; the desk rounds them.
    `quantity` is None where sizing is the desk's. `bar_at` is market ns, `quoted_at` and `made_at` monotonic ns.
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
    """The signals of one close, ordered by (symbol id, strategy), or a part of many; may be empty.

    `failed` names what did not answer.
    """

    at: int
    interval: int
    signals: tuple[Signal, ...] = ()
    failed: tuple[str, ...] = ()


class Submit(Message, frozen=True):
    """An order that passed the gate and is reserved; execution journals it, then sends it once."""

    request: OrderRequest


class Modify(Message, frozen=True):
    """A wish to change a working order to the kind, price and total quantity that `request` has now."""

    request: OrderRequest
    venue_order_id: str

    @property
    def order_id(self) -> str:
        return self.request.order_id


class Cancel(Message, frozen=True):
    """A wish to cancel a working order."""

    order_id: str
    venue_order_id: str
    reason: str


class OrderReport(Message, frozen=True):
    """The venue reported an order, on the stream or in a list."""

    order: VenueOrder
    mono: int


class FillReport(Message, frozen=True, rename=renamed("messages.FillReport")):
    """The venue reported a fill."""

    fill: Fill
    mono: int


class RequestResult(Message, frozen=True, rename=renamed("messages.RequestResult")):
    """What became of a request we sent, as a fact for the order."""

    event: OrderEvent


class AccountSnapshot(Message, frozen=True, rename=renamed("messages.AccountSnapshot")):
    """The venue's books, read in one go: orders first, then executions, positions, holdings and cash.

    `asked_at` is our monotonic time before the first query: what we sent later need not be in them. `unread` are rows
    that are there and could not be read; what they may stand for is unknown, never absent. `cash` is None where the
    venue did not tell it. Books of before holdings were read have none.
    """

    asked_at: int
    orders: tuple[VenueOrder, ...]
    fills: tuple[Fill, ...]
    positions: tuple[VenuePosition, ...]
    cash: Decimal | None
    unread: tuple[UnreadRow, ...] = ()
    holdings: tuple[VenueHolding, ...] = ()

    def net_quantities(self) -> dict[NettingKey, Decimal]:
        """Return line -> signed quantity of every row of positions and holdings, flat ones included.

        A sale of shares held shows as a negative position of the day beside an unchanged holding: the sum is right.
        """
        net: dict[NettingKey, Decimal] = {}
        rows: tuple[VenuePosition | VenueHolding, ...] = (*self.positions, *self.holdings)
        for row in rows:
            net[row.netting_key] = net.get(row.netting_key, ZERO) + row.quantity
        return net

    def unknown_position_reason(self, symbol: str) -> str:
        """Return why the position in a symbol is not known, "" where it is: a row that may be of it cannot be read."""
        for row in self.unread:
            if row.book == "positions" and row.symbol in ("", symbol):
                return row.reason
        return ""


class ExternalPosition(Message, frozen=True):
    """What the venue holds of a key beyond ours; `quantity` is signed, `average_price` the venue's, 0 if not given."""

    key: PositionKey
    quantity: Decimal
    average_price: Decimal = ZERO


class ReleasedPosition(Message, frozen=True):
    """A signed `quantity` of a position that is no longer ours: closed or converted by another hand.

    `price` is what it is valued at; from then on its profit is not ours either. `at` is market ns.
    """

    key: PositionKey
    quantity: Decimal
    price: Decimal
    at: int


class ReconciliationResult(Message, frozen=True):
    """A full comparison with the venue ended; `differences` explain in words, empty when all agreed.

    `external` is what the venue holds beyond ours, and `released` what is no longer ours since this look. `adopted` are
    positions taken over from the venue (symbol, signed quantity, average price), as runs of before did at their start.
    """

    at: int
    differences: tuple[str, ...] = ()
    cash: Decimal | None = None
    adopted: tuple[tuple[str, Decimal, Decimal], ...] = ()
    external: tuple[ExternalPosition, ...] = ()
    released: tuple[ReleasedPosition, ...] = ()


class TrailingStopPrices(Message, frozen=True, rename=renamed("messages.TrailingStopPrices")):
    """The best prices since their entries that trailing stops follow: `best_prices` is order id of the entry -> price.

    Those that moved since the row before; a start sets them again, since the quotes that made them are gone.
    """

    at: int
    best_prices: dict[str, Decimal] = {}


class ClockOffset(Message, frozen=True, rename=renamed("messages.ClockOffset")):
    """The host's wall clock is `offset_ns` ns ahead of the venue's time, behind where negative; 0: they agree again."""

    mono: int
    offset_ns: int


class DiskAllowance(StrEnum):
    """What the room of the journal's disk allows."""

    ALL = "all"
    EXITS = "exits"
    CANCELS = "cancels"


class DiskSpaceState(Message, frozen=True):
    """What the room of the journal's disk allows from now on; `reason` is empty where it is enough."""

    mono: int
    allows: DiskAllowance
    reason: str = ""


class Incident(Message, frozen=True):
    """Something that must not happen did, and a person should look; what it halts is halted by a `Command`."""

    text: str
    at: int = 0
    order_id: str = ""
    symbol: str = ""


class Command(Message, frozen=True):
    """A wish of the operator, or of a rule, which names itself in `control`.

    `until` says how long a halt lasts: a person's until `resume`, whatever its reason says. A flatten whose `id` was
    seen before changes nothing.
    """

    verb: CommandVerb
    reason: str = ""
    scope: Scope = EVERYTHING
    id: str = ""
    until: HaltExpiry = HaltExpiry.RESUME
    control: str = ""


MarketMessage = Quotes | ClockTick | LinkUp | LinkDown | FetchedQuotes
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
)
OrderMessage = Submit | Modify | Cancel
