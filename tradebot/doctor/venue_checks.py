"""Checks at the broker: reachable, the saved login accepted, the plan, and orders that the journal does not know.

It reads alone, by the venue built without an order route, and asks for the profile, one quote and the order list: three
requests of the day's allowance, with a daemon running or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tradebot.clock import Clock, format_iso
from tradebot.config import Config
from tradebot.daemon.login.saved_login import SavedLogin, login_digest, login_path, read_login
from tradebot.daemon.start_checks import traded_market
from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.doctor.host_checks import judge_clock
from tradebot.doctor.venue_address import (
    VenueReached,
    judge_bind_address,
    judge_local_address,
    judge_reached,
    reach_venue,
)
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import VenueOrder, VenueOrderStatus
from tradebot.domain.order_tags import has_our_form
from tradebot.domain.venue_reports import AccountProfile
from tradebot.errors import AccessDenied, LinkLost, LoginLost, StateError
from tradebot.journal.recovery import fold_orders
from tradebot.journal.schema import FILE_NAME
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAccess, VenueAdapter
from tradebot.venues.venue import VenueReader

ANSWER_WITHIN_S = 12.0  # for all requests of one login together
WORKING_STATUSES = (VenueOrderStatus.ACKED, VenueOrderStatus.OPEN, VenueOrderStatus.PENDING_TRIGGER)
SHOWN_ORDERS = 5
LOG_IN = "tradebot login {venue} (while the daemon runs, or waits at its start)"


class ExaminedVenue(NamedTuple):
    """Where the checks look: the venue with its access, the directory of state, and what the run would be."""

    adapter: VenueAdapter
    access: VenueAccess
    config: Config

    @property
    def state_dir(self) -> Path:
        """Return the state directory."""
        return self.config.app.state_dir

    @property
    def is_live(self) -> bool:
        """Return whether orders of the run go to the venue."""
        return self.config.app.mode == "live"


def find_venue(config: Config) -> ExaminedVenue | None:
    """Return where the configured venue is, None for the exchange inside the daemon. Raises ConfigError."""
    adapter = registry.find_adapter(config.venue.name)
    if adapter is None:
        return None
    return ExaminedVenue(adapter, adapter.access_from_settings(config.venue_section(adapter)), config)


def check_embedded() -> Iterator[Finding]:
    """Say that there is no broker: the exchange is inside the daemon."""
    yield green("broker", "the exchange inside the daemon; nothing is to be reached")
    yield green("clock", "the market's time is that of the exchange inside the daemon")


def check_broker(place: ExaminedVenue, *, clock: Clock) -> Iterator[Finding]:
    """Reach each address of the venue, and compare clock and local address by what was seen."""
    access = place.access
    if (bound := judge_bind_address(access.bind_address)) is not None:
        yield bound
    seen = [
        reach_venue(url, bind_address=access.bind_address, ca_bundle=access.ca_bundle, clock=clock)
        for url in access.addresses.values()
    ]
    yield from map(judge_reached, seen)
    yield _clock_of(seen)
    if local := next((one.local_address for one in seen if one.local_address), ""):
        yield judge_local_address(local, access, is_live=place.is_live)


def check_login_offline(place: ExaminedVenue, *, clock: Clock) -> Iterator[Finding]:
    """Look at the saved login without asking the venue."""
    try:
        saved = read_login(login_path(place.state_dir, place.adapter.name))
    except StateError:
        return  # the check of file modes says it
    yield judge_saved_login(saved, place, now=clock.wall_ns())


def judge_saved_login(saved: SavedLogin | None, place: ExaminedVenue, *, now: int) -> Finding:
    """Judge a saved login by its own words at `now` (wall ns); a rehearsal has a time of its own."""
    venue = place.adapter.name
    if saved is None:
        return yellow("login", "none is saved", LOG_IN.format(venue=venue))
    if saved.belongs_to != login_digest(venue, place.access):
        return yellow("login", "the saved one is of another app or address", LOG_IN.format(venue=venue))
    ends = (
        format_iso(saved.ends_at, traded_market(place.config).tzinfo)[:16] if saved.ends_at else "at a time not known"
    )
    if saved.ends_at and saved.ends_at <= now and not place.access.is_rehearsal:
        return yellow("login", f"the saved one ended {ends}", LOG_IN.format(venue=venue))
    return green("login", f"saved, of account {saved.account_id}, ends {ends}; not asked whether it is accepted")


def check_account(place: ExaminedVenue, *, clock: Clock) -> Iterator[Finding]:
    """Ask the venue with the saved login, then with a token of the settings: login, rights, plan, open orders."""
    yield from asyncio.run(_ask_account(place, clock))


async def _ask_account(place: ExaminedVenue, clock: Clock) -> list[Finding]:
    refused, venue = "", place.adapter.name
    for access in _logins(place):
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), place.adapter.build_read_only_venue(access, clock) as reader:
                return await _ask_with_login(place, reader.broker)
        except LoginLost as error:
            refused = str(error)
        except AccessDenied as error:
            return [red("login", str(error), "look at the app's page at the broker: its keys, its plan, its address")]
        except (LinkLost, TimeoutError) as error:
            why = str(error) or f"no answer within {ANSWER_WITHIN_S:g} s"
            return [red("login", f"not known: {why}", "look at the findings of the broker")]
    if refused:
        return [yellow("login", f"not accepted any more: {refused}", LOG_IN.format(venue=venue))]
    return [yellow("login", "none is saved, and the settings hold no token", LOG_IN.format(venue=venue))]


def _logins(place: ExaminedVenue) -> Iterator[VenueAccess]:
    # As the daemon does at its start: the saved keys first, then a token of the settings, which may be the newer one.
    given = {name: place.access.credentials[name] for name in place.adapter.credential_names}
    try:
        saved = read_login(login_path(place.state_dir, place.adapter.name))
    except StateError:
        saved = None
    if saved is not None and saved.belongs_to == login_digest(place.adapter.name, place.access):
        try:
            place.access.credentials.renew_keys(**saved.keys)
            yield place.access
        except KeyError:
            pass
    if all(given.values()):
        place.access.credentials.renew_keys(**given)
        yield place.access


async def _ask_with_login(place: ExaminedVenue, reader: VenueReader) -> list[Finding]:
    profile = await reader.fetch_profile()
    found = [judge_account(profile.account_id, _wanted_account(place)), *judge_rights(profile, place.config)]
    try:
        await reader.fetch_quotes(Universe([_first_instrument(place.config)]))
        found.append(green("plan", "has market data"))
    except LoginLost:
        raise
    except AccessDenied as error:
        remedy = "book the plan with market data for your app: without it there are neither quotes nor past bars"
        found.append(red("plan", f"no market data: {error}", remedy))
    except LinkLost as error:
        found.append(yellow("plan", f"not known: {error}", "run it again"))
    try:
        listed = await reader.fetch_orders()
    except LinkLost as error:
        found.append(yellow("orders", f"the venue's list could not be read: {error}", "run it again"))
    else:
        found += _judge_open(place, [order for order in listed if order.status in WORKING_STATUSES])
    return found


def judge_account(account: str, wanted: str) -> Finding:
    """Judge the account of a login by the one that the settings name, "" for any."""
    if wanted and account != wanted:
        what = f"accepted, but it is of account {account}, and the settings name {wanted}"
        return red("login", what, "log in to the other account, or correct account_id")
    return green("login", f"accepted; account {account}")


def judge_rights(profile: AccountProfile, config: Config) -> Iterator[Finding]:
    """Yield what the account may not trade of what the settings want."""
    wanted = {symbol.rpartition(":")[0] or HOME_EXCHANGE for symbol in config.app.symbols}
    missing = sorted(wanted - set(profile.exchanges)) if profile.exchanges else []
    product = config.execution.product
    missing += [product] if profile.products and product not in profile.products else []
    if missing:
        what = f"the account may not trade {', '.join(missing)}"
        yield red("rights", what, "activate the segment at the broker, or leave those symbols out")


def judge_open_orders(working: Sequence[VenueOrder], known: Iterable[str]) -> Iterator[Finding]:
    """Judge the orders that work at the venue; `known` are our order ids and the venue's ids that the journal knows."""
    ids = set(known)
    others = [one for one in working if not {one.tag, one.venue_order_id} & ids]
    ours_elsewhere = [one for one in others if has_our_form(one.tag)]
    by_hand = [one for one in others if not has_our_form(one.tag)]
    if ours_elsewhere:
        yield red(
            "orders",
            f"{_named(ours_elsewhere)}: another tradebot placed them, and this journal does not know them",
            "find the other daemon and stop it (tradebot kill there); two on one account halt each other",
        )
    if by_hand:
        what = f"{_named(by_hand)}: placed elsewhere, by hand for instance; the daemon shows and never touches them"
        yield yellow("orders", what, "cancel them at the broker if they are not meant")
    if not others:
        yield green("orders", f"{len(working)} work at the venue, each known to the journal")


def _judge_open(place: ExaminedVenue, working: list[VenueOrder]) -> Iterator[Finding]:
    if not place.is_live:
        yield green("orders", f"{len(working)} work at the venue; a paper run leaves them alone")
        return
    known: set[str] = set()
    journal = place.state_dir / FILE_NAME
    if working and journal.exists():
        orders = fold_orders(journal).values()
        known = {id_ for order in orders for id_ in (order.order_id, order.venue_order_id, *order.other_ids)} - {""}
    yield from judge_open_orders(working, known)


def _clock_of(seen: list[VenueReached]) -> Finding:
    for one in seen:
        if one.offset_s is not None:
            return judge_clock(one.offset_s, one.url)
    return judge_clock(None, "no address of the broker gave its time")


def _wanted_account(place: ExaminedVenue) -> str:
    return place.adapter.live_account_id(place.config.venue_section(place.adapter))


def _first_instrument(config: Config) -> Instrument:
    exchange, _, symbol = config.app.symbols[0].rpartition(":")
    return Instrument(symbol=symbol, exchange=exchange or HOME_EXCHANGE)


def _named(orders: list[VenueOrder]) -> str:
    named = ", ".join(f"{one.venue_order_id} ({one.side} {one.quantity} {one.symbol})" for one in orders[:SHOWN_ORDERS])
    more = f" and {len(orders) - SHOWN_ORDERS} more" if len(orders) > SHOWN_ORDERS else ""
    return f"{len(orders)} orders work at the venue: {named}{more}"
