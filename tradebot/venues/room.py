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
from tradebot.venues.profile import Profile


class Access(Message, frozen=True):
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


class Marks(NamedTuple):
    """How the requests that write can be told by the bytes of a connection, for who only listens to the wire.

    `writes` are tried in their order at the begin of what is sent: the kind (create, modify or cancel) and its pattern,
    with a group `id` where the venue's order number stands there. `tag` finds our order id in a create.
    """

    writes: tuple[tuple[str, re.Pattern[bytes]], ...]
    tag: re.Pattern[bytes]


class Room(Protocol):
    """One venue: its settings, its rules, and what is built from them.

    `settings` is always a value of `section()`. Only `with_orders` and `for_kill` build what can send an order.
    """

    name: str  # of the section, of `venue.name`, and of what a running exchange prints
    title: str  # as its users call it
    profile: Profile
    marks: Marks
    keys: tuple[str, ...]  # the names of its credentials, each a setting of its section
    entry: frozenset[str]  # names without which what a running exchange printed is of no use

    def section(self) -> type[Section]:
        """Return the table of config.toml that is called like the room."""
        ...

    def account(self, settings: Any) -> str:
        """Return the account that live mode may trade, empty where none is named."""
        ...

    def complaints(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        """Return what speaks against a run at the real venue, as (key of the section, sentence)."""
        ...

    def cautions(self, settings: Any) -> list[str]:
        """Return what an operator should know of settings with which a run starts nevertheless."""
        ...

    def has_stamps(self, settings: Any) -> bool:
        """True where the quotes carry the venue's own time; otherwise they are stamped as they arrive."""
        ...

    def access(self, settings: Any) -> Access:
        """Return the access to the real venue. Raises ConfigError where the keys would leave unencrypted."""
        ...

    def access_at(self, entry: Mapping[str, Any]) -> Access:
        """Return the access to an exchange that runs, by what its face printed. Raises KeyError for a missing name."""
        ...

    def salvaged(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> Access:
        """Return the access of an emergency: keys and addresses of `own` first, then those of the section.

        Nothing of either was checked. Raises ConfigError where no keys are to be had.
        """
        ...

    # What these build is named in `venue.py`, whose types load numpy: verbs that only read settings do without it.

    def with_orders(self, access: Access, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        """Return the Venue that orders go to, to be entered; a stream silent for `silent_after_s` is replaced."""
        ...

    def read_only(self, access: Access, clock: Clock) -> Any:
        """Return the Source to read from, to be entered; nothing in it can send an order."""
        ...

    def for_kill(self, access: Access, clock: Clock) -> Any:
        """Return a Broker that reads the books and cancels, with short waits and the whole rate limit to itself."""
        ...

    def face(self) -> Callable[..., Any]:
        """Return what `exchange.server.serve` takes, so that the simulated exchange speaks as this venue does."""
        ...
