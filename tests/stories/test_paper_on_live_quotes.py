"""Paper on live quotes and a live run with its shadow, by the real command against an exchange in Kite's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER
from tradebot.__main__ import run_command_line
from tradebot.exchange.event_log import read_event_log

pytestmark = pytest.mark.timeout(120)
CONFIG = """
[app]
mode = "{mode}"
symbols = "RELIANCE,TCS"
[venue]
name = "kite"
[kite]
rest = "{rest}"
ticker = "{ticker}"
api_key = "{api_key}"
access_token = "{access_token}"
account_id = "SIM001"
[paper]
shadow = true
[analysis]
warmup_bars = 0
workers = 0
[store]
enabled = false
[[strategy]]
name = "{trader}:Trader"
"""


class Market:
    """An exchange in Kite's place, and daemons that trade its quotes with settings of the test's own."""

    def __init__(self, start: Any, folder: Path) -> None:
        self._start, self._folder, self.log = start, folder, folder / "exchange.jsonl"
        exchange = start(
            "--symbols", "RELIANCE,TCS", "--log", str(self.log), "--at", "2026-11-23T09:20", "--speed", "60",
            verb="exchange",
        )  # fmt: skip
        self._said = json.loads(exchange.process.stdout.readline())["kite"]
        (folder / "trader.py").write_text(EAGER)

    def run(self, mode: str, fills: int) -> list[dict[str, Any]]:
        """Run a daemon until it told of some fills; return all that it told."""
        path = self._folder / "config.toml"
        path.write_text(CONFIG.format(mode=mode, trader=self._folder / "trader.py", **self._said))
        path.chmod(0o600)
        daemon = self._start("--config", str(path), "--yes")
        for _ in range(fills):
            daemon.event("order_filled")
        ended = daemon.stop(within_s=30)
        assert ended.code == 0, ended.errors
        return list(ended.lines)

    def writes(self) -> list[dict[str, Any]]:
        """Return the requests with which the exchange was asked to do something."""
        lines = read_event_log(self.log)
        return [line for line in lines if line["kind"] == "request" and line["method"] in ("POST", "PUT", "DELETE")]


def fills_in(log: Path) -> list[str]:
    return [line["order_id"] for line in read_event_log(log) if line["kind"] == "fill"]


def accounts_of(lines: list[dict[str, Any]]) -> list[str]:
    return [line["account"] for line in lines if line["event"] == "paper_day_opened"]


def test_a_paper_day_on_live_quotes_sends_nothing_and_goes_on_after_a_restart_and_a_reset(
    start: Any, tmp_path: Path
) -> None:
    market, state = Market(start, tmp_path), tmp_path / "state"
    assert accounts_of(market.run("paper", fills=4)) == ["PAPER-SIM001"]
    first = fills_in(state / "paper.jsonl")
    assert len(first) >= 4

    assert accounts_of(market.run("paper", fills=2)) == ["PAPER-SIM001"]
    assert fills_in(state / "paper.jsonl")[: len(first)] == first
    assert len(fills_in(state / "paper.jsonl")) >= len(first) + 2

    assert run_command_line(["paper", "reset", "--yes", "--state-dir", str(state)]) == 0
    told = market.run("paper", fills=2)
    assert accounts_of(told) == ["PAPER-SIM001-2"]
    assert next(line for line in told if line["event"] == "state_recovered")["positions"] == 0
    assert not [line for line in told if line["event"].startswith("difference")]
    assert market.writes() == []


def test_a_live_run_is_compared_with_its_shadow_order_by_order(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market, state = Market(start, tmp_path), tmp_path / "state"
    told = market.run("live", fills=8)
    assert accounts_of(told) == ["SHADOW-SIM001"]
    sent = {line["tag"] for line in market.writes()}
    capsys.readouterr()
    assert run_command_line(["paper", "compare", "--json", "--state-dir", str(state)]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["order_id"]: row for row in found["orders"]}
    assert set(rows) == sent - {""}
    assert sum(row["filled_on"] == "both" for row in rows.values()) >= 8
    assert found["summary"][0]["group"] == "all"
