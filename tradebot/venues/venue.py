"""What every venue offers: a feed of market messages, a broker for orders and books, and a profile of its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market_data import BarSeries, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import Fill, OrderRequest, Refusal, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.ops.events.event import EventListener
from tradebot.venues.venue_rules import VenueRules as VenueRules

# `Refused.code` where the venue refuses us and not the order: for a right or an address, and for a login that is dead.
ACCESS_DENIED, LOGIN_LOST = "AccessDenied", "SessionLost"


class Accepted(Message, frozen=True):
    """The venue took the request."""

    venue_order_id: str


class Refused(Message, frozen=True):
    """The venue refused the request for good; nothing will happen for it."""

    reason: str
    code: str = ""
    refusal: Refusal = Refusal.ORDER


class NotSent(Message, frozen=True):
    """No byte of the request left this machine."""

    reason: str


Reply = Accepted | Refused | NotSent


class Feed(Protocol):
    """Streams quotes of the subscribed instruments; one task runs `run` until it is cancelled."""

    @property
    def dropped_counts(self) -> dict[str, int]:
        """What came and could not be used, by kind, since the start; a kind that never came is left out."""
        ...

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        """Connect, subscribe, deliver, reconnect for ever, whatever the venue answers."""
        ...

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Ask the stream to send these instruments of the universe again; does nothing where it is down."""
        ...


class VenueReader(Protocol):
    """Reads books, quotes and history, and has no order route. Raises LinkLost when the venue cannot be asked,
    AccessDenied when it refuses us; rows of a book that could not be read are told in `unread`."""

    venue_rules: VenueRules

    async def fetch_account_id(self) -> str:
        """Return the account id: the one route that decides whether our session holds. Raises SessionLost."""
        ...

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the instruments of `symbols` in their order. Raises DataError naming all that cannot be had."""
        ...

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return every order of the day, from any channel."""
        ...

    async def fetch_fills(self) -> VenueRows[Fill]:
        """Return every fill of the day, oldest first."""
        ...

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return the net positions, flat ones included."""
        ...

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        """Return the shares held beyond the day, those bought and not yet delivered included."""
        ...

    async def fetch_cash(self) -> Decimal:
        """Return the funds available for new orders."""
        ...

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Fetch the newest quote of every instrument: the fallback while the stream is down."""
        ...

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return complete past bars that start in [start, end) (market ns); `interval` in ns."""
        ...

    async def close(self) -> None:
        """Close connections; waits at most two seconds."""
        ...


class Broker(VenueReader, Protocol):
    """Sends orders as well: writes answer with a `Reply` or raise OutcomeUnknown, and never send twice."""

    async def submit(self, request: OrderRequest) -> Reply:
        """Send a new order, once."""
        ...

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Ask to change a working order to the kind, price and total quantity of `request`, once."""
        ...

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Ask to cancel a working order, once."""
        ...


class Venue(Protocol):
    """A feed and a broker that belong together: it has order routes, see `daemon/order_route.py`."""

    venue_rules: VenueRules

    @property
    def broker(self) -> Broker:
        """The broker behind the feeds."""
        ...

    def resume_day(self, sent_before: int) -> None:
        """Count the orders that earlier processes sent on this market day toward the venue's limit of a day."""
        ...

    def create_feed(self, universe: Universe, *, tell: EventListener = ...) -> Feed:
        """Return a feed of the instruments of `universe`; `tell` takes what it has to say besides quotes and orders."""
        ...


class ReadOnlyVenue(Protocol):
    """A venue that can be read and cannot trade."""

    @property
    def broker(self) -> VenueReader:
        """What reads its books, quotes and past."""
        ...
