"""A live day and a paper day of the same prices, each a whole daemon over real sockets: the orders are the same."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.paper.paper_day import on_paper
from tests.venues.kite.daemon_between import SYMBOLS, day
from tradebot.__main__ import run_command_line
from tradebot.clock import MINUTE
from tradebot.daemon.venue import venue_session
from tradebot.domain.order import Order
from tradebot.exchange.event_log import read_event_log
from tradebot.journal.recovery import fold_orders
from tradebot.journal.schema import FILE_NAME
from tradebot.paper.settings import PAPER_LOG

pytestmark = pytest.mark.timeout(120)
# Enters and exits by the minute of the bar alone, so that two daemons that join a moment apart decide the same.
BY_THE_CLOCK = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Trader(Strategy):
    def decide(self, bar, now, position):
        is_even = now // 60_000_000_000 % 2 == 0
        if is_even and position.is_flat:
            return Intent(action=Action.ENTER_LONG, quantity=1 + now // 120_000_000_000 % 5)
        if not is_even and not position.is_flat:
            return Intent(action=Action.EXIT_LONG)
        return None
"""
DAY = {"app": {"stop_after": "12s"}, "exchange": {"speed": 120.0, "latency_ms": 1.0}, "paper": {"latency_ms": 1.0}}


async def orders_of_a_day(folder: Path) -> list[Order]:
    async with day(folder, trader=BY_THE_CLOCK, **DAY) as run:
        await run.start()
    return list(fold_orders(folder / "state" / FILE_NAME).values())


def by_signal(orders: list[Order]) -> dict[str, tuple[Any, ...]]:
    """Return signal id -> what the desk decided for it."""
    return {
        one.request.signal_id: (one.symbol, one.request.side, one.request.kind, one.quantity, one.request.purpose)
        for one in orders
    }


async def test_the_same_prices_give_the_same_orders_live_and_on_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("live", "paper"):
        (tmp_path / name).mkdir()
    live = await orders_of_a_day(tmp_path / "live")
    monkeypatch.setattr(venue_session, "venue_with_orders", on_paper)
    paper = await orders_of_a_day(tmp_path / "paper")

    # A paper day is a recorded run as any other: replayed, it decides the same again.
    assert await asyncio.to_thread(run_command_line, ["replay", str(tmp_path / "paper" / "state" / FILE_NAME)]) == 0

    # Nothing of the paper day reached the exchange that served its quotes.
    served = list(read_event_log(tmp_path / "paper" / "exchange.jsonl"))
    assert not [line for line in served if line["kind"] in ("order", "fill") or line.get("method") in ("POST", "PUT")]
    booked = [line for line in read_event_log(tmp_path / "paper" / "state" / PAPER_LOG) if line["kind"] == "fill"]

    decided = [by_signal(live), by_signal(paper)]
    minutes = [{one.request.signal_id: one.times.begun_at // MINUTE for one in side} for side in (live, paper)]
    first = max(min(side.values()) for side in minutes) + 2  # the two join a moment apart, and end so
    last = min(max(side.values()) for side in minutes) - 2
    common = [
        {s: what[s] for s, minute in of.items() if first <= minute <= last}
        for what, of in zip(decided, minutes, strict=True)
    ]
    assert common[0] == common[1]
    assert len(common[0]) >= 10
    assert {symbol for symbol, *_ in common[0].values()} == set(SYMBOLS.split(","))

    # Fills differ as documented only: both sides filled everything, within a few ticks of each other.
    filled = [
        {one.request.signal_id: one for one in side if one.request.signal_id in common[0]} for side in (live, paper)
    ]
    for signal in common[0]:
        both = [side[signal] for side in filled]
        assert [one.filled for one in both] == [one.quantity for one in both]
        prices = [one.average_price or Decimal(0) for one in both]
        assert abs(prices[0] - prices[1]) <= prices[0] * Decimal("0.002"), (signal, prices)
    assert len(booked) >= len(common[1])
