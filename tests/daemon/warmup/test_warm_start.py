"""A warm start by hand: who begins, who joins in which order, and what is said of it meanwhile and at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.daemon.warmup.warmup_rig import BARS, SYMBOLS, Rig, clock_at, lost
from tradebot.daemon.warmup.warm_start import TELL_EVERY_S, WarmStages, WarmStart, WarmTerms
from tradebot.journal.rows import WarmupJoin
from tradebot.trading.analysis.warmup import JoiningSymbols


class Parts:
    """Stands in for analysis, signal stage, bars, account and recorder; keeps what they were told, in order."""

    def __init__(self, *, open_symbols: set[str], working: set[str]) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.joins: list[WarmupJoin] = []
        self.after = 0
        self.builds_since, self.open_symbols = -1, open_symbols
        self._working = working
        self.warmup_done = asyncio.Event()
        self.on_join: Any = None

    def live_orders(self) -> Any:
        return iter(SimpleNamespace(request=SimpleNamespace(symbol=symbol)) for symbol in self._working)

    async def start_workers(self, warmup: Any, waiting: Any = ()) -> None:
        self.done.append(("start", {s.symbol for s in warmup}, set(waiting)))

    async def join_symbols(self, joining: JoiningSymbols) -> None:
        self.done.append(("join", joining.symbols, {s.symbol for s in joining.series}))
        self.on_join(joining, self.after)

    def record_warmup(self, past: Any) -> None:
        self.done.append(("record", {s.symbol for s in past}))

    def record_join(self, past: Any, join: WarmupJoin) -> None:
        self.joins.append(join)


def warm_start(rig: Rig, parts: Any, *, bars: int = BARS, per_second: int = 3) -> tuple[WarmStart, list[str]]:
    priced: list[str] = []
    terms = WarmTerms(rig.universe, bars, per_second, on_past=lambda past: priced.extend(s.symbol for s in past))
    stages = WarmStages(analysis=parts, signal_stage=parts, bars=parts, account=parts, recorder=parts)
    return WarmStart(rig.loader, stages, terms, clock=rig.clock, tell=rig.told), priced


async def run(warming: WarmStart, parts: Parts, at: int) -> None:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(warming.warm_up())
        await asyncio.sleep(0)
        assert parts.done == []  # before the first tick it is not known which bars are built here
        parts.builds_since = at
        await task


async def test_what_is_at_hand_begins_and_the_rest_joins_those_with_positions_or_orders_first(tmp_path: Path) -> None:
    at = clock_at(8, 30)
    rig, parts = Rig(tmp_path, at, {"BBB": 3}), Parts(open_symbols={"DDD"}, working={"CCC"})
    warming, priced = warm_start(rig, parts)
    await run(warming, parts, at)

    assert parts.done[:2] == [("record", {"BBB"}), ("start", {"BBB"}, {"AAA", "CCC", "DDD"})]
    assert [symbol for _, symbols, _ in parts.done[2:] for symbol in symbols] == ["CCC", "DDD", "AAA"]
    assert [symbol for symbol, *_ in rig.venue.asked] == ["CCC", "DDD", "AAA"]
    first, *joins = parts.joins
    assert (first.after, first.symbols, first.waiting) == (0, (), ("AAA", "CCC", "DDD"))
    assert joins[-1].waiting == ()
    assert parts.warmup_done.is_set()
    assert sorted(priced) == sorted(SYMBOLS)
    (started,), (completed,) = rig.told.of("warmup_started"), rig.told.of("warmup_completed")
    assert (started["from_history"], started["requests"], started["expected_s"]) == (1, 3, 1.0)
    assert (completed["symbols"], completed["cold"], completed["requests"]) == (4, 0, 3)
    assert completed["bars"] == 4 * BARS


async def test_with_all_at_hand_nothing_waits_and_no_join_is_recorded(tmp_path: Path) -> None:
    at = clock_at(8, 30)
    rig, parts = Rig(tmp_path, at, dict.fromkeys(SYMBOLS, 3)), Parts(open_symbols=set(), working=set())
    warming, _ = warm_start(rig, parts)
    await run(warming, parts, at)
    assert parts.done == [("record", set(SYMBOLS)), ("start", set(SYMBOLS), set())]
    assert (parts.joins, rig.venue.asked) == ([], [])


async def test_a_symbol_that_the_venue_does_not_give_joins_cold_and_is_counted(tmp_path: Path) -> None:
    at = clock_at(8, 30)
    rig, parts = Rig(tmp_path, at, {"AAA": 3, "BBB": 3, "CCC": 3}), Parts(open_symbols=set(), working=set())
    rig.venue.faults = lost(3)
    warming, _ = warm_start(rig, parts, per_second=0)
    await run(warming, parts, at)
    assert parts.done[-1] == ("join", ("DDD",), set())
    (completed,) = rig.told.of("warmup_completed")
    assert (completed["symbols"], completed["of"], completed["cold"], completed["requests"]) == (3, 4, 1, 3)
    assert "expected_s" not in rig.told.of("warmup_started")[0]


async def test_while_it_takes_long_it_says_now_and_then_how_many_wait(tmp_path: Path) -> None:
    at = clock_at(8, 30)
    rig, parts = Rig(tmp_path, at, {"DDD": 3}), Parts(open_symbols=set(), working=set())
    fetch = rig.venue.fetch_history

    async def slowly(*args: Any, **settings: Any) -> Any:
        found = await fetch(*args, **settings)
        await rig.clock.sleep(TELL_EVERY_S)
        for _ in range(20):
            await asyncio.sleep(0)
        return found

    rig.venue.fetch_history = slowly  # type: ignore[method-assign]
    warming, _ = warm_start(rig, parts)
    await run(warming, parts, at)
    told = rig.told.of("warmup_progressed")
    assert told
    assert [line["warm"] + line["waiting"] for line in told] == [4] * len(told)
    assert told[-1]["expected_s"] == pytest.approx(told[-1]["waiting"] / 3, abs=0.1)


async def test_without_a_wish_for_past_bars_all_begin_at_once_and_nothing_is_said(tmp_path: Path) -> None:
    at = clock_at(11)
    rig, parts = Rig(tmp_path, at, dict.fromkeys(SYMBOLS, 3), bars=0), Parts(open_symbols=set(), working=set())
    warming, _ = warm_start(rig, parts, bars=0)
    await warming.warm_up()  # not even the first tick is waited for
    assert parts.done == [("record", set()), ("start", set(), set())]
    assert (rig.told, rig.venue.asked, rig.venue.quoted) == ([], [], 0)
