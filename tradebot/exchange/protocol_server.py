"""A face: one venue's protocol in front of the exchange. The exchange knows no protocol; a face knows no matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from aiohttp import web

from tradebot.clock import Clock
from tradebot.exchange.access import FIXED_KEYS, AccessKeys
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder


class ServerContext(NamedTuple):
    """What a face is built upon. `token_expires` False keeps the first login alive past the venue's own hour."""

    exchange: Exchange
    clock: Clock
    keys: AccessKeys = FIXED_KEYS
    token_expires: bool = True
    log: EventLog | None = None
    faults: FaultPlan | None = None


class ProtocolServer(Protocol):
    """Requests and streams of one protocol; it asks the exchange for everything and keeps no books."""

    venue: str  # the name of the room whose client speaks with it
    unsupported_faults: frozenset[str]  # names of the faults that its protocol cannot commit

    def add_routes(self, app: web.Application) -> None:
        """Add the routes and whatever ends with the application."""
        ...

    def publish_snapshots(self, snapshots: Snapshots) -> None:
        """Tell every client that asked for them of new rows."""
        ...

    def publish_order(self, order: BookOrder) -> None:
        """Tell every client of a new version of an order."""
        ...

    def client_entry(self, host: str, port: int) -> Mapping[str, str]:
        """Return the addresses and keys that a client needs, by the names that the room of the venue reads."""
        ...


ProtocolServerFactory = Callable[[ServerContext], ProtocolServer]
