"""The interface of a protocol server: one venue's protocol in front of the exchange.

The exchange knows no protocol, and a protocol server knows no matching.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from aiohttp import web

from tradebot.clock import Clock
from tradebot.exchange.access import FIXED_KEYS, AccessKeys, LoginRecord, RegisteredApp
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder


class ServerContext(NamedTuple):
    """What a protocol server is built on.

    `token_expires` False keeps the first login alive past the venue's own hour. `earlier_login` is the last login of
    the runs that this one continues; it holds for as long as the venue lets it.
    """

    exchange: Exchange
    clock: Clock
    keys: AccessKeys = FIXED_KEYS
    token_expires: bool = True
    log: EventLog | None = None
    faults: FaultPlan | None = None
    app: RegisteredApp = RegisteredApp()
    earlier_login: LoginRecord | None = None


class ProtocolServer(Protocol):
    """Requests and streams of one protocol. It asks the exchange for everything and keeps no state of its own."""

    venue: str  # the name of the venue whose client connects to it
    unsupported_faults: frozenset[str]  # names of the faults that its protocol cannot commit

    def add_routes(self, app: web.Application) -> None:
        """Add the routes, and what must end with the application."""
        ...

    def publish_snapshots(self, snapshots: Snapshots) -> None:
        """Send new rows to every client that subscribed to them."""
        ...

    def publish_order(self, order: BookOrder) -> None:
        """Send a new version of an order to every client."""
        ...

    def client_entry(self, host: str, port: int) -> Mapping[str, str]:
        """Return the addresses and keys that a client needs, by the names that the venue's settings use."""
        ...


ProtocolServerFactory = Callable[[ServerContext], ProtocolServer]
