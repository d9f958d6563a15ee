"""Changed parameters go to the strategies between two closes, in the order of the queue, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from tests.trading.engine_by_hand import EngineRig, on_virtual_time
from tests.trading.quotes_by_hand import MINUTE, OPEN
from tradebot.clock import LoopClock
from tradebot.errors import RequestRefused
from tradebot.journal.rows import StrategiesChanged
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.signal_stage import CHANGE_WITHIN_S

CHANGED = [StrategySpec(name="s", reference="ema_cross", params={"fast": 3})]
GIVEN = (tuple(CHANGED), 1)  # as the analysis hears of it, after one close


async def until_minute(rig: EngineRig, minute: int) -> None:
    rig.feed.says(rig.quotes(AAA="100", BBB="100"))
    await rig.clock.sleep((OPEN + minute * MINUTE - rig.clock.market_ns()) / 1e9 + 0.5)


@on_virtual_time
async def test_a_change_comes_after_the_closes_before_it_with_its_row_first_and_returns_once_the_row_is_on_disk(
    clock: LoopClock,
) -> None:
    rig = EngineRig(clock)
    async with rig.trading(), asyncio.TaskGroup() as tasks:
        rig.analysis.thinks.clear()
        rig.journal.disk.clear()
        await until_minute(rig, 1)
        changing = tasks.create_task(rig.engine.signal_stage.change_params(CHANGED))
        await clock.sleep(1.0)
        assert (rig.analysis.changes, rig.journal.of("strategies")) == ([], [])
        rig.analysis.thinks.set()
        await clock.sleep(1.0)
        assert rig.analysis.changes == [GIVEN]
        assert rig.journal.of("strategies") == [StrategiesChanged(after=OPEN + MINUTE, params={"s": {"fast": 3}})]
        assert not changing.done()
        rig.journal.disk.set()
        await changing
        await until_minute(rig, 2)
        assert len(rig.analysis.asked) == 2


@on_virtual_time
async def test_before_the_warm_up_a_change_is_refused(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading(is_warm=False):
        with pytest.raises(RequestRefused, match=r"not warmed up yet; nothing was taken up: reload once they are"):
            await rig.engine.signal_stage.change_params(CHANGED)
        rig.engine.warmup_done.set()
        await rig.engine.signal_stage.change_params(CHANGED)
        assert len(rig.analysis.changes) == 1


@on_virtual_time
async def test_a_change_that_waits_too_long_is_refused_and_not_made_later(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading():
        rig.analysis.thinks.clear()
        await until_minute(rig, 1)
        begun = clock.monotonic_ns()
        with pytest.raises(RequestRefused, match=r"the closes before took over 30 s; nothing was taken up"):
            await rig.engine.signal_stage.change_params(CHANGED)
        assert (clock.monotonic_ns() - begun) / 1e9 == pytest.approx(CHANGE_WITHIN_S, abs=0.1)
        rig.analysis.thinks.set()
        await until_minute(rig, 2)
        assert (rig.analysis.changes, rig.journal.of("strategies")) == ([], [])


@on_virtual_time
async def test_a_caller_that_is_gone_before_its_turn_takes_its_change_along(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading(), asyncio.TaskGroup() as tasks:
        rig.analysis.thinks.clear()
        await until_minute(rig, 1)
        changing = tasks.create_task(rig.engine.signal_stage.change_params(CHANGED))
        await clock.sleep(1.0)
        changing.cancel()
        rig.analysis.thinks.set()
        await clock.sleep(1.0)
        await rig.engine.signal_stage.change_params(CHANGED)
        assert rig.analysis.changes == [GIVEN]


@on_virtual_time
async def test_a_stop_refuses_a_change_that_waits_and_each_later_one(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    refused = list[str]()

    async def change() -> None:
        with pytest.raises(RequestRefused) as error:
            await rig.engine.signal_stage.change_params(CHANGED)
        refused.append(str(error.value))

    async with rig.trading(), asyncio.TaskGroup() as tasks:
        rig.analysis.thinks.clear()
        await until_minute(rig, 1)
        waiting = tasks.create_task(change())
        await clock.sleep(1.0)
        rig.stop.set()
        await waiting
        await change()
        rig.analysis.thinks.set()
    assert refused == ["the run stops; nothing was taken up"] * 2
    assert (rig.analysis.changes, rig.journal.of("strategies")) == ([], [])
