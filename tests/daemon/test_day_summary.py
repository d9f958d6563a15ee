"""The day's figures: told once after the close of a session that the run saw open, or when the run ends in it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tests.told import Told
from tradebot.clock import HOUR, MINUTE, ManualClock, parse_iso
from tradebot.daemon.day_summary import SETTLED_AFTER_NS, DaySummary
from tradebot.domain.messages import SessionBegins
from tradebot.markets.market import HOME_MARKET

OPENS = parse_iso("2026-11-30T09:15", HOME_MARKET.tzinfo)
SESSION = SessionBegins(
    opens_at=OPENS, closes_at=OPENS + 6 * HOUR, entries_until=OPENS + 5 * HOUR, square_off_at=OPENS + 5 * HOUR
)
FIGURES = {
    "day_pnl_net": Decimal("1240.50"), "day_charges": Decimal("12.30"), "day_orders": 4, "day_fills": 4,
}  # fmt: skip


class Desk:
    """An account with a session that a test sets, and figures of the day."""

    def __init__(self) -> None:
        times = SimpleNamespace(session=SESSION)
        self.conditions = SimpleNamespace(times=times, halt_reason="")

    def open_quantities(self) -> dict[str, Decimal]:
        return {"TCS": Decimal(5)}

    def as_fields(self) -> dict[str, Any]:
        return FIGURES


async def told_after(*moments: int, ends_at: int) -> Told:
    """Return what was told while a run is at these market times in turn, and ends at the last."""
    clock, told, desk = ManualClock(moments[0]), Told(), Desk()
    summary = DaySummary(desk, desk, HOME_MARKET, clock=clock, tell=told)  # type: ignore[arg-type]
    left = list(moments[1:])

    async def move(_: float) -> None:
        if not left:
            clock.now_ns = ends_at
            raise asyncio.CancelledError
        clock.now_ns = left.pop(0)

    clock.on_sleep = move
    try:
        await summary.tell_each_day()
    except asyncio.CancelledError:
        return told
    raise AssertionError("it goes on until it is cancelled")


async def test_a_day_is_told_once_after_its_close() -> None:
    after = SESSION.closes_at + SETTLED_AFTER_NS
    told = await told_after(OPENS, after - 1, after, after + HOUR, ends_at=after + HOUR)
    (fields,) = told.of("day_summarized")
    assert fields == {
        "level": "info", "day": "2026-11-30", "is_over": True, "pnl_net": Decimal("1240.50"),
        "charges": Decimal("12.30"), "orders": 4, "fills": 4, "open_positions": {"TCS": "5"},
    }  # fmt: skip


async def test_a_run_that_ends_in_the_session_tells_what_there_is_so_far() -> None:
    told = await told_after(OPENS, OPENS + HOUR, ends_at=OPENS + HOUR)
    assert [row["is_over"] for row in told.of("day_summarized")] == [False]


async def test_a_run_that_ends_at_the_close_tells_the_whole_day() -> None:
    told = await told_after(OPENS, ends_at=SESSION.closes_at)
    assert [row["is_over"] for row in told.of("day_summarized")] == [True]


async def test_a_run_that_saw_no_session_tells_none() -> None:
    assert not await told_after(OPENS - HOUR, OPENS - MINUTE, ends_at=OPENS - MINUTE)
    assert not await told_after(SESSION.closes_at + HOUR, ends_at=SESSION.closes_at + HOUR)
