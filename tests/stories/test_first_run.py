"""The first run: no account, no network, no config; a first order within seconds, and books that agree."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stories.ledger import assert_agree
from tradebot.journal.reader import read_rows, verify_chain

pytestmark = pytest.mark.timeout(120)


def seconds(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def test_the_first_run_fills_an_order_within_twenty_seconds_and_the_books_agree(start: Any, tmp_path: Path) -> None:
    daemon = start("--symbols", "RELIANCE,TCS,INFY", "--for", "25s")
    said = daemon.wait(55)
    assert (said.code, said.errors) == (0, "")
    first = min(seconds(line) for line in said.all("order_filled"))
    assert first - seconds(said.one("daemon_started")) < 20
    names = [line["event"] for line in said.lines]
    assert names.index("books_reconciled") < names.index("trading_started") < names.index("order_submitted")
    theirs = assert_agree(tmp_path / "state/journal.sqlite3", tmp_path / "state/exchange.jsonl")
    summary = said.one("run_summarized")
    assert summary["fills"] == len(theirs.fills) == len(said.all("order_filled"))
    assert summary["orders"] == len(theirs.creates)
    assert {"quote_to_signal_p50_us", "signal_to_order_p99_us", "order_to_ack_p99_us"} <= summary.keys()
    assert verify_chain(tmp_path / "state/journal.sqlite3").is_intact


def test_a_stop_signal_ends_the_run_cleanly_within_five_seconds(start: Any, tmp_path: Path) -> None:
    daemon = start("--symbols", "RELIANCE,TCS,INFY")
    daemon.event("order_filled")
    said = daemon.stop(within_s=5.0)
    assert said.code == 0
    assert [line["event"] for line in said.lines][-1] == "daemon_stopped"
    assert said.one("run_summarized")["unknown"] == 0
    assert_agree(tmp_path / "state/journal.sqlite3", tmp_path / "state/exchange.jsonl")


def test_a_stop_signal_during_the_warm_up_is_heard_at_once(start: Any) -> None:
    daemon = start("--symbols", "NIFTY50")  # fifty histories at three a second
    daemon.event("warmup_started")
    said = daemon.stop(within_s=5.0)
    assert said.code == 0
    assert not said.all("trading_started")


def test_a_second_interrupt_leaves_at_once_and_the_journal_is_whole(start: Any, tmp_path: Path) -> None:
    import signal

    daemon = start("--symbols", "RELIANCE,TCS,INFY")
    daemon.event("order_filled")
    daemon.process.send_signal(signal.SIGSTOP)  # both arrive before the first can be carried out
    daemon.process.send_signal(signal.SIGINT)
    daemon.process.send_signal(signal.SIGCONT)
    daemon.event("stop_requested")
    daemon.process.send_signal(signal.SIGINT)
    said = daemon.wait(5.0)
    assert said.code in (0, 130)
    assert verify_chain(tmp_path / "state/journal.sqlite3").is_intact


def test_a_second_daemon_on_the_same_state_directory_is_refused(start: Any) -> None:
    start("--symbols", "RELIANCE").event("trading_started")
    said = start("--symbols", "RELIANCE").wait(20)
    assert said.code == 73
    assert "another" in said.errors or "lock" in said.errors
    assert "Traceback" not in said.errors
    last = said.lines[-1]
    assert (last["event"], last["level"], last["exit_code"]) == ("daemon_failed", "critical", 73)
    assert "another" in last["reason"]


def test_a_changed_config_is_taken_up_whole_or_not_at_all(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import signal

    from tradebot.__main__ import run_command_line

    config = tmp_path / "config.toml"
    config.write_text('[risk]\nmax_open_orders = 20\n[log]\nlevel = "info"\n')
    daemon = start("--config", str(config), "--symbols", "RELIANCE,TCS,INFY")
    daemon.event("order_filled")
    config.write_text('[risk]\nmax_open_orders = 7\nmax_daily_loss = 900\n[log]\nlevel = "info"\n')
    daemon.process.send_signal(signal.SIGHUP)
    changes = daemon.event("config_reloaded")["changes"]
    assert changes == ["risk.max_daily_loss: 2500 -> 900", "risk.max_open_orders: 20 -> 7"]
    place = ["--state-dir", str(tmp_path / "state")]

    def shown_limits() -> dict[str, str]:
        assert run_command_line(["risk", "--json", *place]) == 0
        return {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)["limits"]}

    assert (shown_limits()["max_daily_loss"], shown_limits()["max_open_orders"]) == ("900", "7")
    config.write_text("[risk]\nmax_open_orders = 3\nallow_short = true\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert "risk.allow_short: False -> True; nothing was taken up" in daemon.event("reload_refused")["reason"]

    assert run_command_line(["reload", "--dry-run", *place]) != 0, "what needs a restart is refused by the verb as well"
    assert "a restart is needed for risk.allow_short" in capsys.readouterr().err
    config.write_text("[risk]\nmax_open_orders = 30\nmax_daily_loss = 900\n")
    assert run_command_line(["reload", "--dry-run", *place]) == 0
    assert "risk.max_open_orders: 7 -> 30\n1 setting(s) would change" in capsys.readouterr().out
    assert run_command_line(["reload", "--yes", *place]) == 0
    assert daemon.event("config_reloaded")["changes"] == ["risk.max_open_orders: 7 -> 30"]
    assert "1 setting(s) changed" in capsys.readouterr().out
    assert shown_limits()["max_open_orders"] == "30"
    assert daemon.stop().code == 0
    first, second = read_rows(tmp_path / "state/journal.sqlite3", kinds=("limits",))
    assert b'"max_open_orders":7' in first.body
    assert b'"max_open_orders":30' in second.body
    assert run_command_line(["replay", str(tmp_path / "state/journal.sqlite3")]) == 0


def test_signals_that_end_other_programs_are_told_and_one_of_them_shows_the_state(start: Any) -> None:
    import signal

    daemon = start("--symbols", "RELIANCE,TCS,INFY")
    daemon.event("trading_started")
    daemon.process.send_signal(signal.SIGUSR2)
    assert daemon.event("process_signal_ignored")["signal"] == "SIGUSR2"
    daemon.process.send_signal(signal.SIGUSR1)
    assert daemon.event("state_shown")["mode"] == "paper"
    assert daemon.stop().code == 0
