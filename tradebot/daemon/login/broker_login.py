"""The login at the broker: its state by the market's clock, the one writer of its keys, and the exchange of a token.

    NEED_LOGIN ──request token──▶ LOGGED_IN ──hours before its end──▶ EXPIRING ──its end, or a refusal──▶ NEED_LOGIN

Whether the venue still accepts the keys is found out elsewhere (`trading/login_monitor.py`, at a start
`login_at_start.py`); here is what a person does about it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.clock import HOUR, MINUTE, Clock, format_iso
from tradebot.daemon.login.saved_login import SavedLogin, login_digest, login_path, read_login, save_login
from tradebot.daemon.run_vitals import next_time_of_day
from tradebot.domain.messages import BrokerSession
from tradebot.errors import AccessDenied, KeysRefused, LinkLost, LoginRefused, StateError
from tradebot.markets.market import Market
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.login import (
    LoginAccepted,
    LoginEndAnnounced,
    LoginNeeded,
    LoginNotSaved,
    LoginRejected,
    SavedLoginIgnored,
)
from tradebot.venues.adapter import VenueAccess, VenueAdapter
from tradebot.venues.login import LoginRoute

EXPIRING_NS = 12 * HOUR  # a login of the morning expires from the evening on
REMIND_FROM, REMIND_EVERY_NS = time(8, 0), 15 * MINUTE  # of the market's day; before it the person sleeps
WATCH_EVERY_S = 1.0  # wall seconds between two looks at the state
NONCE_BYTES = 12


class BrokerLoginState(StrEnum):
    """Whether the broker accepts our keys, and for how long."""

    LOGGED_IN = "LOGGED_IN"
    EXPIRING = "EXPIRING"
    NEED_LOGIN = "NEED_LOGIN"


class LoginPlace(NamedTuple):
    """Where a login belongs: venue and access, the redirect's address, the market whose hours count, the directory.

    `account_id` is the account that the run must have, "" for any.
    """

    adapter: VenueAdapter
    access: VenueAccess
    redirect_url: str
    market: Market
    state_dir: Path
    account_id: str

    @property
    def path(self) -> Path:
        """Return the path of the saved login."""
        return login_path(self.state_dir, self.adapter.name)


class HeldLogin(NamedTuple):
    """What is known of the login whose keys are in use; market ns, 0 or "" where it is not known.

    `venue_account` is the account of the last login of a person.
    """

    venue_account: str = ""
    issued_at: int = 0
    ends_at: int = 0
    consent: str = ""


class BrokerLogin:
    """The login of one venue; the only writer of its keys. `on_renewed` is called after each login of a person."""

    def __init__(self, place: LoginPlace, *, clock: Clock, tell: EventListener) -> None:
        self.place, self._clock, self._tell = place, clock, tell
        self.on_renewed: Callable[[], None] = lambda: None
        self.lost_reason = ""  # why the venue does not accept the keys, "" while it does
        self.fatal: KeysRefused | None = None  # the venue refused key or secret
        self.account_id = ""  # the account as this run shows it
        self._held = HeldLogin()
        self._logins, self._is_busy = 0, False
        self._given_token = place.access.credentials["access_token"]
        self._nonce = secrets.token_hex(NONCE_BYTES)
        self._reminded_at = 0  # market ns
        self._told_end = 0  # the end that was announced

    @property
    def can_log_in(self) -> bool:
        """Return whether this process may exchange a request token: the secret is configured."""
        return self._route is not None and bool(self.place.access.credentials["api_secret"])

    @property
    def issued_at(self) -> int:
        """Return the market ns of the login, 0 where it is not known."""
        return self._held.issued_at

    @property
    def ends_at(self) -> int:
        """Return the market ns at which the login ends at the latest, 0 where it is not known."""
        return self._held.ends_at

    @property
    def consent(self) -> str:
        """Return the venue's word on sales out of the demat account, "" if it said nothing."""
        return self._held.consent

    @property
    def login_count(self) -> int:
        """How many logins of a person were accepted so far."""
        return self._logins

    @property
    def state(self) -> BrokerLoginState:
        """Return the state at this moment."""
        if self.lost_reason:
            return BrokerLoginState.NEED_LOGIN
        left = self.ends_at - self._clock.market_ns()
        return BrokerLoginState.EXPIRING if self.ends_at and left <= EXPIRING_NS else BrokerLoginState.LOGGED_IN

    def as_fields(self) -> dict[str, Any]:
        """Return the state as JSON values for the operator; times are market ns, None where not known."""
        return {
            "state": self.state.value,
            "reason": self.lost_reason or None,
            "account": self.account_id or None,
            "issued_at": self.issued_at or None,
            "ends_at": self.ends_at or None,
            "consent": self.consent or None,
        }

    def link_fields(self) -> dict[str, Any]:
        """Return what a person needs to log in. Raises AccessDenied where a login here is not possible."""
        if self._route is None or not self.can_log_in:
            raise AccessDenied(f"this daemon cannot log in: it has no {self.place.adapter.name}.api_secret")
        return self.as_fields() | {
            "venue": self.place.adapter.name,
            "address": self._route.login_address(self.place.access, nonce=self._nonce),
            "redirect": self.place.redirect_url,
        }

    def take_saved(self) -> bool:
        """Use the keys of the saved login if they are of this app and may still be valid; return whether."""
        try:
            saved = read_login(self.place.path)
        except StateError as error:
            self._tell(SavedLoginIgnored(reason=str(error)))
            return False
        if saved is None or saved.belongs_to != login_digest(self.place.adapter.name, self.place.access):
            return False
        if saved.ends_at and saved.ends_at <= self._clock.market_ns():
            return False
        try:
            self.place.access.credentials.renew_keys(**saved.keys)
        except KeyError as error:
            self._tell(SavedLoginIgnored(reason=f"{self.place.path}: {error.args[0]}; log in again"))
            return False
        self._held = HeldLogin(saved.account_id, saved.issued_at, saved.ends_at, saved.consent)
        return True

    def take_given(self) -> bool:
        """Use the token of the settings, if one is given; return whether."""
        if not self._given_token:
            return False
        self._held = HeldLogin()
        self.place.access.credentials.renew_keys(access_token=self._given_token)
        return True

    def on_accepted(self, account_id: str, *, came_from: str) -> None:
        """Note that the venue accepts the keys, which end at the venue's hour at the latest."""
        self.account_id, self.lost_reason, self.fatal = account_id, "", None
        if not self.ends_at:
            self._held = self._held._replace(ends_at=self._next_end())
        self._tell(
            LoginAccepted(
                venue=self.place.adapter.name,
                account=account_id,
                came_from=came_from,
                ends=self._shown(self.ends_at) if self.ends_at else None,
                consent=self.consent or None,
            )
        )

    def on_lost(self, reason: str) -> None:
        """Note that the venue does not accept the keys any more."""
        is_new = not self.lost_reason
        self.lost_reason = reason
        if is_new:
            self._remind()

    def on_broker_session(self, session: BrokerSession) -> None:
        """Take what the login monitor found out."""
        if session.lost_reason:
            self.on_lost(session.lost_reason)
        else:
            self.lost_reason = ""

    async def log_in(self, text: str) -> dict[str, Any]:
        """Exchange the request token in `text` (see `LoginRoute.parse_redirect`) and use the new keys from now on.

        Raises LoginRefused, KeysRefused, AccessDenied or LinkLost; the keys of before count on then.
        """
        route, venue = self._route, self.place.adapter.name
        if route is None or not self.can_log_in:
            raise AccessDenied(f"this daemon cannot log in: it has no {venue}.api_secret")
        if self._is_busy:
            raise LoginRefused("another login is under way; ask again in a moment")
        self._is_busy = True
        try:
            await self._exchange(route, text)
        except (AccessDenied, LinkLost) as error:
            self._tell(LoginRejected(venue=venue, reason=str(error)))
            if isinstance(error, KeysRefused):
                self.fatal = error
            raise
        finally:
            self._is_busy = False
        return self.as_fields()

    async def _exchange(self, route: LoginRoute, text: str) -> None:
        token, nonce = route.parse_redirect(text)
        if nonce and not (nonce.isascii() and secrets.compare_digest(nonce, self._nonce)):
            raise LoginRefused("this address is of a login page that was not opened from here; ask for the link again")
        grant = await route.exchange_token(self.place.access, token)
        wanted = self.place.account_id or self._held.venue_account
        if wanted and grant.account_id != wanted:
            raise LoginRefused(f"the login is of account {grant.account_id}, but this run is of account {wanted}")
        now = self._clock.market_ns()
        self.place.access.credentials.renew_keys(**grant.keys)
        self._held = HeldLogin(grant.account_id, now, self._next_end(), grant.consent)
        self._nonce = secrets.token_hex(NONCE_BYTES)
        self._logins += 1
        self.on_accepted(self.account_id or grant.account_id, came_from="login")
        self.on_renewed()  # before the save: a slow disk must not keep the run from its new keys
        await self._save(grant.keys)

    async def _save(self, keys: Mapping[str, str]) -> None:
        login = SavedLogin(
            belongs_to=login_digest(self.place.adapter.name, self.place.access),
            account_id=self._held.venue_account,
            keys=dict(keys),
            issued_at=self.issued_at,
            ends_at=self.ends_at,
            consent=self.consent,
        )
        try:
            await asyncio.to_thread(save_login, self.place.path, login)
        except StateError as error:
            self._tell(LoginNotSaved(reason=str(error)))

    async def watch_state(self, check: Callable[[], None]) -> None:
        """Announce the end of the login, call `check` once it is reached, and remind of a login that is needed."""
        while True:
            await self._clock.sleep(WATCH_EVERY_S)
            match self.state:
                case BrokerLoginState.NEED_LOGIN:
                    self.remind_if_due()
                case BrokerLoginState.EXPIRING:
                    if self._clock.market_ns() >= self.ends_at:
                        check()
                    elif self._told_end != self.ends_at:
                        self._told_end = self.ends_at
                        self._tell(LoginEndAnnounced(venue=self.place.adapter.name, ends=self._shown(self.ends_at)))
                case BrokerLoginState.LOGGED_IN:
                    pass

    def remind_if_due(self) -> None:
        """Remind of a login that is needed, in the morning of a trading day and then every quarter of an hour."""
        now, market = self._clock.market_ns(), self.place.market
        morning = market.to_ns(market.date_of(now), REMIND_FROM)
        is_trading_day = market.calendar.is_trading_day(market.date_of(now))
        if now >= morning and now - self._reminded_at >= REMIND_EVERY_NS and is_trading_day:
            self._remind()

    def _remind(self) -> None:
        self._reminded_at = self._clock.market_ns()
        self._tell(LoginNeeded(venue=self.place.adapter.name, reason=self.lost_reason))

    @property
    def _route(self) -> LoginRoute | None:
        found: LoginRoute | None = self.place.adapter.login_route
        return found

    def _next_end(self) -> int:
        ends = self.place.adapter.venue_rules.login_ends
        return next_time_of_day(ends, self._clock.market_ns(), self.place.market) if ends else 0

    @property
    def shown_end(self) -> str:
        """Return the market's time of the end, to the minute."""
        return self._shown(self.ends_at)

    def _shown(self, at: int) -> str:
        return format_iso(at, self.place.market.tzinfo)[:16]
