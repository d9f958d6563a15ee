"""The adapter of Kite (Zerodha Kite Connect v3) for all other code; it imports client and server only when needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tradebot.clock import Clock
from tradebot.errors import ConfigError
from tradebot.section import Section
from tradebot.venues.adapter import VenueAccess, WritePatterns, is_loopback
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.rules import (
    KILL_LIMITS,
    KITE_RULES,
    REST_URL,
    SANDBOX_HOST,
    SANDBOX_TICKER_HOST,
    rest_offer,
    route_prefix,
)
from tradebot.venues.venue_rules import VenueRules

ADDRESS_SCHEMES = {"rest": "https", "ticker": "wss"}  # name -> the encrypted scheme
SECRET_NAMES = ("api_key", "api_secret")  # what the operator keeps; a login adds the access token
CREDENTIAL_NAMES = ("api_key", "access_token")  # what a request is sent with
SANDBOX_HOSTS = frozenset({SANDBOX_HOST, SANDBOX_TICKER_HOST})
KILL_TIMEOUT_S = 4.0


class KiteAdapter:
    """Implements `venues/adapter.py` for Kite."""

    name = "kite"
    title = "Kite"
    venue_rules: VenueRules = KITE_RULES
    write_patterns = WritePatterns(
        writes=(
            ("create", re.compile(rb"POST /(?:orders/|gtt/triggers)")),
            ("modify", re.compile(rb"PUT /(?:orders/[^/ ]+|gtt/triggers)/(?P<id>[^ ?]+)")),
            ("cancel", re.compile(rb"DELETE /(?:orders/[^/ ]+|gtt/triggers)/(?P<id>[^ ?]+)")),
        ),
        order_tag=re.compile(rb"(?:^|[&?\n])tag=([^&\s]+)"),
    )
    credential_names: tuple[str, ...] = CREDENTIAL_NAMES
    kept_secret_names: tuple[str, ...] = SECRET_NAMES
    entry_names = frozenset({*ADDRESS_SCHEMES, *CREDENTIAL_NAMES})

    def settings_class(self) -> type[Section]:
        from tradebot.venues.kite.settings import KiteSection

        return KiteSection

    def live_account_id(self, settings: Any) -> str:
        return str(settings.account_id)

    @property
    def login_route(self) -> Any:
        """The login at Kite's page; imported when it is needed, because it loads the HTTP client."""
        from tradebot.venues.kite.login import KiteLogin

        return KiteLogin()

    def config_errors(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        has = {key: bool(getattr(settings, key).get_secret_value()) for key in (*SECRET_NAMES, "access_token")}
        found = []
        if not has["api_key"]:
            found.append(("api_key", "is missing; put it into the environment as TRADEBOT_KITE__API_KEY"))
        if not has["api_secret"] and not has["access_token"]:
            found.append(
                (
                    "api_secret",
                    "is missing; put it into the environment as TRADEBOT_KITE__API_SECRET: `tradebot login kite` needs"
                    " it each morning (or the token of a login made elsewhere as TRADEBOT_KITE__ACCESS_TOKEN)",
                )
            )
        found += _address_errors(settings)
        if is_live and not settings.account_id:
            found.append(("account_id", "must name the account that live mode may trade"))
        return found

    def is_rehearsal(self, settings: Any) -> bool:
        return all(is_loopback(getattr(settings, key)) for key in ADDRESS_SCHEMES)

    def config_warnings(self, settings: Any) -> list[str]:
        found = []
        if not self.has_venue_timestamps(settings):
            found.append(
                f"kite.mode is {settings.mode}: its quotes carry no time of the venue, bars follow this machine's clock"
                " wherever that is set; full holds the two against each other"
            )
        if route_prefix(settings.rest):
            found.append(
                "kite.rest is Kite's sandbox: it takes limit orders near the last price alone, no market orders, so no"
                " protected exit, no GTT and no margins; rehearse those on `tradebot exchange`"
            )
        return found

    def has_venue_timestamps(self, settings: Any) -> bool:
        return bool(settings.mode == "full")

    def has_depth(self, settings: Any) -> bool:
        return bool(settings.mode == "full")

    def access_from_settings(self, settings: Any) -> VenueAccess:
        addresses = {name: str(getattr(settings, name)) for name in ADDRESS_SCHEMES}
        if faults := _address_errors(settings):
            raise ConfigError("; ".join(f"kite.{key} {sentence}" for key, sentence in faults))
        if route_prefix(addresses["rest"]):
            addresses["ticker"] += f"/?{urlencode({'user_id': settings.account_id})}"
        keys = {key: getattr(settings, key).get_secret_value() for key in (*SECRET_NAMES, "access_token")}
        return VenueAccess(
            addresses=addresses,
            credentials=Credentials(**keys),
            ca_bundle=settings.ca_bundle,
            bind_address=settings.bind_address,
            expected_address=settings.expected_address,
        )

    def access_from_entry(self, entry: Mapping[str, Any]) -> VenueAccess:
        addresses = {name: str(entry[name]) for name in ADDRESS_SCHEMES}
        keys = {key: str(entry[key]) for key in CREDENTIAL_NAMES} | {"api_secret": str(entry.get("api_secret", ""))}
        return VenueAccess(addresses=addresses, credentials=Credentials(**keys))

    def emergency_access(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> VenueAccess:
        keys = _texts(own, CREDENTIAL_NAMES) or _texts(section, CREDENTIAL_NAMES)
        if keys is None:
            raise ConfigError(
                "no credentials to cancel with: log in, or set TRADEBOT_KILL__API_KEY and TRADEBOT_KILL__ACCESS_TOKEN"
            )
        rest = _text(own, "rest") or _text(section, "rest") or REST_URL
        if not rest.startswith("https://") and not is_loopback(rest):
            raise ConfigError(
                f"the venue's address is {rest[:200]!r}: it must be https, the keys leave with each request"
            )
        ca_bundle = _text(section, "ca_bundle")
        return VenueAccess(
            addresses={"rest": rest},
            credentials=Credentials(**keys),
            ca_bundle=ca_bundle,
            bind_address=_text(section, "bind_address"),
        )

    def build_trading_venue(self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        from tradebot.venues.kite.feed import FeedSettings
        from tradebot.venues.kite.venue import KiteVenue

        feed = FeedSettings(mode=settings.mode, silent_after_s=silent_after_s)
        return KiteVenue(**_connection_arguments(access), clock=clock, feed=feed, max_gtt=settings.max_gtt)

    def build_read_only_venue(self, access: VenueAccess, clock: Clock) -> Any:
        from tradebot.venues.kite.venue import KiteReadOnlyVenue

        return KiteReadOnlyVenue(**_connection_arguments(access), clock=clock)

    def build_streaming_reader(self, access: VenueAccess, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        from tradebot.venues.kite.feed import FeedSettings
        from tradebot.venues.kite.venue import KiteReadOnlyVenue

        feed = FeedSettings(mode=settings.mode, silent_after_s=silent_after_s)
        return KiteReadOnlyVenue(**_connection_arguments(access), clock=clock, feed=feed, max_gtt=settings.max_gtt)

    def build_kill_broker(self, access: VenueAccess, clock: Clock) -> Any:
        from tradebot.venues.kite.broker import KiteBroker
        from tradebot.venues.kite.rest import Timeouts
        from tradebot.venues.limiter import Limiter

        # It has no GTT orders: it cannot tell ours from the owner's, which may be a year of plans, and what it lists it
        # cancels.
        timeouts = Timeouts(connect_s=KILL_TIMEOUT_S / 2, query_s=KILL_TIMEOUT_S, write_s=KILL_TIMEOUT_S)
        return KiteBroker(
            rest=access.addresses["rest"],
            credentials=access.credentials,
            ca_bundle=access.ca_bundle,
            bind_address=access.bind_address or None,
            clock=clock,
            offer=rest_offer(access.addresses["rest"], max_gtt=0),
            limiter=Limiter(KILL_LIMITS, clock),
            timeouts=timeouts,
        )

    def protocol_server_class(self) -> Callable[..., Any]:
        from tradebot.venues.kite.server.kite_server import KiteServer

        return KiteServer

    def refusal_reply_maker(self) -> Callable[[Any], Any]:
        from tradebot.venues.kite.server.refusals import refusal_reply

        return refusal_reply


ADAPTER = KiteAdapter()


def _address_errors(settings: Any) -> list[tuple[str, str]]:
    # Keys leave this machine encrypted. An address of this machine is a rehearsal, if both are.
    addresses = {key: str(getattr(settings, key)) for key in ADDRESS_SCHEMES}
    here = {key: is_loopback(address) for key, address in addresses.items()}
    if any(here.values()) and not all(here.values()):
        away = next(key for key, is_here in here.items() if not is_here)
        other = next(key for key, is_here in here.items() if is_here)
        return [(away, f"is not of this machine, but kite.{other} is: a rehearsal names the exchange here in both")]
    sandbox = {key: urlsplit(address).hostname in SANDBOX_HOSTS for key, address in addresses.items()}
    if any(sandbox.values()) and not all(sandbox.values()):
        return [("ticker", "and kite.rest must both be Kite's sandbox, or neither")]
    return [
        (key, f"must be encrypted ({scheme}): the keys leave with every request; http and ws are for this machine")
        for key, scheme in ADDRESS_SCHEMES.items()
        if not here[key] and not addresses[key].startswith(f"{scheme}://")
    ]


def _connection_arguments(access: VenueAccess) -> dict[str, Any]:
    return {
        **access.addresses,
        "credentials": access.credentials,
        "ca_bundle": access.ca_bundle,
        "bind_address": access.bind_address,
    }


def _text(table: Mapping[str, Any], key: str) -> str:
    found = table.get(key, "")
    return found.strip() if isinstance(found, str) else ""


def _texts(table: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str] | None:
    found = {key: _text(table, key) for key in keys}
    return found if all(found.values()) else None
