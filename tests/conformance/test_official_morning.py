"""The official Python client in the morning: login by the browser's redirect, the plan's limits, the token before."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import IST, MarketClock, WallClock, parse_iso
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.exchange.account import OpeningBalance
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import TYPICAL_LATENCY
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.server import serve_exchange
from tradebot.markets.listing import universe_for
from tradebot.venues.kite.server.kite_server import KiteServer

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / ".venv-sdk/bin/python"
SYMBOLS = ("RELIANCE", "TCS")
DEADLINE_S = 40
KEYS = AccessKeys(api_key="rehearsal1", api_secret="secret-of-it", access_token="")
APP = RegisteredApp(redirect_url="http://127.0.0.1:9/kite", has_market_data=False, demat_consent="consent")


@pytest.fixture(scope="module")
def said() -> Iterator[dict[str, Any]]:
    """Return what the client read."""
    if not CLIENT.exists():
        reason = "the official client is not installed; run `make sdk-env`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with asyncio.Runner() as runner:
        yield runner.run(_drive())


async def _drive() -> dict[str, Any]:
    opens_at, closes_at = (parse_iso(f"2026-11-23T{time}", IST) for time in ("09:15:00", "15:30:00"))
    clock = MarketClock(starts_at=opens_at, anchor_mono=WallClock().monotonic_ns(), speed=20)
    source = SyntheticPrices(universe_for(SYMBOLS), seed=3, opens_at=opens_at, closes_at=closes_at)
    exchange = Exchange(
        source, clock, seed=3, balance=OpeningBalance(cash=Decimal(50_000)), latency=TYPICAL_LATENCY, log=None
    )
    async with serve_exchange(exchange, clock, KiteServer, keys=KEYS, app=APP) as at, asyncio.timeout(DEADLINE_S):
        client = await asyncio.create_subprocess_exec(
            str(CLIENT),
            str(HERE / "kiteconnect_morning.py"),
            json.dumps(at.to_json()["kite"]),
            env={"PATH": os.environ.get("PATH", ""), "NO_PROXY": "*"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
    assert client.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_client_s_own_login_link_leads_to_the_page_and_back_to_the_app(said: dict[str, Any]) -> None:
    assert (said["login_path"], said["login_query"]["api_key"]) == ("/connect/login", ["rehearsal1"])
    assert "Log in (simulated)" in said["page"]
    assert said["redirect"].startswith("http://127.0.0.1:9/kite?action=login&type=login&status=success&request_token=")
    assert said["profile"]["user_id"] == said["second_works"] == "SIM001"
    assert (said["consent"], said["profile"]["meta"]["demat_consent"]) == ("consent", "consent")


def test_before_a_login_and_after_another_one_a_token_is_a_token_exception(said: dict[str, Any]) -> None:
    assert said["before"][:2] == said["first_now"][:2] == ["TokenException", 403]
    assert said["are_equal"] is False


def test_a_plan_without_market_data_is_a_permission_exception(said: dict[str, Any]) -> None:
    for call in ("quote", "ltp", "candles"):
        assert said[call] == ["PermissionException", 403, "Insufficient permission for that call."]
    assert "403" in said["ticker"]
    assert (said["holdings"], said["instruments"]) == ([], len(SYMBOLS))
