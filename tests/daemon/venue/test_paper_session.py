"""The paper side of a session: who gets a paper account, who gets a shadow, and who gets neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tradebot.clock import WallClock
from tradebot.config import Config
from tradebot.config.sections import AppSection, PaperSection, VenueSection
from tradebot.daemon.venue import venue_session
from tradebot.daemon.venue.order_route import LiveRoute, SimulatedRoute
from tradebot.daemon.venue.paper_session import paper_settings
from tradebot.domain.instrument import Instrument, Universe
from tradebot.ops.events.event import drop_event
from tradebot.paper.settings import PAPER_LOG, SHADOW_LOG
from tradebot.paper.shadow_venue import ShadowVenue
from tradebot.paper.venue import PaperVenue
from tradebot.venues import registry
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.settings import KiteSection

KITE = registry.default_adapter()
KEYS = Credentials(api_key="a", access_token="b")
UNIVERSE = Universe([Instrument(symbol="TCS", token=2953217)])
HERE = SimulatedRoute(addresses={"rest": "http://127.0.0.1:1", "ticker": "ws://127.0.0.1:1"}, credentials=KEYS)


def settings(folder: Path, mode: str, *, shadow: bool, stream: str = "full") -> Config:
    kite = KiteSection(
        rest="https://127.0.0.1:1", ticker="wss://127.0.0.1:1", api_key=SecretStr("a"), access_token=SecretStr("b"),
        mode=stream,  # type: ignore[arg-type]
    )  # fmt: skip
    app = AppSection(mode=mode, state_dir=folder)  # type: ignore[arg-type]
    return Config(app=app, venue=VenueSection(name="kite"), kite=kite, paper=PaperSection(shadow=shadow))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("mode", "shadow", "route", "kind"),
    [
        ("live", True, "live", ShadowVenue), ("live", False, "live", None), ("live", True, "simulated", None),
        ("paper", True, "none", PaperVenue), ("paper", False, "none", PaperVenue),
    ],
)  # fmt: skip
async def test_a_live_run_gets_the_shadow_that_was_asked_for_and_a_paper_run_a_paper_account(
    mode: str, shadow: bool, route: str, kind: type[object] | None, tmp_path: Path
) -> None:
    config, clock = settings(tmp_path, mode, shadow=shadow), WallClock()
    taken: Any = {"live": lambda: LiveRoute.from_config(KITE, config), "simulated": lambda: HERE, "none": lambda: None}
    chosen = taken[route]()
    access = chosen or KITE.access_from_settings(config.venue_section(KITE))
    place = venue_session._Place(name="kite", access=access, clock=clock, route=chosen, is_real=True)
    opening_venue = venue_session._venue(KITE, place, config, is_dry=False, known_accounts=(), tell=drop_event)
    async with opening_venue as venue:
        opening = venue_session._with_account(
            venue, KITE, place, config, account="AB1234", universe=UNIVERSE, tell=drop_event
        )
        async with opening as opened:
            assert type(opened) is (kind or type(venue))
            assert hasattr(venue.broker, "submit")
    assert (tmp_path / PAPER_LOG).exists() is (mode == "paper")
    assert (tmp_path / SHADOW_LOG).exists() is (kind is ShadowVenue)


@pytest.mark.parametrize(("stream", "has_depth"), [("full", True), ("quote", False), ("ltp", False)])
def test_a_stream_without_depth_is_known_to_have_none(stream: str, has_depth: bool, tmp_path: Path) -> None:
    config = settings(tmp_path, "paper", shadow=False, stream=stream)
    made = paper_settings(KITE, config, drop_event, log_name=PAPER_LOG)
    assert (made.has_depth, made.log, made.cash) == (has_depth, tmp_path / PAPER_LOG, 50_000)
    assert made.latency.to_exchange_s + made.latency.back_s == pytest.approx(0.005)
    assert (made.rules.changes_per_order, made.rules.needs_protection) == (25, True)
