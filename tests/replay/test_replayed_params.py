"""A run whose strategies got other parameters in mid-day replays equal; without the row about them it differs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.replay.journals_by_hand import copy
from tests.trading.analysis.analysis_by_hand import FAST, LIVE, MINUTE, Bench, running, written
from tradebot.clock import ManualClock
from tradebot.domain.message import Message
from tradebot.journal.input_log import InputEntry, InputLogBatch, StrategiesStepped
from tradebot.journal.rows import InstrumentList, RunEnd, RunRecord, RunSettings, StrategiesChanged, WarmupBars
from tradebot.journal.writer import Journal
from tradebot.replay.recorded_run import read_run
from tradebot.replay.rerun import ReplayResult, replay_run
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.trading.analysis.changed_params import with_params

RAISING = """
class Mine(Strategy):
    limit = Param(25)
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        if self.seen == self.limit:
            raise RuntimeError("no more")
        return Intent(Action.ENTER_LONG, inputs={"seen": self.seen})
"""


async def recorded(folder: Path, specs: list[StrategySpec], changes: dict[int, dict[str, dict[str, object]]]) -> Path:
    """Record a run of some strategies over the closes of a bench, with changed parameters before some of them."""
    async with (
        running(Bench(size=3, specs=specs, workers=1)) as bench,
        Journal(folder, run="T1", clock=ManualClock()) as journal,
    ):
        terms = RunSettings(
            interval=MINUTE, strategies=tuple(msgspec.to_builtins(spec) for spec in specs), limits={},
            desk={"order_notional": "1000"}, venue={"absent_after_s": 60.0}, opens_at=0,
        )  # fmt: skip
        rows: list[tuple[str, Message]] = [
            ("run", RunRecord(run_id="T1", mode="paper", account="A1", versions={"rows": "4"})),
            ("universe", InstrumentList(instruments=bench.analysis.universe.instruments)),
            ("terms", terms),
            ("warmup", WarmupBars(series=tuple(bench.history))),
        ]
        after = 0
        for t in range(LIVE):
            if t in changes:
                params = {spec.name: spec.params for spec in bench.analysis.strategies} | changes[t]
                rows.append(("strategies", StrategiesChanged(after=after, params=params)))
                await bench.analysis.change_params(with_params(bench.analysis.strategies, params))
            close = bench.batches[t]
            stepped = InputEntry(t + 1, StrategiesStepped(ends_at=close.ends_at, holdings={}))
            rows += [("close", close), ("tape", InputLogBatch(entries=(stepped,)))]
            rows.append(("signals", await bench.step(t)))
            after = close.ends_at
        for kind, message in [*rows, ("end", RunEnd())]:
            journal.append(kind, message, at=1)
    return journal.path


async def replayed(journal: Path) -> ReplayResult:
    return await replay_run(read_run(journal))


@pytest.mark.parametrize("at", [0, 14, 25])
async def test_changed_parameters_are_repeated_where_they_came(tmp_path: Path, at: int) -> None:
    specs = [load_strategy("ema_cross", FAST)]
    changed = FAST | {"fast": 3, "slow": 9}
    path = await recorded(tmp_path / "run", specs, {at: {"ema_cross": changed}})
    found = await replayed(path)
    assert found.difference is None
    assert (found.closes, found.signals > 3) == (LIVE, True)
    silent = await replayed(copy(path, tmp_path / "silent", without_changes))
    assert silent.difference is not None
    assert silent.difference.what == "a signal"


async def test_changes_follow_each_other_and_a_strategy_that_was_switched_off_begins_again(tmp_path: Path) -> None:
    specs = [load_strategy("ema_cross", FAST), written(tmp_path, RAISING)]
    changes = {
        9: {"ema_cross": FAST | {"slow": 9}}, 14: {"Mine": {"limit": 999}}, 25: {"ema_cross": FAST | {"slow": 4}},
    }  # fmt: skip
    path = await recorded(tmp_path / "run", specs, changes)
    assert (await replayed(path)).difference is None

    def late(kind: str, message: Message) -> Message:
        if isinstance(message, StrategiesChanged):
            return msgspec.structs.replace(message, after=message.after + 5 * MINUTE)
        return message

    assert (await replayed(copy(path, tmp_path / "late", late))).difference is not None


def without_changes(kind: str, message: Message) -> Message | None:
    return None if isinstance(message, StrategiesChanged) else message
