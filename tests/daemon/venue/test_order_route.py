"""Order routes: what a paper run can build, whatever the settings, and which addresses are of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tradebot.config import Config
from tradebot.config.sections import AppSection, VenueSection
from tradebot.daemon.venue import venue_session
from tradebot.daemon.venue.order_route import LiveRoute, SimulatedRoute
from tradebot.errors import ConfigError, VenueUnavailable
from tradebot.ops.events.event import drop_event
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAccess, is_loopback
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.session import OrderSession
from tradebot.venues.kite.settings import KiteSection

KITE = registry.default_adapter()
KEYS = Credentials(api_key="a", access_token="b")
ORDER_ROUTES = ("submit", "modify", "cancel", "write")


def at_kite(mode: str, rest: str = "https://127.0.0.1:1", ticker: str = "wss://127.0.0.1:1") -> Config:
    """Return settings that no check has seen."""
    kite = KiteSection(rest=rest, ticker=ticker, api_key=SecretStr("a"), access_token=SecretStr("b"))
    venue = VenueSection(name="kite", wait_at_start_s=0)
    return Config(app=AppSection(mode=mode), venue=venue, kite=kite)  # type: ignore[arg-type]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every order route that is built."""
    made: list[str] = []
    for kind in (KiteBroker, OrderSession):
        begin = kind.__init__

        def note(self: Any, *args: Any, kind: type = kind, begin: Any = begin, **kw: Any) -> None:
            made.append(kind.__name__)
            begin(self, *args, **kw)

        monkeypatch.setattr(kind, "__init__", note)
    return made


@pytest.mark.parametrize("rest", ["https://api.kite.trade", "https://127.0.0.1:1", "http://127.0.0.1:1"])
async def test_a_paper_run_at_kite_asks_for_the_login_and_builds_no_order_route(
    rest: str, built: list[str], tmp_path: Path
) -> None:
    ticker = "wss://ws.kite.trade" if rest == "https://api.kite.trade" else "wss://127.0.0.1:1"
    config = at_kite("paper", rest, ticker)
    opening = venue_session.open_venue_session(
        config, exchange=None, exchange_log=tmp_path / "log", seen_until=0, on_end=lambda _: None, tell=drop_event
    )
    # There is no venue here to answer; what is not encrypted may be refused before anything is asked.
    expected = (VenueUnavailable,) if rest.startswith("https:") else (VenueUnavailable, ConfigError)
    with pytest.raises(expected):
        async with opening:
            pass
    assert built == []


def test_no_live_route_is_made_in_paper_mode() -> None:
    with pytest.raises(ConfigError, match=r"app\.mode is paper: no order of this run may go to kite"):
        LiveRoute.from_config(KITE, at_kite("paper"))
    assert isinstance(LiveRoute.from_config(KITE, at_kite("live")), LiveRoute)


async def test_what_only_reads_is_built_without_an_order_route(built: list[str]) -> None:
    config = at_kite("paper")
    source = KITE.build_read_only_venue(
        KITE.access_from_settings(config.venue_section(KITE)), venue_session.WallClock()
    )
    assert built == []
    for held in (source, source.broker, *vars(source.broker).values()):
        assert not [name for name in ORDER_ROUTES if hasattr(held, name)]
    await source.broker.close()


def test_no_bare_access_is_an_order_route() -> None:
    access: Any = VenueAccess(
        addresses={"rest": "https://127.0.0.1:1", "ticker": "wss://127.0.0.1:1"}, credentials=KEYS
    )  # fmt: skip
    with pytest.raises(AssertionError):
        venue_session.venue_with_orders(KITE, access, venue_session.WallClock(), Config())


@pytest.mark.parametrize(("rest", "ticker"), [("http://api.kite.trade", "wss://x"), ("https://x", "ws://127.0.0.1:1")])
def test_real_keys_never_leave_in_the_clear(rest: str, ticker: str) -> None:
    with pytest.raises(ConfigError, match=r"must be encrypted|is not of this machine"):
        KITE.access_from_settings(at_kite("live", rest, ticker).venue_section(KITE))


def test_a_simulated_access_is_of_this_machine_however_it_is_made() -> None:
    with pytest.raises(ConfigError, match="is not of this machine"):
        SimulatedRoute(addresses={"rest": "http://127.0.0.1:1", "ticker": "ws://10.0.0.1:1"}, credentials=KEYS)


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("http://127.0.0.1:8080", True), ("ws://[::1]:80", True), ("http://localhost:1/x", True),
        ("http://127.9.9.9", True), ("https://api.kite.trade", False), ("http://localhost.example.com", False),
        ("http://127.0.0.1@example.com", False), ("http://127.0.0.1\\@example.com", False), ("http://127.1", False),
        ("http://2130706433", False), ("127.0.0.1:80", False), ("", False), ("http://", False), ("http://[::1", False),
        ("http://0.0.0.0:1", False), ("http://127.0.0.1 .example.com", False),
    ],
)  # fmt: skip
def test_only_loopback_is_of_this_machine(address: str, is_ours: bool) -> None:
    assert is_loopback(address) is is_ours
