"""A daemon that crashes again and again: after the third kill in ten minutes it opens nothing until it is resumed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER, PATIENT
from tests.stories.ledger import assert_agree
from tradebot.__main__ import run_command_line
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus
from tradebot.replay.recorded_run import read_run
from tradebot.replay.rerun import replay_run

pytestmark = pytest.mark.timeout(120)
SYMBOLS = "RELIANCE,TCS,INFY"


def is_sent(line: dict[str, Any], purpose: str) -> bool:
    return bool(line["event"] == "order_submitted" and line["purpose"] == purpose)


def is_crash_halt(line: dict[str, Any]) -> bool:
    return bool(line["event"] == "halt_raised" and line["scope"] == "all" and "runs were cut off" in line["reason"])


def test_after_three_kills_in_ten_minutes_only_exits_leave_until_a_person_resumes(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, ready, state = tmp_path / "exchange.jsonl", tmp_path / "ready.json", tmp_path / "state"
    exchange = start(
        "--symbols", SYMBOLS, "--seed", "7", "--log", str(log), "--at", "2026-11-23T09:15", "--speed", "240",
        verb="exchange",
    )  # fmt: skip
    ready.write_text(exchange.process.stdout.readline())
    trader = tmp_path / "trader.py"
    arguments = ("--symbols", SYMBOLS, "--exchange", str(ready), "--workers", "0", "--strategy", f"{trader}:Trader")
    # Given three runs that were killed, and what the first one of them bought,
    trader.write_text(PATIENT)
    for event in ("order_filled", "trading_started", "trading_started"):
        daemon = start(*arguments)
        daemon.event(event)
        assert not any(is_crash_halt(line) for line in daemon.lines)
        daemon.kill()
    trader.write_text(EAGER)
    # when it starts a fourth time, then it says that it is halted, and why,
    daemon = start(*arguments)
    halted = daemon.event("state_recovered")["halted"]
    last = daemon.lines[-1]["run_id"]
    assert halted.startswith("3 runs were cut off within 10 minutes, the last one T")
    # what it holds is sold, and nothing is bought.
    daemon.until(lambda line: is_sent(line, "exit"))
    daemon.until(lambda line: line["event"] == "order_denied" and line["purpose"] == "entry")
    assert run_command_line(["status", "--state-dir", str(state)]) == 0
    assert f"HALTED (halt all): {halted}" in capsys.readouterr().out
    assert any(is_crash_halt(line) for line in daemon.lines)
    assert not any(is_sent(line, "entry") for line in daemon.stop().lines)
    # It outlasts a clean stop and a start, and a resume ends it and its count:
    daemon = start(*arguments)
    assert daemon.event("state_recovered")["halted"].startswith("3 runs were cut off")
    daemon.until(lambda line: line["event"] == "order_denied" and line["purpose"] == "entry")
    assert run_command_line(["resume", "--state-dir", str(state)]) == 0
    daemon.until(lambda line: is_sent(line, "entry"))
    daemon.kill()
    daemon = start(*arguments)
    assert "cut off" not in str(daemon.event("state_recovered").get("halted"))
    daemon.until(lambda line: is_sent(line, "entry"))
    assert daemon.stop().code == 0

    assert_agree(state / "journal.sqlite3", log)
    verdicts = judge_records(state / "journal.sqlite3", against=log)
    assert [v for v in verdicts if v.status is PromiseStatus.BROKEN] == []
    assert "I7" in {v.promise for v in verdicts if v.status is PromiseStatus.OK}
    assert asyncio.run(replay_run(read_run(state / "journal.sqlite3", last))).difference is None
