"""Repairs by hand: asked for once the last spoiled bar is whole, guarded symbols first, of what the venue gives."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.daemon.warmup.warmup_rig import MINUTE, SYMBOLS, Rig, clock_at, lost, truth
from tests.history.bars_by_hand import assert_same
from tests.trading.quotes_by_hand import OneDay
from tradebot.clock import SECOND
from tradebot.config import Config
from tradebot.daemon.warmup.outage_repair import CLOSE_WITHIN_S, SETTLE_S, OutageRepair, RepairTerms
from tradebot.errors import AccessDenied
from tradebot.ops.events.event import Event
from tradebot.trading.analysis.repaired_bars import RepairedBars
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.outages import Outage, OutageLog

FIRST, LAST = clock_at(11, 4), clock_at(11, 6)  # the bars of three minutes
UNTIL = LAST + MINUTE


class Stage:
    """A signal stage that keeps what it was given; its newest close is long past unless a test says otherwise."""

    def __init__(self, rig: Rig, newest: int = UNTIL) -> None:
        self.rig, self.last_bar_at = rig, newest
        self.repaired: list[RepairedBars] = []
        self.begun_at: list[int] = []

    async def repair_bars(self, repaired: RepairedBars) -> None:
        self.repaired.append(repaired)
        self.begun_at.append(self.rig.clock.now_ns)


async def repair(rig: Rig, stage: Any, held: set[str]) -> None:
    log = OutageLog(BarBuilder(4, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(4)), leap_ns=SECOND)
    warm = asyncio.Event()
    account: Any = SimpleNamespace(open_symbols=held, live_orders=lambda: iter(()))
    terms = RepairTerms(rig.universe, MINUTE, 3, is_wanted=True, outages=log, is_warm=warm)
    is_done = asyncio.Event()

    def tell(event: Event) -> None:
        rig.told(event)
        if event.name == "bars_repaired":
            is_done.set()

    repairs = OutageRepair(rig.loader, stage, account, terms, clock=rig.clock, tell=tell)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(repairs.run_repairs())
        log.add_outage(Outage(FIRST, LAST))
        await asyncio.sleep(0.01)
        assert rig.venue.asked == []  # the warm-up comes first
        warm.set()
        await is_done.wait()
        running.cancel()


async def test_the_spoiled_bars_are_asked_for_once_they_are_whole_and_guarded_ones_come_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path, LAST + 20 * SECOND, {})
    stage = Stage(rig)
    await repair(rig, stage, {"CCC"})
    assert rig.venue.asked[0] == ("CCC", FIRST, UNTIL)
    assert sorted(symbol for symbol, *_ in rig.venue.asked) == list(SYMBOLS)
    assert [[s.symbol for s in part.series] for part in stage.repaired] == [["CCC"], ["AAA", "BBB", "DDD"]]
    assert [(part.symbols, part.until) for part in stage.repaired] == [
        (("CCC",), UNTIL), (("AAA", "BBB", "DDD"), UNTIL),
    ]  # fmt: skip
    whole = truth("CCC")
    assert_same(stage.repaired[0].series[0], whole.select_bars((whole.starts >= FIRST) & (whole.starts < UNTIL)))
    assert stage.begun_at[0] >= UNTIL + SETTLE_S * SECOND
    (started,), (done,) = rig.told.of("repair_started"), rig.told.of("bars_repaired")
    assert (started["symbols"], started["bars"], started["expected_s"]) == (4, 3, 1.3)
    assert (done["symbols"], done["of"], done["bars"]) == (4, 4, 12)


async def test_its_own_close_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    rig = Rig(tmp_path, UNTIL, {})
    stage = Stage(rig, newest=0)
    await repair(rig, stage, set())
    assert stage.begun_at[0] >= UNTIL + CLOSE_WITHIN_S * SECOND


async def test_a_symbol_that_fails_keeps_what_was_built_and_the_others_are_repaired(tmp_path: Path) -> None:
    rig = Rig(tmp_path, UNTIL, {})
    rig.venue.faults = lost(3)
    stage = Stage(rig)
    await repair(rig, stage, {"DDD"})
    guarded, rest = stage.repaired
    assert (guarded.series, guarded.symbols) == ((), ("DDD",))  # it waits no longer
    assert [s.symbol for s in rest.series] == ["AAA", "BBB", "CCC"]
    assert [line["symbol"] for line in rig.told.of("bars_not_repaired")] == ["DDD"]
    assert rig.told.of("bars_repaired")[0]["symbols"] == 3


async def test_without_the_right_to_past_bars_nothing_is_repaired_and_that_is_said(tmp_path: Path) -> None:
    rig = Rig(tmp_path, UNTIL, {})
    rig.venue.faults = [AccessDenied("no permission")] * 4
    stage = Stage(rig)
    await repair(rig, stage, set())
    assert stage.repaired == [RepairedBars((), SYMBOLS, UNTIL)]  # none waits any longer
    assert len(rig.told.of("repair_denied")) == 1


@pytest.mark.parametrize(
    ("venue", "bars", "is_wanted"),
    [("kite", 200, True), ("exchange", 5, True), ("kite", 0, False), ("embedded", 200, False)],
)
async def test_nothing_is_repaired_without_past_bars_or_on_the_embedded_exchange(
    tmp_path: Path, venue: str, bars: int, is_wanted: bool
) -> None:
    rig = Rig(tmp_path, UNTIL, {})
    config = Config.model_validate({"analysis": {"warmup_bars": bars}})
    rules = SimpleNamespace(venue_rules=SimpleNamespace(candles_per_second=3))
    session: Any = SimpleNamespace(universe=rig.universe, venue_name=venue, venue=rules)
    expected: list[bool] = []
    outages: Any = SimpleNamespace(expect_repairs=lambda: expected.append(True))
    terms = RepairTerms.from_config(config, session, outages=outages, is_warm=asyncio.Event())
    nothing: Any = None
    repairs = OutageRepair(rig.loader, nothing, nothing, terms, clock=rig.clock, tell=rig.told)
    assert (repairs.is_wanted, bool(expected)) == (is_wanted, is_wanted)
