"""The session of a rehearsal over real sockets: an exchange in Kite's place, a person who logs in, and a dry start."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.told import Told
from tests.venues.kite.server.kite_rig import Rig, rig
from tradebot.clock import ManualClock, RehearsalClock
from tradebot.config import Config, load_config
from tradebot.daemon.login.broker_login import BrokerLogin
from tradebot.daemon.login.login_at_start import StartHooks
from tradebot.daemon.login.saved_login import read_login
from tradebot.daemon.venue.dry_venue import DryVenue
from tradebot.daemon.venue.venue_session import VenueSession, open_venue_session
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.errors import LoginLost, LoginRefused, StoppedEarly
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.venues.venue import Accepted, NotSent

KEYS = AccessKeys(api_key="rehearsal1", api_secret="secret-of-it", access_token="")
REQUEST = OrderRequest(
    order_id="tb1", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=Decimal(1)
)


class Person:
    """Logs in at the exchange whenever a start needs it: by the page that the link names, as a program does."""

    def __init__(self, r: Rig) -> None:
        self._r = r
        self.told, self.links = Told(), list[str]()
        self.refused: list[str] = []
        self._login: BrokerLogin | None = None
        self._is_needed = self.is_stopped = False
        r.clock.on_sleep = self._slept

    def hooks(self, *, may_wait: bool = True) -> StartHooks:
        """Return the hooks of a start."""
        return StartHooks(on_login_needed=self._need, stopped=lambda: self.is_stopped, may_wait=may_wait)

    def _need(self, login: BrokerLogin) -> None:
        self._login, self._is_needed = login, True

    async def _slept(self, _: float) -> None:
        if self._is_needed and self._login is not None:
            self._is_needed = False
            self.links.append(self._login.link_fields()["address"])
            async with self._r.client.get(self.links[-1], allow_redirects=False) as response:
                back = response.headers["Location"]
            try:
                await self._login.log_in(back)
            except LoginRefused as error:
                self.refused.append(str(error))
                self.is_stopped = True


def config_of(r: Rig, folder: Path, *, account_id: str = "SIM001") -> Config:
    kite = {
        "rest": r.at.rest, "ticker": r.at.ticker, "api_key": KEYS.api_key, "api_secret": KEYS.api_secret,
        "account_id": account_id,
    }  # fmt: skip
    app = {"mode": "live", "symbols": "TCS", "state_dir": str(folder)}
    return load_config(overrides={"app": app, "venue": {"name": "kite"}, "kite": kite})


def session(
    r: Rig, person: Person, folder: Path, *, account_id: str = "SIM001", may_wait: bool = True, is_dry: bool = False
) -> AbstractAsyncContextManager[VenueSession]:
    return open_venue_session(
        config_of(r, folder, account_id=account_id), exchange=None, exchange_log=None, seen_until=0,
        on_end=lambda _: None, tell=person.told, wall=r.clock, hooks=person.hooks(may_wait=may_wait), is_dry=is_dry,
    )  # fmt: skip


def rehearsal(**app: Any) -> AbstractAsyncContextManager[Rig]:
    return rig(keys=KEYS, app=RegisteredApp(redirect_url="http://127.0.0.1:8790/kite", **app))


async def orders(r: Rig, opened: VenueSession) -> list[Any]:
    r.step()
    return list(await opened.venue.broker.fetch_orders())


async def test_a_person_logs_in_at_the_exchange_and_the_next_start_goes_on_with_that_login(tmp_path: Path) -> None:
    async with rehearsal() as r:
        person = Person(r)
        async with session(r, person, tmp_path) as opened:
            assert (opened.account, opened.is_rehearsal, opened.venue_name) == ("SIM001", True, "kite")
            assert isinstance(opened.clock, RehearsalClock)
            assert opened.clock.market_ns() == r.clock.market_ns()
            assert opened.login is not None
            assert opened.login.state == "LOGGED_IN"
            r.step()
            assert isinstance(await opened.venue.broker.submit(REQUEST), Accepted)
        saved = read_login(tmp_path / "login-kite.json")
        assert saved is not None
        assert (saved.account_id, saved.consent) == ("SIM001", "physical")
        async with session(r, person, tmp_path) as opened:
            assert len(await orders(r, opened)) == 1
    assert len(person.links) == 1
    assert person.links[0].startswith(f"{r.at.rest}/connect/login?v=3&api_key=rehearsal1&")
    assert [one["came_from"] for one in person.told.of("login_accepted")] == ["login", "saved"]
    assert person.told.names[:2] == ["live_rehearsed", "login_needed"]
    assert all(KEYS.api_secret not in str(fields) for _, fields in person.told)


async def test_a_saved_login_that_was_ended_at_the_venue_makes_the_next_start_wait_again(tmp_path: Path) -> None:
    async with rehearsal() as r:
        person = Person(r)
        async with session(r, person, tmp_path):
            pass
        saved = read_login(tmp_path / "login-kite.json")
        assert saved is not None
        out = f"/session/token?api_key={KEYS.api_key}&access_token={saved.keys['access_token']}"
        await r.data("DELETE", out)
        async with session(r, person, tmp_path) as opened:
            assert opened.account == "SIM001"
    assert len(person.links) == 2
    assert "does not know our login any more" in person.told.of("login_needed")[1]["reason"]


async def test_a_dry_start_uses_a_saved_login_waits_for_none_and_no_order_leaves(tmp_path: Path) -> None:
    async with rehearsal() as r:
        person = Person(r)
        with pytest.RaisesGroup(pytest.RaisesExc(LoginLost, match="run `tradebot login kite`"), flatten_subgroups=True):
            async with session(r, person, tmp_path, may_wait=False, is_dry=True):
                pass
        assert person.links == []
        async with session(r, person, tmp_path):
            pass
        async with session(r, person, tmp_path, may_wait=False, is_dry=True) as opened:
            assert isinstance(opened.venue, DryVenue)
            assert isinstance(await opened.venue.broker.submit(REQUEST), NotSent)
            assert await orders(r, opened) == []


async def test_a_plan_without_market_data_is_told_and_the_start_goes_on(tmp_path: Path) -> None:
    async with rehearsal(has_market_data=False) as r:
        person = Person(r)
        async with session(r, person, tmp_path) as opened:
            assert opened.universe.symbols == ("TCS",)
    assert "Insufficient permission for that call." in person.told.of("market_data_denied")[0]["reason"]


async def test_a_login_of_another_account_is_refused_and_its_keys_are_not_used(tmp_path: Path) -> None:
    async with rehearsal() as r:
        person = Person(r)
        with pytest.RaisesGroup(StoppedEarly, flatten_subgroups=True):
            async with session(r, person, tmp_path, account_id="AB1234"):
                pass
    assert person.refused == ["the login is of account SIM001, but this run is of account AB1234"]
    assert not (tmp_path / "login-kite.json").exists()
    assert isinstance(r.clock, ManualClock)
