"""A rehearsal as a person starts it: a bad day in seconds, a tale of it, a verdict, and the real journal untouched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)


def test_a_bad_day_is_traded_through_told_and_judged(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[app]\nstate_dir = "{tmp_path / "state"}"\n[execution]\nchase = "modify"\n')
    done = subprocess.run(
        [sys.executable, "-m", "tradebot", "run", "-c", str(config), "--rehearse", "7", "--for", "25s",
         "--symbols", "RELIANCE,TCS,INFY,SBIN,ITC,HDFCBANK", "--log-format", "text"],
        capture_output=True, text=True, check=False, timeout=150,
        env={k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for part in ("The rehearsal of seed 7", "What broke", "What the daemon did about it", "What it refused", "The day"):
        assert part in done.stderr
    assert "KEPT" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    broke = done.stderr.partition("What broke")[2].partition("What the daemon did")[0]
    assert "x  " in broke, "a bad day brings faults; how many of them strike depends on how fast the machine is"
    assert not (tmp_path / "state" / "journal.sqlite3").exists(), "the journal of real days is left alone"
    assert (tmp_path / "state" / "rehearsals" / "seed-7-1" / "journal.sqlite3").exists()
