"""The protocols of a venue: a feed of market messages, a broker for orders and the account's lists, and its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import Fill, OrderRequest, Refusal, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import VenueRows
from tradebot.ops.events.event import EventListener
from tradebot.venues.venue_rules import VenueRules as VenueRules

# `Refused.code` where the venue refuses us and not the order: a missing permission or a wrong address; an ended login.
ACCESS_DENIED, LOGIN_LOST = "AccessDenied", "SessionLost"


class Accepted(Message, frozen=True):
    """The venue accepted the request."""

    venue_order_id: str


class Refused(Message, frozen=True):
    """The venue refused the request finally; it has no effect."""

    reason: str
    code: str = ""
    refusal: Refusal = Refusal.ORDER


class NotSent(Message, frozen=True):
    """No byte of the request left this machine."""

    reason: str


Reply = Accepted | Refused | NotSent


class Feed(Protocol):
    """Streams quotes of the subscribed instruments. One task runs `run` until it is cancelled."""

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Return the counts of received but unusable data since the start, by kind, without the zeros."""
        ...

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        """Connect, subscribe, deliver and reconnect for ever; no response of the venue ends it."""
        ...

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Subscribe again to these instrument ids of the universe. Has no effect while the stream is down."""
        ...


class VenueReader(Protocol):
    """Reads the account's lists (orders, fills, positions), quotes and history; it has no order route.

    Every method raises LinkLost when the venue cannot be reached and AccessDenied when it refuses us. Rows of a list
    that could not be parsed are in `unread` of the result.
    """

    venue_rules: VenueRules

    async def fetch_account_id(self) -> str:
        """Return the account id. Only this route decides whether our login is valid. Raises LoginLost."""
        ...

    async def fetch_profile(self) -> AccountProfile:
        """Return what the account may trade. Raises LoginLost where `fetch_account_id` does."""
        ...

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the instruments of `symbols` in their order. Raises DataError that names all that are unavailable."""
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
        """Return the shares held from earlier days, including those bought and not yet delivered."""
        ...

    async def fetch_cash(self) -> Decimal:
        """Return the funds available for new orders."""
        ...

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Return the newest quote of every instrument: the fallback while the stream is down."""
        ...

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return complete past bars that start in [start, end), in market ns; `interval` is in ns."""
        ...

    async def close(self) -> None:
        """Close the connections within at most two seconds."""
        ...


class Broker(VenueReader, Protocol):
    """Also sends orders. Each write returns a `Reply` or raises OutcomeUnknown, and is never sent twice."""

    async def submit(self, request: OrderRequest) -> Reply:
        """Send a new order, once."""
        ...

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Request once that a working order takes the kind, price and total quantity of `request`."""
        ...

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Request once that a working order is cancelled."""
        ...


class Venue(Protocol):
    """A feed and a broker of one venue. It has order routes, see `daemon/venue/order_route.py`."""

    venue_rules: VenueRules

    @property
    def broker(self) -> Broker:
        """Return the broker of this venue."""
        ...

    def resume_day(self, sent_before: int) -> None:
        """Add the orders that earlier processes sent on this market day to the count for the venue's daily limit."""
        ...

    def create_feed(self, universe: Universe, *, tell: EventListener = ...) -> Feed:
        """Return a feed of the instruments of `universe`; `tell` receives its log events."""
        ...


class ReadOnlyVenue(Protocol):
    """A venue that can be read but not traded."""

    venue_rules: VenueRules

    @property
    def broker(self) -> VenueReader:
        """Return the reader of its account, quotes and history."""
        ...

    def create_feed(self, universe: Universe, *, tell: EventListener = ...) -> Feed:
        """Return a feed of the instruments of `universe`; `tell` receives its log events."""
        ...
