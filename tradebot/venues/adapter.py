"""The protocol of a venue adapter, through which all other code reaches a venue; `registry.py` lists the adapters.

Every venue has the same layout:

venues/<name>/  adapter   implements the protocol of this file
                settings  its section of config.toml
                rules     its documented rules, each once: the client respects them and the server enforces them
                wire      bytes to messages and back, pure
                session   requests within its rate limits, and the meaning of a response
                feed, broker
                server/   the simulated exchange behind the same wire protocol
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
    """The addresses of a venue, by the names that its adapter gives them, and the credentials."""

    addresses: Mapping[str, str]
    credentials: Credentials
    ca_bundle: str = ""
    bind_address: str = ""  # the local address to connect from, "" for any
    expected_address: str = ""  # the address registered at the venue, from which orders must come; "" where unknown

    @property
    def is_rehearsal(self) -> bool:
        """Return True where every address is of this machine: an exchange in the place of the real venue."""
        return all(map(is_loopback, self.addresses.values()))


def is_loopback(address: str) -> bool:
    """Return True for an address (http, https, ws, wss) of this machine that every URL parser reads the same way."""
    try:
        host = urlsplit(address).hostname or ""
        return not set("@\\ ") & set(address) and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


class WritePatterns(NamedTuple):
    """Patterns that recognise write requests in the bytes of a connection, for code that only observes the traffic.

    Each of `writes` is a kind (create, modify or cancel) and its pattern. They are tried in order at the start of a
    request. A group `id` holds the venue's order number where the request has one. `order_tag` finds our order id in a
    create; that of a GTT order has none.
    """

    writes: tuple[tuple[str, re.Pattern[bytes]], ...]
    order_tag: re.Pattern[bytes]


class VenueAdapter(Protocol):
    """One venue: its settings, its rules, and the objects that are built from them.

    `settings` is always an instance of `settings_class()`. Only `build_trading_venue` and `build_kill_broker` build
    objects that can send an order.
    """

    name: str  # of its section, in `venue.name`, and in the output of a running exchange
    title: str  # the name that users know
    venue_rules: VenueRules
    write_patterns: WritePatterns
    credential_names: tuple[str, ...]  # of the keys that each request needs; each is a setting of its section
    kept_secret_names: tuple[str, ...]  # of the secrets that the operator keeps; settings of its section
    entry_names: frozenset[str]  # names that the output of a running exchange must contain

    @property
    def login_route(self) -> Any:
        """Return a `venues/login.py:LoginRoute` where a person logs in each day, None where keys last."""
        ...

    def settings_class(self) -> type[Section]:
        """Return the class of the table of config.toml that has the adapter's name."""
        ...

    def live_account_id(self, settings: Any) -> str:
        """Return the account id that live mode may trade, empty if the settings name none."""
        ...

    def config_errors(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        """Return the reasons against a run at the real venue, as (key of the section, sentence)."""
        ...

    def is_rehearsal(self, settings: Any) -> bool:
        """Return True where the settings name an exchange on this machine in the place of the real venue."""
        ...

    def config_warnings(self, settings: Any) -> list[str]:
        """Return warnings about settings that do not prevent a run."""
        ...

    def has_venue_timestamps(self, settings: Any) -> bool:
        """Return True where quotes carry the venue's own time; otherwise they get their arrival time."""
        ...

    def has_depth(self, settings: Any) -> bool:
        """Return True where streamed quotes carry the best bid and ask."""
        ...

    def access_from_settings(self, settings: Any) -> VenueAccess:
        """Return the access to the real venue. Raises ConfigError where the keys would be sent unencrypted."""
        ...

    def access_from_entry(self, entry: Mapping[str, Any]) -> VenueAccess:
        """Return the access to a running exchange, from its printed `entry`. Raises KeyError for a missing name."""
        ...

    def emergency_access(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> VenueAccess:
        """Return the access for an emergency: keys and addresses from `own` first, then from `section`.

        `own` is the section `kill` (TRADEBOT_KILL__... in the environment), `section` the venue's own. Neither has been
        validated. Raises ConfigError where no keys can be found.
        """
        ...

    # The methods below return classes of `venue.py`. Their return types are `Any`, because that file loads numpy, and
    # commands that only read settings do without it.

    def build_trading_venue(self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        """Return the Venue that receives our orders, as an async context manager.

        Its stream is replaced after `silent_after_s` wall seconds without a frame.
        """
        ...

    def build_read_only_venue(self, access: VenueAccess, clock: Clock) -> Any:
        """Return the ReadOnlyVenue, as an async context manager; nothing in it can send an order."""
        ...

    def build_streaming_reader(self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        """Return the ReadOnlyVenue with the stream of a run's settings; nothing in it can send an order."""
        ...

    def build_kill_broker(self, access: VenueAccess, clock: Clock) -> Any:
        """Return a Broker that reads the account's lists and cancels, with short timeouts and the whole rate limit."""
        ...

    def protocol_server_class(self) -> Callable[..., Any]:
        """Return the server class of this venue's protocol, with which `serve_exchange` runs the exchange."""
        ...

    def refusal_reply_maker(self) -> Callable[[Any], Any]:
        """Return the function from an ExchangeRefusal to the Reply that a client of this venue gets for it."""
        ...
