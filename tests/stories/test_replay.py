"""A paper day on the embedded exchange replays equal; a changed signal, order or state is found at its first row."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.replay.journals_by_hand import Change, copy
from tests.stories.conftest import Daemon
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.job import Job
from tradebot.backtest.run import run_backtest
from tradebot.backtest.signal_index import index_signals
from tradebot.domain.market import BarSeries
from tradebot.domain.message import Message
from tradebot.domain.messages import Signal, Signals
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.journal.input_log import InputLogBatch, StrategiesStepped
from tradebot.replay.recorded_run import RecordedRun, list_runs, read_run
from tradebot.strategies.loading import StrategySpec

# Ten that the shipped strategy trades in the first hour of the invented day; fifty would warm up for a quarter minute.
SYMBOLS = "EICHERMOT,BHARTIARTL,APOLLOHOSP,WIPRO,HCLTECH,SHRIRAMFIN,KOTAKBANK,M&M,ULTRACEMCO,TCS"

pytestmark = pytest.mark.timeout(180)


def replay(journal: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tradebot", "replay", str(journal), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in one state directory: the second takes over what the first left open."""
    folder = tmp_path_factory.mktemp("day")
    for bars in (40, 15):
        daemon = Daemon(
            "run", "--symbols", SYMBOLS, "--state-dir", str(folder), "--speed", "300", "--interval", "1m",
            "--log-format", "json", "--log-level", "debug",
        )  # fmt: skip
        daemon.event("order_filled")
        for _ in range(bars):
            daemon.event("bar_closed")
        assert daemon.stop().code == 0
    return folder / "journal.sqlite3"


def run_ids(journal: Path) -> list[str]:
    return [run.run_id for _, run in list_runs(journal)]


def changed(journal: Path, folder: Path, change: Change) -> dict[str, Any]:
    code, out, err = replay(copy(journal, folder / "changed", change), "--json")
    assert code == 70, err
    found: dict[str, Any] = json.loads(out)["difference"]
    return found


def test_both_runs_replay_equal(journal: Path) -> None:
    for run_id in run_ids(journal):
        code, out, err = replay(journal, "--run", run_id, "--json")

        assert code == 0, out + err
        found = json.loads(out)
        assert found["equal"]
        assert found["run_id"] == run_id
        assert min(found["closes"], found["signals"], found["facts"], found["states"]) > 0
        assert found["behind_tape"] == 0


def test_a_state_directory_is_enough_and_a_line_a_run_says_it(journal: Path) -> None:
    code, out, _ = replay(journal.parent, "--all")

    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == run_ids(journal)
    assert out.count("replays equal") == 2


def test_a_changed_order_is_found_with_both_sides(journal: Path, tmp_path: Path) -> None:
    def change(kind: str, message: Message) -> Message:
        if isinstance(message, OrderEvent) and message.type is OrderEventType.INTENT and message.request is not None:
            request = msgspec.structs.replace(message.request, quantity=message.request.quantity + Decimal(1))
            return msgspec.structs.replace(message, request=request)
        return message

    found = changed(journal, tmp_path, change)

    assert found["what"].startswith("order ")
    assert found["recorded"] != found["replayed"]
    assert "quantity" in found["recorded"]
    # and for people the field stands alone, where an order differs in that and nothing else
    _, out, _ = replay(tmp_path / "changed" / "journal.sqlite3", "--run", run_ids(journal)[0])
    assert re.search(r"\n  it is quantity=Decimal\('\d+'\), and was quantity=Decimal\('\d+'\)\n$", out)


def test_a_changed_signal_is_found(journal: Path, tmp_path: Path) -> None:
    def change(kind: str, message: Message) -> Message:
        if isinstance(message, Signals) and message.signals:
            first = msgspec.structs.replace(message.signals[0], close=message.signals[0].close + 0.05)
            return msgspec.structs.replace(message, signals=(first, *message.signals[1:]))
        return message

    found = changed(journal, tmp_path, change)

    assert found["what"] == "a signal"
    assert "close=" in found["recorded"]


def test_a_fact_that_was_taken_out_of_the_journal_is_missed(journal: Path, tmp_path: Path) -> None:
    last, gone = run_ids(journal)[-1], list[str]()

    def change(kind: str, message: Message) -> Message | None:
        is_one = isinstance(message, OrderEvent) and message.type is OrderEventType.ACCEPTED and not gone
        if is_one and message.order_id.startswith(last):
            gone.append(message.order_id)
            return None
        return message

    found = changed(journal, tmp_path, change)

    assert found["what"] == f"order {gone[0]}"


def test_a_changed_state_hash_is_found(journal: Path, tmp_path: Path) -> None:
    def change(kind: str, message: Message) -> Message:
        if isinstance(message, InputLogBatch) and message.state:
            return msgspec.structs.replace(message, state="0" * 32)
        return message

    assert "state" in changed(journal, tmp_path, change)["what"]


def test_a_run_without_a_tape_is_refused_in_a_sentence(journal: Path, tmp_path: Path) -> None:
    old = copy(journal, tmp_path / "old", lambda kind, message: None if kind in ("tape", "terms") else message)

    code, out, err = replay(old)

    assert (code, out) == (65, "")
    assert "kept no tape to replay" in err
    assert err.count("\n") == 1


def test_a_run_that_is_not_there_is_refused_with_those_that_are(journal: Path) -> None:
    code, _, err = replay(journal, "--run", "T0")

    assert code == 65
    assert "there is no run T0 to replay; the last ones are T" in err


def test_a_backtest_of_the_recorded_bars_gives_the_signals_of_the_day(journal: Path) -> None:
    recorded = read_run(journal, run_ids(journal)[0])
    specs = [msgspec.convert(spec, StrategySpec) for spec in recorded.terms.strategies]
    first = min(batch.starts_at for batch in recorded.closes.values())
    series = {i.symbol: whole(recorded, n) for n, i in enumerate(recorded.universe)}
    interval = recorded.terms.interval
    job = Job(strategies=tuple(specs), instruments=recorded.universe.instruments, interval=interval, begin=first)

    table = BarTable(job.instruments, series, interval)
    rows = [table.row_after(n, first) for n in range(len(series))]
    wishes = index_signals(specs, job.instruments, table, rows, 60.0).indexes
    tested = [
        signal
        for n, bars in enumerate(table.series)
        for row in range(rows[n], len(bars))
        for signal in wishes[n].signals_at(row, int(bars.starts[row]) + interval, bars.close.item(row))
    ]

    of_the_day = [s for line in recorded.signals if isinstance(line.message, Signals) for s in line.message.signals]
    assert len(of_the_day) > 5
    assert sorted(map(said, tested)) == sorted(map(said, of_the_day))
    assert run_backtest(job, series).counts["signals"] == len(of_the_day)


def said(signal: Signal) -> tuple[str, ...]:
    """What a signal says, to the last bit; not when it was made."""
    told = (signal.signal_id, signal.strategy, signal.bar_at, signal.close, signal.stop_loss, signal.trail_by)
    return tuple(map(repr, (*told, signal.target)))


def whole(recorded: RecordedRun, id_: int) -> BarSeries:
    """The bars of one symbol: what the strategies were warmed up with, and what the day recorded."""
    past = next(s for s in recorded.warmup if s.symbol == recorded.universe[id_].symbol)
    # A close that came while the daemon was stopping was recorded, and no strategy was asked.
    asked = {
        entry.message.ends_at
        for row in recorded.input_rows
        for entry in row.message.entries
        if isinstance(entry.message, StrategiesStepped)
    }
    batches = [c for c in recorded.closes.values() if c.ends_at in asked and id_ in c.ids]
    rows = [(c, int(np.searchsorted(c.ids, id_))) for c in batches]
    columns = {
        name: np.r_[getattr(past, name), [getattr(batch, name)[row] for batch, row in rows]]
        for name in ("open", "high", "low", "close", "volume")
    }
    starts = np.r_[past.starts, [batch.starts_at for batch, _ in rows]]
    return BarSeries(symbol=past.symbol, interval=past.interval, starts=starts, **columns)
