"""Names and values that move a terminal's cursor, given to every verb that may tell them: all of it is harmless."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tradebot.__main__ import VERBS, run_command_line
from tradebot.config import Config, document
from tradebot.config.sources import load_config
from tradebot.printable import make_printable

EVIL = "a\x1b[2J\x07\u202e\x9bb[b]\nforged: c"
BYTES = os.fsdecode(b"d\xff\x1b[1me")
BARS = "date,open,high,low,close,volume\n2026-11-20 09:15:00+05:30,1,1,1,1,1\n2026-11-20 09:16:00+05:30,1,1,1,1,1\n"
ODD_HEADS = BARS.replace("volume", "volume,x\x1b[31m\u202ey").replace(",1\n", ",1,1\n")
ODD_CELLS = BARS.replace("date,", "symbol,date,").replace("2026-", '"T\x1b]0;z\x07CS",2026-')
IN_TOML = EVIL.replace("\x1b", "\\u001b").replace("\x07", "\\u0007").replace("\n", "\\n")
CONFIG = f"""
[app]
mode = "{IN_TOML}"
state_dir = "{IN_TOML}"
"a{IN_TOML}" = 1
[risk]
cash = "{IN_TOML}"
[[strategy]]
name = "{IN_TOML}"
"""
# Calls, by verb: `{e}` is an evil word, `{f}` a file of an evil name, `{d}` the folder of an evil name around it.
CALLS = """
{e} | --{e} | run --{e} | completion {e} | bench {e} | db {e}
data import {d}/none.csv | data import {f} | data import {d} | data import {d}/heads.csv | data check {f}
data import {f} --symbol {e} | data import {f} --tz {e} | data import {f} --time-format {e} --interval 1m
data import {f} --columns {e} | data import {f} --exchange {e} | data import {f} --interval {e}
data export {e} | data export TCS --from {e} | data remove {e} --interval 1m -y | data list -c {f}
data import-journal {f} | data accept {e} 2026-11-20 | data check {e} --interval 1m
backtest --strategy {e} --symbols TCS | backtest --symbols {e} | backtest --data {f} --strategy ema_cross
backtest --data {d}/good.csv --symbols TCS --strategy {f}:Trader | backtest --data {f} --from {e}
sweep --strategy {e} --symbols TCS | sweep --data {d}/good.csv --strategy ema_cross -p {e}
run --symbols {e} | run --symbols @{f} | run --exchange {f} | run --strategy {f}:X | run -c {f} | run --faults {e}
run --mode {e} | run --for {e} | run --state-dir {f} --for 1s
config check -c {f} | config show -c {f} | config path -c {f} | config check -c {d}/none | config path -c {d}/bad.toml
config check -c {d}/bad.toml | config check -c {d}/cut.toml | status -c {d}/bad.toml
verify {f} | verify {d} | verify --head {e} {f} | verify {d}/journal.sqlite3 | verify {f} --against {f}
events {e} | why {e} | orders --state-dir {d} | bars {e} --state-dir {d} | trades -c {f} | positions --state-dir {f}
replay {e} --state-dir {d} | replay --state-dir {f} | db status --state-dir {f} | db status -c {f}
exchange --symbols {e} | exchange --prices {e} | exchange --log {f}/x | exchange --faults {e}
simulate {e} | simulate 1 --faults {e} | simulate 1 --keep {d}
login {e} | login kite {e} --state-dir {d} | login kite --request-token {e} --state-dir {f}
status --state-dir {d} | halt {e} --state-dir {d} | resume {e} --state-dir {d} --scope {e}
cancel {e} -y --state-dir {d} | pause {e} --state-dir {d} | unpause {e} {e} --state-dir {f} | api token --state-dir {d}
pnl --state-dir {d} | signals --limit {e} | risk -c {f} | session --state-dir {f} | symbols --state-dir {d} | api {e}
strategies -c {d}/bad.toml | positions --running --state-dir {d} | events --follow --since {e} --state-dir {d}
flatten -y --reason {e} --state-dir {d} | kill {e} --state-dir {d} | kill --exchange {f} --state-dir {d}
paper {e} | paper reset -y --state-dir {d} | paper reset -c {f} | paper compare --state-dir {d} | paper compare -c {f}
doctor -c {f} | doctor -c {d}/bad.toml | doctor --state-dir {d} --offline | doctor --unit {f} | doctor -c {d}/none
init {d} | init {f} | init {f}/x | init {d}/new | init {d} --add
backup {f} --state-dir {d} | backup {d}/x/y --state-dir {d} | backup x -c {d}/bad.toml
restore {f} --state-dir {d} | restore {f} --state-dir {d}/y | restore {d} --state-dir {f} | restore {d}/q --state-dir z
reload --state-dir {d} | reload -c {f} | reload -c {d}/bad.toml | notify {e} | notify test -c {f}
notify watch -c {d}/bad.toml --state-dir {f} | notify watch --state-dir {d}
metrics {e} | service print -c {f} | service print --symbols {e} | service install --path {f}/x -c {f}
"""


def calls(verb: str) -> list[str]:
    found = [call.strip() for line in CALLS.splitlines() for call in line.split("|")]
    return [call for call in found if call.split()[:1] == [verb]]


def refused_letters(text: str) -> list[str]:
    return [c for c in text if not c.isprintable() and c not in "\n\t"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    evil = tmp_path / EVIL
    evil.mkdir()
    for name, text in (
        (f"{EVIL}.csv", ODD_CELLS), ("heads.csv", ODD_HEADS), (f"{BYTES}.csv", "x" * 40), ("good.csv", BARS),
        ("bad.toml", CONFIG), ("cut.toml", f'[app]\nmode = "{EVIL}'), ("journal.sqlite3", "no journal " * 1_000),
    ):  # fmt: skip
        (evil / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return evil


@pytest.mark.parametrize("verb", [*VERBS, "{e}", "--{e}"])
def test_what_a_verb_prints_of_evil_names_is_printable(
    verb: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for call in calls(verb):
        for file in (f"{EVIL}.csv", f"{BYTES}.csv") if "{f}" in call else ("",):
            put = (("{f}", str(folder / file)), ("{d}", str(folder)), ("{e}", EVIL))
            words = call.split()
            for name, text in put:
                words = [word.replace(name, text) for word in words]
            if "--state-dir" not in words and verb in ("run", "data", "backtest", "sweep"):
                words += ["--state-dir", "state"]

            code = run_command_line(words)

            said = capfd.readouterr()
            assert code in (0, 1, 2, 65, 69, 70, 73, 75, 78), (words, said)
            assert not refused_letters(said.out + said.err), (words, said)
            assert not [line for line in (said.out + said.err).splitlines() if line.startswith("forged")], (words, said)


def test_verbs_that_tell_names_of_others_have_calls() -> None:
    assert {verb for verb in VERBS if not calls(verb)} == {"version"}


def test_values_of_the_environment_that_are_no_text_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRADEBOT_APP__SYMBOLS", f"@{BYTES}")
    assert run_command_line(["config", "check"]) == 78
    said = capfd.readouterr().err
    assert "environment TRADEBOT_APP__SYMBOLS: app.symbols" in said
    assert not refused_letters(said)


def test_a_setting_of_any_letters_is_shown_escaped_and_loads_to_the_same(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"strategy": [{"name": "x", "symbols": "TCS", "params": {"a\x9b": "b\u202e\x7f\n"}}]}
    )
    text = document.render_toml(config)
    assert not refused_letters(text)
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "config.toml").strategy[0].params == config.strategy[0].params


def test_letters_keep_their_places() -> None:
    assert make_printable(f"é {EVIL}") == "é a?[2J???b[b] forged: c"
    assert make_printable("a\tb\n", allowed="\n") == "a b\n"
    assert make_printable(Path(BYTES)) == "d??[1me"
