"""A login whose venue answers as a test says, on a market clock by hand; the state directory and its files are real."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.told import Told
from tradebot.clock import IST, ManualClock, parse_iso
from tradebot.daemon.login.broker_login import BrokerLogin, LoginPlace
from tradebot.daemon.login.login_at_start import StartHooks
from tradebot.daemon.start_retry import StartRetry
from tradebot.errors import LoginLost
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.login import KiteLogin
from tradebot.venues.login import LoginGrant

MONDAY = parse_iso("2026-01-05T08:40:00", IST)  # a trading day
REDIRECT = "http://127.0.0.1:8790/kite"
SECRET, OLD, NEW = "secret-of-our-app", "token-of-settings", "token-of-a-login"
REQUEST_TOKEN = "Req0123456789ab"
GRANT = LoginGrant(keys={"access_token": NEW}, account_id="AB1234", consent="consent")


def ist(text: str) -> int:
    """Return a time of the market as ns UTC."""
    return parse_iso(text, IST)


class ScriptedRoute(KiteLogin):
    """Kite's link and redirect; `answer` is what an exchange gives or raises, once `is_open` is set."""

    def __init__(self) -> None:
        self.answer: LoginGrant | Exception = GRANT
        self.tokens: list[str] = []  # exchanged so far
        self.asked, self.is_open = asyncio.Event(), asyncio.Event()
        self.is_open.set()

    async def exchange_token(self, access: VenueAccess, request_token: str) -> LoginGrant:
        self.tokens.append(request_token)
        self.asked.set()
        await self.is_open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class ScriptedReader:
    """A venue that accepts the tokens in `accepted`; each question is kept with the token that it came with."""

    def __init__(self, credentials: Credentials, *accepted: str) -> None:
        self._credentials, self.accepted, self.asked = credentials, set(accepted), list[str]()
        self.failures: list[Exception] = []  # raised first

    async def fetch_account_id(self) -> str:
        """Return the account of the token."""
        token = self._credentials["access_token"]
        self.asked.append(token)
        if self.failures:
            raise self.failures.pop(0)
        if token not in self.accepted:
            raise LoginLost("Kite does not know our login any more")
        return "AB1234"


class LoginRig:
    """A login at a venue named `kite`, whose logins end at 06:00."""

    def __init__(
        self, folder: Path, *, at: int = MONDAY, secret: str = SECRET, given: str = "", account_id: str = "", **app: str
    ) -> None:
        self.clock, self.told, self.route = ManualClock(at), Told(), ScriptedRoute()
        self.credentials = Credentials(
            **{"api_key": "key-of-our-app", "api_secret": secret, "access_token": given} | app
        )
        access = VenueAccess(
            addresses={"rest": "https://api.kite.trade", "ticker": "wss://ws.kite.trade"}, credentials=self.credentials
        )
        rules = SimpleNamespace(login_ends="06:00")
        adapter: Any = SimpleNamespace(name="kite", login_route=self.route, venue_rules=rules)
        place = LoginPlace(adapter, access, REDIRECT, HOME_MARKET, folder, account_id)
        self.login = BrokerLogin(place, clock=self.clock, tell=self.told)
        self.renewed = 0
        self.login.on_renewed = self._count
        self.reader = ScriptedReader(self.credentials, NEW)

    @property
    def nonce(self) -> str:
        """Return the nonce of the link that is valid now."""
        params = dict(parse_qsl(urlsplit(self.login.link_fields()["address"]).query))["redirect_params"]
        found = re.fullmatch(r"nonce=([0-9a-f]{24})", params)
        assert found, params
        return found[1]

    def back(self, *, nonce: str | None = None, token: str = REQUEST_TOKEN) -> str:
        """Return the address to which the browser comes after a login, by default of the valid link."""
        nonce = self.nonce if nonce is None else nonce
        return f"{REDIRECT}?request_token={token}&action=login&status=success&nonce={nonce}"

    def hooks(self, **other: Any) -> StartHooks:
        """Return the hooks of a start that waits, with `other` in their place."""
        return StartHooks(**other)

    def start_retry(self, **other: Any) -> StartRetry:
        """Return the patience of a start."""
        return StartRetry(within_s=60.0, clock=self.clock, tell=self.told, **other)

    def _count(self) -> None:
        self.renewed += 1
