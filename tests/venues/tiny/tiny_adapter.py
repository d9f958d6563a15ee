"""The room of a second, tiny venue: a JSON stream over websocket and three REST routes. Nothing of it is anywhere else.

Its words: `{"ok": ...}` or `{"no": code, "why": text}` over HTTP; `{"q": [rows]}`, `{"o": order}` and `{"hb": 1}` on
the stream. Numbers are strings. It exists to prove that the house takes a venue of another protocol by its room alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import Field, SecretStr

from tradebot.clock import SECOND, Clock
from tradebot.errors import ConfigError
from tradebot.section import HttpAddress, Section, StreamAddress
from tradebot.venues.adapter import VenueAccess, WritePatterns, is_loopback
from tradebot.venues.credentials import Credentials
from tradebot.venues.venue import Broker, ReadOnlyVenue, Venue, VenueRules

MINUTE = 60 * SECOND
TINY = VenueRules(
    name="tiny", tag_length=20, orders_per_second=50, orders_per_minute=1_000, orders_per_day=50_000,
    modifications_per_order=100, needs_protection=True, absent_after_s=55.0, candles={MINUTE: "1m", 5 * MINUTE: "5m"},
)  # fmt: skip


class TinySection(Section):
    """A tiny venue. Keys belong into credential files or the environment, not here."""

    rest: HttpAddress = Field(default="https://tiny.invalid", description="address of the routes")
    stream: StreamAddress = Field(default="wss://tiny.invalid", description="address of the stream")
    key: SecretStr = Field(default=SecretStr(""), description="credential file tiny__key, or TRADEBOT_TINY__KEY")
    account_id: str = Field(default="", description="the account that live mode may trade")
    ca_bundle: str = Field(default="", description="file of certificates to trust; empty: those of the system")


class TinyRoom:
    """See `tradebot/venues/adapter.py`."""

    name = "tiny"
    title = "Tiny"
    venue_rules: VenueRules = TINY
    credential_names: tuple[str, ...] = ("key",)
    kept_secret_names: tuple[str, ...] = ("key",)
    entry_names = frozenset({"rest", "stream", "key"})
    login_route = None
    write_patterns = WritePatterns(
        writes=(
            ("create", re.compile(rb"POST /orders/new ")),
            ("modify", re.compile(rb"POST /orders/change\?id=(?P<id>\d+)")),
            ("cancel", re.compile(rb"POST /orders/cancel\?id=(?P<id>\d+)")),
        ),
        order_tag=re.compile(rb'"tag":"([^"]+)"'),
    )

    def settings_class(self) -> type[Section]:
        return TinySection

    def live_account_id(self, settings: Any) -> str:
        return str(settings.account_id)

    def config_errors(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        found = [] if settings.key.get_secret_value() else [("key", "is missing")]
        return found + ([("account_id", "must name the account")] if is_live and not settings.account_id else [])

    def is_rehearsal(self, settings: Any) -> bool:
        return is_loopback(settings.rest) and is_loopback(settings.stream)

    def config_warnings(self, settings: Any) -> list[str]:
        return []

    def has_venue_timestamps(self, settings: Any) -> bool:
        return True

    def has_depth(self, settings: Any) -> bool:
        return True

    def access_from_settings(self, settings: Any) -> VenueAccess:
        if not (settings.rest.startswith("https:") and settings.stream.startswith("wss:")):
            raise ConfigError("tiny.rest and tiny.stream must be encrypted")
        key = Credentials(key=settings.key.get_secret_value())
        return VenueAccess(addresses={"rest": settings.rest, "stream": settings.stream}, credentials=key)

    def access_from_entry(self, entry: Mapping[str, Any]) -> VenueAccess:
        addresses = {name: str(entry[name]) for name in ("rest", "stream")}
        return VenueAccess(addresses=addresses, credentials=Credentials(key=str(entry["key"])))

    def emergency_access(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> VenueAccess:
        found = {**section, **own}
        if not found.get("key"):
            raise ConfigError("no key to cancel with")
        if not (rest := str(found["rest"])).startswith("https:") and not is_loopback(rest):
            raise ConfigError(f"the address is {rest}: it must be https")
        return VenueAccess(addresses={"rest": rest}, credentials=Credentials(key=str(found["key"])))

    def build_trading_venue(
        self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float
    ) -> AbstractAsyncContextManager[Venue]:
        from tests.venues.tiny.tiny_client import TinyVenue

        return TinyVenue(access, clock, silent_after_s)

    def build_read_only_venue(self, access: VenueAccess, clock: Clock) -> AbstractAsyncContextManager[ReadOnlyVenue]:
        from tests.venues.tiny.tiny_client import TinySource

        return TinySource(access, clock)

    def build_streaming_reader(
        self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float
    ) -> AbstractAsyncContextManager[ReadOnlyVenue]:
        from tests.venues.tiny.tiny_client import TinySource

        return TinySource(access, clock, silent_after_s)

    def build_kill_broker(self, access: VenueAccess, clock: Clock) -> Broker:
        from tests.venues.tiny.tiny_client import TinyBroker

        return TinyBroker(access, clock)

    def protocol_server_class(self) -> Callable[..., Any]:
        from tests.venues.tiny.tiny_server import TinyFace

        return TinyFace

    def refusal_reply_maker(self) -> Callable[[Any], Any]:
        from tests.venues.tiny.tiny_server import refusal_reply

        return refusal_reply
