"""A start with positions open: stops act before the past of all symbols is there, and little of it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(90)
# Holds a share of everything, each with a stop so near that some are touched within seconds.
NEAR = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Near(Strategy):
    def decide(self, bar, now, position):
        if position.is_flat:
            return Intent(action=Action.ENTER_LONG, quantity=1, stop_loss=float(bar.close) * 0.9985)
"""
WIDE = {"TRADEBOT_RISK__MAX_GROSS_NOTIONAL": "1000000", "TRADEBOT_RISK__MAX_OPEN_ORDERS": "50"}
Line = dict[str, Any]


@pytest.fixture
def market(start: Any, tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Start an exchange that outlives daemons; returns the arguments of `run` for it."""

    def begin(symbols: str, *, at: str, speed: float) -> tuple[str, ...]:
        exchange = start(
            "--symbols", symbols, "--seed", "7", "--at", at, "--speed", str(speed), "--log",
            str(tmp_path / "exchange.jsonl"), verb="exchange",
        )  # fmt: skip
        (tmp_path / "ready.json").write_text(exchange.process.stdout.readline())
        (tmp_path / "near.py").write_text(NEAR)
        return (
            "--symbols", symbols, "--exchange", str(tmp_path / "ready.json"), "--workers", "0",
            "--strategy", f"{tmp_path}/near.py:Near",
        )  # fmt: skip

    return begin


def test_a_stop_fires_before_the_warm_up_of_fifty_symbols_ends(start: Any, market: Any) -> None:
    arguments = market("NIFTY50", at="2026-11-23T09:15", speed=120)
    first = start(*arguments, env=WIDE | {"TRADEBOT_ANALYSIS__WARMUP_BARS": "0"})
    bought = 0
    while bought < 40:
        first.until(lambda line: line["event"] == "order_filled" and line["side"] == "BUY")
        bought += 1
    first.kill()

    second = start(*arguments, env=WIDE | {"TRADEBOT_ANALYSIS__WARMUP_BARS": "50"})
    second.event("trading_started")
    stopped = second.until(lambda line: line["event"] == "order_submitted" and line["purpose"] == "stop")
    filled = second.until(lambda line: line["event"] == "order_filled" and line["order_id"] == stopped["order_id"])

    seen = [line["event"] for line in second.lines]
    assert (filled["side"], seen.count("warmup_started"), seen.count("warmup_completed")) == ("SELL", 1, 0)
    second.kill()


def test_after_a_crash_within_a_bar_no_past_is_asked_for_again(start: Any, market: Any) -> None:
    arguments = market("RELIANCE,TCS,INFY,ITC,SBIN,LT", at="2026-11-23T09:20:02", speed=1)
    few = {"TRADEBOT_ANALYSIS__WARMUP_BARS": "50"}
    first = start(*arguments, env=few)
    assert first.event("warmup_started")["from_journal"] == 0
    first.event("warmup_completed")
    first.kill()

    second = start(*arguments, env=few)
    assert second.event("warmup_started")["from_journal"] == 6
    warmed = second.event("warmup_completed")
    assert (warmed["symbols"], warmed["bars"]) == (6, 6 * 50)
    assert second.stop().code == 0
