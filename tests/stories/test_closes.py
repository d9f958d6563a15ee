"""The last half hour of a day since the closing auction: each symbol is flat before its own close, and it replays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import IST, SECOND, parse_iso
from tradebot.journal.recorded_bars import read_bar_batches

pytestmark = pytest.mark.timeout(120)

ALWAYS = '''"""Wants to be long at every close."""
from tradebot.strategies.strategy import Rules, Strategy


class Always(Strategy):
    def rules(self, bars):
        return Rules(enter_long=bars.close > 0)
'''
ENDS = {"RELIANCE": "15:15", "SYM0001": "15:30"}  # the first has derivatives


def at(clock: str) -> int:
    return parse_iso(f"2026-11-25T{clock}", IST)


def test_each_symbol_is_flat_before_its_own_close_and_nothing_is_traded_or_quoted_after_it(
    start: Any, tmp_path: Path
) -> None:
    (tmp_path / "always.py").write_text(ALWAYS)
    daemon = start(
        "--symbols", ",".join(ENDS), "--strategy", f"{tmp_path / 'always.py'}:Always", "--speed", "120",
        env={
            "TRADEBOT_EXCHANGE__DAY": "2026-11-25", "TRADEBOT_EXCHANGE__STARTS_AT": "14:55",
            "TRADEBOT_RISK__ENTRIES_UNTIL": "15:16", "TRADEBOT_RISK__SQUARE_OFF_AT": "15:18",
            "TRADEBOT_ANALYSIS__WARMUP_BARS": "0",
        },
    )  # fmt: skip
    said = daemon.wait(60)

    assert (said.code, said.errors) == (0, "")
    (hours,) = said.all("day_started")
    assert [hours["square_off_at"], hours["earlier"][0]["square_off_at"]] == ["15:18", "15:05"]
    log = [json.loads(line) for line in (tmp_path / "state/exchange.jsonl").read_text().splitlines()]
    fills = [line for line in log if line["kind"] == "fill"]
    assert {fill["symbol"] for fill in fills} == set(ENDS)
    assert all(fill["traded_at"] < at(ENDS[fill["symbol"]]) for fill in fills)
    summary = said.one("run_summarized")
    assert (summary["open_positions"], summary["quotes_dropped"]["outside_session"]) == ({}, 0)
    last = {
        universe[int(id_)].symbol: batch.starts_at
        for universe, batch in read_bar_batches(tmp_path / "state/journal.sqlite3", 60 * SECOND)
        for id_ in batch.ids
    }
    assert last["RELIANCE"] < at("15:15") <= last["SYM0001"]
    again = [sys.executable, "-m", "tradebot", "replay", str(tmp_path / "state")]
    assert subprocess.run(again, capture_output=True, check=False).returncode == 0
