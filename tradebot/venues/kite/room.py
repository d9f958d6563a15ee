"""The room of Kite: Zerodha Kite Connect v3 as the rest of the house sees it. Client and server load when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tradebot.clock import Clock
from tradebot.errors import ConfigError
from tradebot.section import Section
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.rules import KITE, QUERIES, REST
from tradebot.venues.profile import Profile
from tradebot.venues.room import Access, Marks, is_loopback

ON_THIS_MACHINE = "an exchange on this machine is named with --exchange"
ADDRESSES = {"rest": "https", "ticker": "wss"}  # name -> the scheme that hides what is said
KEYS = ("api_key", "access_token")
KILL_WAITS_S = 4.0


class KiteRoom:
    """See `venues/room.py`."""

    name = "kite"
    title = "Kite"
    profile: Profile = KITE
    marks = Marks(
        writes=(
            ("create", re.compile(rb"POST /orders/")),
            ("modify", re.compile(rb"PUT /orders/[^/ ]+/(?P<id>[^ ?]+)")),
            ("cancel", re.compile(rb"DELETE /orders/[^/ ]+/(?P<id>[^ ?]+)")),
        ),
        tag=re.compile(rb"(?:^|[&?\n])tag=([^&\s]+)"),
    )
    keys: tuple[str, ...] = KEYS
    entry = frozenset({*ADDRESSES, *KEYS})

    def section(self) -> type[Section]:
        from tradebot.venues.kite.settings import KiteSection

        return KiteSection

    def account(self, settings: Any) -> str:
        return str(settings.account_id)

    def complaints(self, settings: Any, *, is_live: bool) -> list[tuple[str, str]]:
        found = [
            (key, f"is missing; put it into the environment as TRADEBOT_KITE__{key.upper()}")
            for key in KEYS
            if not getattr(settings, key).get_secret_value()
        ]
        found += [
            (key, f"must be encrypted ({scheme}): the keys leave with every request; {ON_THIS_MACHINE}")
            for key, scheme in ADDRESSES.items()
            if not getattr(settings, key).startswith(f"{scheme}://")
        ]
        if is_live and not settings.account_id:
            found.append(("account_id", "must name the account that live mode may trade"))
        return found

    def cautions(self, settings: Any) -> list[str]:
        if self.has_stamps(settings):
            return []
        return [
            f"kite.mode is {settings.mode}: its quotes carry no time of the venue, bars follow this machine's clock"
            " wherever that is set; full holds the two against each other"
        ]

    def has_stamps(self, settings: Any) -> bool:
        return bool(settings.mode == "full")

    def access(self, settings: Any) -> Access:
        addresses = {name: str(getattr(settings, name)) for name in ADDRESSES}
        if not all(addresses[name].startswith(f"{scheme}://") for name, scheme in ADDRESSES.items()):
            raise ConfigError(
                "kite.rest and kite.ticker must be encrypted (https, wss): the keys leave with every request"
            )
        keys = {key: getattr(settings, key).get_secret_value() for key in KEYS}
        return Access(addresses=addresses, credentials=Credentials(**keys), ca_bundle=settings.ca_bundle)

    def access_at(self, entry: Mapping[str, Any]) -> Access:
        addresses = {name: str(entry[name]) for name in ADDRESSES}
        return Access(addresses=addresses, credentials=Credentials(**{key: str(entry[key]) for key in KEYS}))

    def salvaged(self, own: Mapping[str, Any], section: Mapping[str, Any]) -> Access:
        keys = _texts(own, KEYS) or _texts(section, KEYS)
        if keys is None:
            raise ConfigError(
                "no credentials to cancel with: set TRADEBOT_KILL__API_KEY and TRADEBOT_KILL__ACCESS_TOKEN"
            )
        rest = _text(own, "rest") or _text(section, "rest") or REST
        if not rest.startswith("https://") and not is_loopback(rest):
            raise ConfigError(
                f"the venue's address is {rest[:200]!r}: it must be https, the keys leave with each request"
            )
        ca_bundle = _text(section, "ca_bundle")
        return Access(addresses={"rest": rest}, credentials=Credentials(**keys), ca_bundle=ca_bundle)

    def with_orders(self, access: Access, clock: Clock, settings: Any, *, silent_after_s: float) -> Any:
        from tradebot.venues.kite.feed import FeedSettings
        from tradebot.venues.kite.venue import KiteVenue

        feed = FeedSettings(mode=settings.mode, silent_after_s=silent_after_s)
        return KiteVenue(**_ways(access), clock=clock, feed=feed)

    def read_only(self, access: Access, clock: Clock) -> Any:
        from tradebot.venues.kite.venue import KiteData

        return KiteData(**_ways(access), clock=clock)

    def for_kill(self, access: Access, clock: Clock) -> Any:
        from tradebot.venues.kite.broker import KiteBroker
        from tradebot.venues.kite.rest import Timeouts
        from tradebot.venues.limiter import Limiter

        timeouts = Timeouts(connect_s=KILL_WAITS_S / 2, query_s=KILL_WAITS_S, write_s=KILL_WAITS_S)
        return KiteBroker(
            rest=access.addresses["rest"],
            credentials=access.credentials,
            ca_bundle=access.ca_bundle,
            clock=clock,
            limiter=Limiter(QUERIES, clock),
            timeouts=timeouts,
        )

    def face(self) -> Callable[..., Any]:
        from tradebot.venues.kite.server.face import KiteFace

        return KiteFace


ROOM = KiteRoom()


def _ways(access: Access) -> dict[str, Any]:
    return {**access.addresses, "credentials": access.credentials, "ca_bundle": access.ca_bundle}


def _text(table: Mapping[str, Any], key: str) -> str:
    found = table.get(key, "")
    return found.strip() if isinstance(found, str) else ""


def _texts(table: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str] | None:
    found = {key: _text(table, key) for key in keys}
    return found if all(found.values()) else None
