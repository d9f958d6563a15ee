"""A whole daemon that trades at an exchange over real sockets, with a shadow: 200 orders, and what they differ by."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.venues.kite.daemon_between import day
from tradebot.__main__ import run_command_line
from tradebot.clock import Clock
from tradebot.config import Config
from tradebot.daemon.venue import venue_session
from tradebot.daemon.venue.order_route import OrderRoute
from tradebot.daemon.venue.paper_session import shadow_venue
from tradebot.domain.instrument import Universe
from tradebot.journal.recovery import fold_orders
from tradebot.journal.schema import FILE_NAME
from tradebot.ops.events.event import Event
from tradebot.paper.settings import SHADOW_LOG
from tradebot.paper.shadow_venue import ShadowVenue
from tradebot.venues.adapter import VenueAdapter

pytestmark = pytest.mark.timeout(120)
SYMBOLS = "RELIANCE,TCS,INFY,SBIN,ITC,WIPRO"
# Every minute each symbol enters or exits; every third entry has a stop that is soon met.
BUSY = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Trader(Strategy):
    def decide(self, bar, now, position):
        minute = now // 60_000_000_000
        if not position.is_flat:
            return Intent(action=Action.EXIT_LONG)
        stop = float(bar.close) * 0.9998 if minute % 3 == 0 else None
        return Intent(action=Action.ENTER_LONG, quantity=1 + minute % 5, stop_loss=stop)
"""
live_venue = venue_session.venue_with_orders


class WithShadow:
    """Opens the venue of a run with a shadow; keeps what the shadow told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    @asynccontextmanager
    async def open(
        self, adapter: VenueAdapter, route: OrderRoute, clock: Clock, config: Config
    ) -> AsyncIterator[ShadowVenue]:
        async with live_venue(adapter, route, clock, config) as live:
            account = await live.broker.fetch_account_id()
            universe = Universe(await live.broker.fetch_instruments(config.app.symbols))
            beside = shadow_venue(
                live, adapter, clock, config, live_account=account, universe=universe, tell=self.told.append
            )
            async with beside as venue:
                yield venue


async def test_two_hundred_live_orders_and_their_shadows_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opening = WithShadow()
    monkeypatch.setattr(venue_session, "venue_with_orders", opening.open)
    settings: dict[str, Any] = {
        "app": {"stop_after": "16s"}, "exchange": {"speed": 240.0, "latency_ms": 1.0, "cash": 500_000},
        "paper": {"latency_ms": 1.0}, "risk": {"max_daily_loss": 100_000},
    }  # fmt: skip
    async with day(tmp_path, trader=BUSY, symbols=SYMBOLS, **settings) as run:
        await run.start()
    state = tmp_path / "state"
    assert (state / SHADOW_LOG).exists()
    assert [event.name for event in opening.told if event.name != "shadow_order_refused"] == ["paper_day_opened"]

    live = {one.order_id: one for one in fold_orders(state / FILE_NAME).values() if one.filled}
    capsys.readouterr()
    assert run_command_line(["paper", "compare", "--state-dir", str(state), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["order_id"]: row for row in found["orders"]}
    summary = {group["group"]: group for group in found["summary"]}
    both = [row for row in rows.values() if row["filled_on"] == "both"]
    assert len(live) >= 200
    assert set(live) <= set(rows)
    assert len(both) >= 0.95 * len(live), summary["all"]
    assert {"all", "MARKET", "stop exit", "09h"} <= set(summary)
    by_hour = [group["filled"] for name, group in summary.items() if re.fullmatch(r"\d\dh", name)]
    assert summary["all"]["filled"] == len(both) == sum(by_hour)
    # The same quotes, with one level of depth in place of five: the two prices are mostly the same, and near always.
    ticks = sorted(Decimal(row["ticks"]) for row in both)
    assert ticks[len(ticks) // 20] > -20
    assert ticks[-1 - len(ticks) // 20] < 20
    assert abs(Decimal(summary["all"]["median"])) <= 1

    assert run_command_line(["paper", "compare", "--state-dir", str(state)]) == 0
    text = capsys.readouterr().out
    assert text.count("\n") >= len(rows) + len(summary)
    assert "stop exit" in text
