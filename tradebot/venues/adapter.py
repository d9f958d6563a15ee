"""What the room of a venue offers to the rest of the house; `registry.py` knows the rooms, and each has the same plan.

venues/<name>/  room      this file's protocol, said for one venue
                settings  its section of config.toml
                rules     its documented facts, each once: what the client keeps to and the server enforces
                wire      bytes to messages and back, pure
                session   requests in its limits, and what an answer means
                feed, broker
                server/   the simulated exchange behind the same wire
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from tradebot.clock import Clock
from tradebot.domain.message import Message
from tradebot.section import Section
from tradebot.venues.credentials import Credentials
from tradebot.venues.venue_rules import VenueRules


class VenueAccess(Message, frozen=True):
    """Where a venue answers, by the names of its room, and what opens it."""

    addresses: Mapping[str, str]
    credentials: Credentials
    ca_bundle: str = ""


def is_loopback(address: str) -> bool:
    """True for an address (http, https, ws, wss) of this machine, written so that no two readers can differ over it."""
    try:
        host = urlsplit(address).hostname or ""
        return not set("@\\ ") & set(address) and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


class WritePatterns(NamedTuple):
    """How the requests that write can be told by the bytes of a connection, for who only listens to the wire.

    `writes` are tried in their order at the begin of what is sent: the kind (create, modify or cancel) and its pattern,
    with a group `id` where the venue's order number stands there. `order_tag` finds our order id in a create.
    """

    writes: tuple[tuple[str, re.Pattern[bytes]], ...]
    order_tag: re.Pattern[bytes]


class VenueAdapter(Protocol):
    """One venue: its settings, its rules, and what is built from them.

    `settings` is always a value of `settings_class()`. Only `build_trading_venue` and `build_kill_broker` build what can send an order.
    """

    name: str  # of the section, of `venue.name`, and of what a running exchange prints
    title: str  # as its users call it
    venue_rules: VenueRules
    write_patterns: WritePatterns
    credential_names: tuple[str, ...]  # the names of its credentials, each a setting of its section
    entry_names: frozenset[str]  # names without which what a running exchange printed is of no use

    def settings_class(self) -> type[Section]:
        """Return the table of config.toml that is called like the room."""
        ...

    def live_account_id(self, settings: Any) -> str:
        """Return the account that live mode may trade, empty where none is named."""
        ...

    def config_errors(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        """Return what speaks against a run at the real venue, as (key of the section, sentence)."""
        ...

    def config_warnings(self, settings: Any) -> list[str]:
        """Return what an operator should know of settings with which a run starts nevertheless."""
        ...

    def has_venue_timestamps(self, settings: Any) -> bool:
        """True where the quotes carry the venue's own time; otherwise they are stamped as they arrive."""
        ...

    def access_from_settings(self, settings: Any) -> VenueAccess:
        """Return the access to the real venue. Raises ConfigError where the keys would leave unencrypted."""
        ...

    def access_from_entry(self, entry: Mapping[str, Any]) -> VenueAccess:
        """Return the access to an exchange that runs, by what its face printed. Raises KeyError for a missing name."""
        ...

    def emergency_access(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> VenueAccess:
        """Return the access of an emergency: keys and addresses of `own` first, then those of the section.

        Nothing of either was checked. Raises ConfigError where no keys are to be had.
        """
        ...

    # What these build is named in `venue.py`, whose types load numpy: verbs that only read settings do without it.

    def build_trading_venue(self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        """Return the Venue that orders go to, to be entered; a stream silent for `silent_after_s` is replaced."""
        ...

    def build_read_only_venue(self, access: VenueAccess, clock: Clock) -> Any:
        """Return the Source to read from, to be entered; nothing in it can send an order."""
        ...

    def build_kill_broker(self, access: VenueAccess, clock: Clock) -> Any:
        """Return a Broker that reads the books and cancels, with short waits and the whole rate limit to itself."""
        ...

    def protocol_server_class(self) -> Callable[..., Any]:
        """Return what `exchange.server.serve` takes, so that the simulated exchange speaks as this venue does."""
        ...
