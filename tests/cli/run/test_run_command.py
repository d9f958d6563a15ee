"""The verb `run` before anything is opened: the question before live trading, and what a dry start is not for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIVE = (
    "[app]\nmode = 'live'\nsymbols = 'TCS'\n[analysis]\nworkers = 0\n[venue]\nname = 'kite'\n"
    "[kite]\naccount_id = 'AB1234'\n"
)
HERE = LIVE + "rest = 'http://127.0.0.1:1'\nticker = 'ws://127.0.0.1:1'\n"
KEYS = {"TRADEBOT_KITE__API_KEY": "key-of-our-app", "TRADEBOT_KITE__API_SECRET": "secret-of-our-app"}


def run(folder: Path, config: str, *args: str, given: str = "", **environment: str) -> tuple[int, str]:
    """Run `tradebot` in a process of its own, because `run` confines it; return its exit code and all it said."""
    (folder / "config.toml").write_text(config)
    clean = {name: text for name, text in os.environ.items() if not name.startswith("TRADEBOT_")}
    done = subprocess.run(
        [sys.executable, "-m", "tradebot", *args], cwd=folder, input=given, capture_output=True, text=True, timeout=60,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("config", "question"),
    [
        (LIVE, "Trade REAL money on account AB1234? [y/N]"),
        (HERE, "REHEARSE live trading on account AB1234 of an exchange on this machine, without money? [y/N]"),
    ],
    ids=("real", "rehearsal"),
)
def test_before_live_trading_a_person_is_asked_what_it_is_about(config: str, question: str, tmp_path: Path) -> None:
    code, said = run(tmp_path, config, "run", given="n\n", **KEYS)
    assert (code, said.startswith(question)) == (130, True), said
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("config", "args"), [("", ()), ("[venue]\nname = 'embedded'\n", ("--for", "1s"))], ids=("default", "named")
)
def test_a_dry_start_of_the_embedded_exchange_is_refused(config: str, args: tuple[str, ...], tmp_path: Path) -> None:
    symbols = ("--symbols", "TCS", "--workers", "0")
    code, said = run(tmp_path, config, "run", "--dry-start", *symbols, *args)
    assert (code, "--dry-start is for a real venue: there is nothing to check of the embedded" in said) == (2, True)
    assert not (tmp_path / "state").exists()


def test_a_dry_start_asks_nothing_and_does_not_wait_for_a_venue_longer_than_it_may(tmp_path: Path) -> None:
    waits = HERE.replace("name = 'kite'\n", "name = 'kite'\nwait_at_start_s = 0\n", 1)
    code, said = run(tmp_path, waits, "run", "--dry-start", **KEYS)
    assert (code, "no exchange of a rehearsal answered" in said, "REHEARSE" in said) == (69, True, False), said


@pytest.mark.parametrize(
    ("config", "environment", "code", "sentence"),
    [
        (LIVE, KEYS, 0, "config.toml: good; mode live\n"),
        (HERE, KEYS, 0, "config.toml: good; mode rehearsal-live\n"),
        (HERE.replace("'live'", "'paper'"), KEYS, 0, "config.toml: good; mode rehearsal-paper\n"),
        (LIVE + "rest = 'http://127.0.0.1:1'\n", KEYS, 78, "kite.ticker: is not of this machine, but kite.rest is"),
        (LIVE, {}, 78, "kite.api_secret: is missing; put it into the environment as TRADEBOT_KITE__API_SECRET"),
    ],
    ids=("live", "rehearsal", "paper", "mixed", "no keys"),
)
def test_config_check_says_whether_it_is_a_rehearsal(
    config: str, environment: dict[str, str], code: int, sentence: str, tmp_path: Path
) -> None:
    found, said = run(tmp_path, config, "config", "check", **environment)
    assert (found, sentence in said) == (code, True), said
