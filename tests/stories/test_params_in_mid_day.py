"""Parameters of a strategy change in mid-day: the running daemon goes on with them, and a replay repeats it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.replay.journals_by_hand import copy
from tradebot.__main__ import run_command_line
from tradebot.domain.message import Message
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import StrategiesChanged
from tradebot.replay.recorded_run import list_runs

SYMBOLS = "EICHERMOT,BHARTIARTL,APOLLOHOSP,WIPRO,HCLTECH,SHRIRAMFIN"

pytestmark = pytest.mark.timeout(180)


def settings(**params: float) -> str:
    given = ", ".join(f"{name} = {value}" for name, value in params.items())
    return f'[[strategy]]\nname = "ema_cross"\nparams = {{ {given} }}\n'


def replayed(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, Any]:
    run_command_line(["replay", str(path), "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("workers", ["0", "1"])
def test_parameters_change_while_it_runs(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    config, journal = tmp_path / "config.toml", tmp_path / "state/journal.sqlite3"
    config.write_text(settings(fast=12, stop_atr=2.5))
    options = ("--config", str(config), "--symbols", SYMBOLS, "--speed", "300", "--interval", "1m")
    options += ("--workers", workers, "--log-level", "debug")
    daemon = start(*options)
    daemon.event("order_filled")
    for _ in range(15):
        daemon.event("bar_closed")
    config.write_text(settings(fast=3, slow=8, trend=0, stop_atr=2.5))
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.event("config_reloaded")["changes"] == [
        "strategy.1.params.fast: 12 -> 3",
        "strategy.1.params.slow: not set -> 8",
        "strategy.1.params.trend: not set -> 0",
    ]
    config.write_text(settings(fast=3, slow=2, stop_atr=2.5))
    daemon.process.send_signal(signal.SIGHUP)
    assert "ema_cross: " in daemon.event("reload_refused")["reason"]
    for _ in range(20):
        daemon.event("bar_closed")
    config.write_text(settings(fast=4, slow=8, trend=0, stop_atr=2.5))
    place = ["--state-dir", str(tmp_path / "state")]
    for options_of_it, said in ((["--dry-run"], "1 setting(s) would change"), ([], "1 setting(s) changed")):
        assert run_command_line(["reload", *options_of_it, *place]) == 0
        assert f"strategy.1.params.fast: 3 -> 4\n{said}" in capsys.readouterr().out
    for _ in range(5):
        daemon.event("bar_closed")
    assert daemon.stop().code == 0

    rows = [row.message for row in read_rows(journal, kinds=("strategies",))]
    params = [row.params for row in rows if isinstance(row, StrategiesChanged)]
    both = {"slow": 8, "trend": 0.0, "stop_atr": 2.5}
    assert params == [{"ema_cross": {"fast": 3} | both}, {"ema_cross": {"fast": 4} | both}]
    found = replayed(capsys, journal)
    assert found["equal"], found
    assert min(found["signals"], found["facts"]) > 0
    assert run_command_line(["verify", str(journal), "--against", str(tmp_path / "state/exchange.jsonl")]) == 0
    capsys.readouterr()

    def ignored(kind: str, message: Message) -> Message | None:
        return None if isinstance(message, StrategiesChanged) else message

    found = replayed(capsys, copy(journal, tmp_path / "ignored", ignored))
    assert (found["equal"], found["difference"]["what"]) == (False, "a signal")
    # a restart reads the file, and goes on with what it says
    again = start(*options)
    again.event("trading_started")
    for _ in range(3):
        again.event("bar_closed")
    assert again.stop().code == 0
    assert len(list(list_runs(journal))) == 2
    assert replayed(capsys, journal)["equal"]
