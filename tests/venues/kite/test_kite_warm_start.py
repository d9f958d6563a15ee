"""A start in mid-day: symbols decide as their past arrives, what is guarded first, and a replay does the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.kite.between import Answer
from tests.venues.kite.daemon_between import Run, day
from tradebot.domain.messages import Signals
from tradebot.journal.reader import read_rows
from tradebot.journal.recorded_bars import read_bars
from tradebot.replay.recorded_run import RecordedRun, journal_path, read_run
from tradebot.replay.rerun import replay_run

pytestmark = pytest.mark.timeout(90)
AWAY = Answer(502, b"<html>bad gateway</html>", "text/html")
BOTH_KINDS = """
from tradebot.domain.messages import Action
from tradebot.indicators.expressions import ta
from tradebot.strategies.strategy import Intent, Rules, Strategy


class Trader(Strategy):
    seen = 0

    def rules(self, bars):
        mean = ta.EMA(bars.close, 9)
        return Rules(exit_short=mean > 0)

    def decide(self, bar, now, position):
        self.seen += 1
        level = float(bar.close) * (0.9 if bar.symbol == "RELIANCE" else 0.5)
        if position.is_flat and bar.symbol == "RELIANCE" and self.seen % 5 == 0:
            return Intent(Action.ENTER_LONG, quantity=1, stop_loss=level, inputs={"seen": self.seen})
        return Intent(Action.EXIT_LONG, inputs={"seen": self.seen}) if bar.symbol == "TCS" else None
"""


def decided(recorded: RecordedRun, symbol: str) -> list[int]:
    """The closes at which a symbol had signals."""
    messages = [line.message for line in recorded.signals if isinstance(line.message, Signals)]
    return sorted({message.at for message in messages for one in message.signals if one.symbol == symbol})


def history_of(today: Run, token: str) -> int:
    return sum(token in path for _, path in today.proxy.asked if path.startswith("/instruments/historical"))


async def test_a_symbol_whose_past_comes_late_joins_later_and_the_day_replays_equal(tmp_path: Path) -> None:
    refused: list[str] = []

    def refuse(method: str, path: str) -> Answer | None:
        # The universe is RELIANCE, TCS: the second token that is asked for is late by two tries.
        if path.startswith("/instruments/historical"):
            first = next(p for _, p in today.proxy.asked if p.startswith("/instruments/historical"))
            if path != first and len(refused) < 2:
                refused.append(path)
                return AWAY
        return None

    async with day(tmp_path, trader=BOTH_KINDS, analysis={"warmup_bars": 30}) as today:
        today.proxy.refuse = refuse
        async with today.daemon():
            await today.event("trading_started")
            await today.event("warmup_completed")
            after = len(today.all("bar_closed"))
            await today.until(lambda: len(today.all("bar_closed")) > after + 5)

    (started,), (completed,) = today.all("warmup_started"), today.all("warmup_completed")
    assert (started["requests"], started["from_history"], started["expected_s"]) == (2, 0, 0.7)
    assert (completed["symbols"], completed["cold"], completed["requests"]) == (2, 0, 4)
    names = [line["event"] for line in today.told]
    assert names.index("trading_started") < names.index("warmup_completed")

    recorded = read_run(journal_path(tmp_path / "state"))
    waits, *joins = recorded.joins
    assert (waits.after, waits.symbols, waits.waiting) == (0, (), ("RELIANCE", "TCS"))
    assert [join.symbols for join in joins] == [("RELIANCE",), ("TCS",)]
    late = joins[-1].after
    closes = sorted(recorded.closes)
    assert len([end for end in closes if end <= late]) >= 5
    assert decided(recorded, "TCS")[0] == next(end for end in closes if end > late)
    assert decided(recorded, "RELIANCE")[0] < late
    past = {series.symbol: series for series in recorded.warmup}
    assert {symbol: len(series) for symbol, series in past.items()} == {"RELIANCE": 30, "TCS": 30}
    # The late symbol's own closes follow its past: none is missing between the two, and none comes twice.
    own = min(end for end in closes) - recorded.terms.interval
    assert past["TCS"].starts[-1] < own

    result = await replay_run(recorded)
    assert result.difference is None
    assert result.signals > 10


async def test_what_is_guarded_is_asked_for_first_after_a_restart(tmp_path: Path) -> None:
    symbols = "INFY,ITC,SBIN,LT,RELIANCE"
    async with day(tmp_path, trader=BOTH_KINDS, symbols=symbols, analysis={"warmup_bars": 10}) as today:
        async with today.daemon():
            await today.event("order_filled")
        today.proxy.asked.clear()
        # A day later the journal's bars would be of another day; here the journal is kept from being used.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tradebot.daemon.warmup.warmup_loader.MAX_RUNS_READ", 1)
            patch.setattr("tradebot.daemon.warmup.warmup_loader.read_warmup_bars", lambda *args, **settings: [])
            async with today.daemon():
                await today.event("warmup_completed", times=2)
    kept = [row.message for row in read_rows(tmp_path / "state" / "journal.sqlite3", kinds=("universe",))]
    tokens = {str(i.token): i.symbol for i in kept[-1].instruments}  # type: ignore[attr-defined]
    asked = [tokens[path.split("/")[3]] for _, path in today.proxy.asked if path.startswith("/instruments/historical")]
    assert asked == ["RELIANCE", "INFY", "ITC", "SBIN", "LT"]


@pytest.mark.prove
async def test_bars_that_an_outage_spoiled_are_repaired_and_the_day_replays_equal(tmp_path: Path) -> None:
    async with day(tmp_path, trader=BOTH_KINDS, analysis={"warmup_bars": 30}) as today, today.daemon():
        await today.event("warmup_completed")
        await today.event("order_filled")
        today.proxy.upgrade = lambda: AWAY
        await today.proxy.cut()
        await today.event("feed_lost")
        closed = len(today.all("bar_closed"))
        await today.until(lambda: len(today.all("bar_closed")) > closed + 4)
        today.proxy.upgrade = lambda: None
        repaired = await today.event("bars_repaired")
        after = len(today.all("bar_closed"))
        await today.until(lambda: len(today.all("bar_closed")) > after + 4)

    (started,) = today.all("repair_started")
    assert started["bars"] >= 5
    assert (repaired["symbols"], repaired["of"], repaired["bars"]) == (2, 2, 2 * started["bars"])

    recorded = read_run(journal_path(tmp_path / "state"))
    guarded, rest = recorded.rebuilds  # what has a position first
    ids = {i.symbol: n for n, i in enumerate(recorded.universe)}
    assert [{id_ for batch in part for id_ in batch.ids.tolist()} for _, part in (guarded, rest)] == [
        {ids["RELIANCE"]}, {ids["TCS"]},
    ]  # fmt: skip
    assert guarded[0].after >= max(batch.ends_at for batch in guarded[1])
    bars = read_bars(journal_path(tmp_path / "state"), "TCS", recorded.terms.interval)
    spoiled = {batch.ends_at: batch.volume.item(0) for batch in rest[1]}
    assert [int(bar.volume) for bar in bars if bar.end in spoiled] == list(spoiled.values())

    # From the end of the outage until the repair nothing was decided, which at every other close something was.
    waits, free, none = recorded.holds
    assert [row.symbols for row in (waits, free, none)] == [("RELIANCE", "TCS"), ("TCS",), ()]
    assert waits.after < free.after <= none.after
    held = [end for end in sorted(recorded.closes) if waits.after < end <= none.after]
    assert held
    assert not set(held) & {*decided(recorded, "TCS")}
    assert next(end for end in sorted(recorded.closes) if end > none.after) in decided(recorded, "TCS")
    (withheld,), (resumed,) = today.all("signals_withheld"), today.all("signals_resumed")
    assert (withheld["symbols"], resumed["closes"], resumed["unrepaired"]) == (2, len(held), 0)
    assert resumed["signals"] >= len(held)

    result = await replay_run(recorded)
    assert result.difference is None
    # A version that does not know of holds, or a run of before, would give these signals.
    forgetful = await replay_run(recorded._replace(holds=()))
    assert forgetful.difference is not None
    assert forgetful.difference.recorded == "nothing"
