"""The person of a simulated day who logs the daemon in, late and not always at the first try.

needs login ▶ some time passes ▶ the venue's login page ▶ its redirect ▶ the daemon's control socket, as by `login`
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, Self

import aiohttp

from tradebot.clock import SECOND
from tradebot.config import Config
from tradebot.errors import ConfigError
from tradebot.exchange.access import RegisteredApp
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import LoginAttempted
from tradebot.simulation.login_day import LoginWay, draw_delay_s, draw_way
from tradebot.simulation.seeded_random import SeededRandom
from tradebot.venues.adapter import VenueAdapter
from tradebot.venues.login import LoginRoute

PERSON_STREAM = 0x9E45  # of the seed's generators, the one of what the person does
LOOK_EVERY_S = 0.5
PAGE_WITHIN_S = 5.0
MAX_LOGINS = 60  # of one day; beyond, the daemon never has enough
FIRST_DELAY_S = 6.0  # until the first login of a day at the latest, so that something is traded before the faults end
ENDS_WITHIN_S = 0.7  # from SIGTERM until most daemons are gone; another one may be there by then
KILL_WITHIN_EVENTS = (1, 160)  # callbacks of the daemon between the request and the kill -9
NEVER_ISSUED = "0" * 32  # a request token that the venue does not know


class AttendedDaemon(Protocol):
    """What the person has of a session."""

    clock: Any

    async def ask_daemon(self, verb: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        """Return the daemon's answer on its control socket, None without one or where it refuses."""
        ...

    def end_daemon(self, events: int) -> None:
        """Kill the daemon after `events` more of its callbacks; with 0 send SIGTERM."""
        ...


class LoginPages(NamedTuple):
    """The venue's login as a browser sees it: `app` is what the venue knows about ours."""

    route: LoginRoute
    app: RegisteredApp

    @classmethod
    def of_venue(cls, adapter: VenueAdapter, config: Config) -> Self:
        """Return the login pages of an adapter. Raises ConfigError for a venue without a login."""
        route: LoginRoute | None = adapter.login_route
        if route is None:
            raise ConfigError(f"--logins: no person logs in at {adapter.title}")
        return cls(route, RegisteredApp(redirect_url=route.redirect_address(config.venue_section(adapter))))

    def token_of(self, text: str) -> str:
        """Return the request token in a redirected address."""
        return self.route.parse_redirect(text)[0]


class Person:
    """Logs in whenever the daemon asks for it, at most `longest_delay_s` later; not more often than `MAX_LOGINS`."""

    def __init__(
        self,
        daemon: AttendedDaemon,
        pages: LoginPages,
        rng: SeededRandom,
        *,
        longest_delay_s: float,
        tell: EventListener,
    ) -> None:
        self._daemon, self._pages, self._rng, self._tell = daemon, pages, rng, tell
        self._longest_delay_s = longest_delay_s
        self._page = ""  # address of the login page, as the daemon told it last
        self._used = NEVER_ISSUED  # a request token that is of no use any more
        self.is_awaited = False  # the daemon waits for a login, or one is under way
        self.login_count = 0

    @property
    def app(self) -> RegisteredApp:
        """What the venue knows about the app that is logged in."""
        return self._pages.app

    async def await_login(self, within_s: float) -> None:
        """Wait until the daemon trades and waits for no login, at most `within_s` seconds."""
        clock = self._daemon.clock
        until = clock.monotonic_ns() + round(within_s * SECOND)
        while clock.monotonic_ns() < until:
            status = await self._daemon.ask_daemon("status")
            is_trading = status is not None and status["state"] == "trading" and not needs_login(status)
            if is_trading and not self.is_awaited:
                return
            await clock.sleep(LOOK_EVERY_S)

    async def attend(self) -> None:
        """Look after the daemon for ever."""
        while True:
            await self._daemon.clock.sleep(LOOK_EVERY_S)
            # While no daemon answers, nothing shows that the login is over.
            status = await self._daemon.ask_daemon("status")
            self.is_awaited = needs_login(status) if status is not None else self.is_awaited
            if status is not None and self.is_awaited and self.login_count < MAX_LOGINS:
                longest_s = self._longest_delay_s if self.login_count else min(self._longest_delay_s, FIRST_DELAY_S)
                await self._daemon.clock.sleep(draw_delay_s(self._rng, longest_s))
                self.login_count += 1
                way = draw_way(self._rng)
                self._tell(LoginAttempted(way=way, is_accepted=await self._log_in(way)))

    async def _log_in(self, way: LoginWay) -> bool:
        daemon, rng = self._daemon, self._rng
        if (told := await daemon.ask_daemon("login")) is not None:
            self._page = told["address"]
        if way == "down":
            daemon.end_daemon(0)
            await daemon.clock.sleep(ENDS_WITHIN_S)
        if way == "used token":
            await daemon.ask_daemon("login", {"text": self._used})
        text = await self._browse()
        if text is None:
            return False
        if way == "killed":
            daemon.end_daemon(rng.int_between(*KILL_WITHIN_EVENTS))
        if way == "at once":
            other = await self._browse() or self._used
            async with asyncio.TaskGroup() as tasks:
                both = [tasks.create_task(daemon.ask_daemon("login", {"text": one})) for one in (text, other)]
            return any(each.result() is not None for each in both)
        is_accepted = await daemon.ask_daemon("login", {"text": text}) is not None
        self._used = self._pages.token_of(text)
        if way == "killed after":
            daemon.end_daemon(rng.int_between(*KILL_WITHIN_EVENTS))
        if way == "twice" and (again := await self._browse()) is not None:
            await daemon.ask_daemon("login", {"text": again})
        return is_accepted

    async def _browse(self) -> str | None:
        # Return the address to which the venue's page sends the browser, or the token in it, None without an answer.
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PAGE_WITHIN_S)) as session,
                session.get(self._page, allow_redirects=False) as answer,
            ):
                address = answer.headers.get("Location")
                if address is not None:
                    return self._pages.token_of(address) if self._rng.draw_bool(0.5) else address
        return None


def has_login(status: dict[str, Any]) -> bool:
    """Return whether the status of a daemon is of one that a person logs in."""
    login = status["login"]  # None in a start that has not asked yet; without a state in a run without a login
    return bool(login) and "state" in login


def needs_login(status: dict[str, Any]) -> bool:
    """Return whether the status of a daemon says that it waits for a login."""
    return has_login(status) and status["login"]["state"] == "NEED_LOGIN"
