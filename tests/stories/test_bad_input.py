"""Bad input of every kind: one clear sentence, the right exit code, no traceback, before anything is traded."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TICKS = "timestamp,ltp,volume\n2021-06-11 09:15:00,abc,3\n"


class Case(NamedTuple):
    """Files to make, arguments to give, the exit code and words that the one sentence must hold."""

    files: dict[str, str]
    arguments: tuple[str, ...]
    code: int
    words: tuple[str, ...]


CASES = {
    "an unknown key in the config": Case(
        {"c.toml": "[risk]\nmax_daily_los = 3\n"},
        ("-c", "{}/c.toml"),
        78,
        ("c.toml:2:1", "max_daily_los", "did you mean max_daily_loss?"),
    ),
    "a config that is not TOML": Case({"c.toml": "[risk\n"}, ("-c", "{}/c.toml"), 78, ("c.toml:1:",)),
    "a config that is not there": Case({}, ("-c", "{}/none.toml"), 78, ("none.toml", "no such file")),
    "a line of the symbols file": Case(
        {"s.txt": "RELIANCE\nBAD SYMBOL\n"}, ("--symbols", "@{}/s.txt"), 78, ("s.txt:2", "BAD SYMBOL")
    ),
    "a symbols file that is not there": Case({}, ("--symbols", "@{}/none.txt"), 78, ("none.txt",)),
    "a tick file": Case(
        {"RELIANCE.csv": TICKS}, ("--symbols", "RELIANCE", "--prices", "{}/RELIANCE.csv"), 65, ("RELIANCE.csv:2", "abc")
    ),
    "a symbol without recorded ticks": Case(
        {"TCS.csv": TICKS.replace("abc", "3200")},
        ("--symbols", "NOSUCH", "--prices", "{}"),
        65,
        ("NOSUCH", "TCS"),
    ),
    "a strategy file that does not compile": Case(
        {"mine.py": "x = 1\ndef broken(:\n"}, ("--strategy", "{}/mine.py:Mine"), 65, ("mine.py:2", "invalid syntax")
    ),
    "a strategy file without the class": Case(
        {"mine.py": "x = 1\n"}, ("--strategy", "{}/mine.py:Mine"), 65, ("mine.py", "Mine")
    ),
    "an unknown strategy": Case({}, ("--strategy", "ema_cros"), 65, ("ema_cros", "did you mean ema_cross?")),
    "a state directory that is a file": Case({"f": ""}, ("--state-dir", "{}/f/state"), 73, ("f/state",)),
    "a state directory that nobody may make": Case({}, ("--state-dir", "/proc/tradebot"), 73, ("/proc/tradebot",)),
    "an exchange file that is none": Case({"e": "[1]"}, ("--exchange", "{}/e"), 65, ("tradebot exchange",)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_input_gets_one_sentence_and_its_exit_code(start: Any, tmp_path: Path, case: Case) -> None:
    for name, content in case.files.items():
        (tmp_path / name).write_text(content)
    said = start(*(a.replace("{}", str(tmp_path)) for a in case.arguments)).wait(30)
    assert said.code == case.code, said.errors
    for word in case.words:
        assert word in said.errors
    assert "Traceback" not in said.errors
    assert not said.all("trading_started")
    blocks = [line for line in said.errors.splitlines() if line and not line.startswith(" ")]
    assert len(blocks) <= 2, f"more than one sentence: {said.errors}"


def test_a_port_in_use_is_named(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = start("--port", str(port), verb="exchange").wait(30)
    assert said.code == 69
    assert str(port) in said.errors
    assert "in use" in said.errors


def test_a_symbol_the_venue_does_not_list_is_named(start: Any, tmp_path: Path) -> None:
    exchange = start("--symbols", "RELIANCE,TCS", verb="exchange")
    (tmp_path / "ready.json").write_text(exchange.process.stdout.readline())
    said = start("--symbols", "RELIANCE,NOSUCH", "--exchange", str(tmp_path / "ready.json")).wait(30)
    assert said.code == 65
    assert "NOSUCH" in said.errors
    assert "Traceback" not in said.errors
