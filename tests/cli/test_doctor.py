"""The verb `doctor`: colours, remedies and an exit code, also with settings that `run` refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tradebot.__main__ import run_command_line

LIVE = "[app]\nmode = 'live'\n[venue]\nname = 'kite'\n[kite]\naccount_id = 'AB1234'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in; the user's own configuration is not read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


def examined(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    capsys.readouterr()
    code = run_command_line(["doctor", "--json", "--unit", "no.service", *options])
    found = json.loads(capsys.readouterr().out)
    assert all(one["remedy"] for one in found if one["colour"] != "green")
    return code, {one["check"]: one for one in found}


def test_a_first_run_needs_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys)
    assert code == 0, found
    assert {"python", "packages", "disk", "open files", "settings", "calendar", "file modes", "workers", "daemon",
            "journal", "database", "unit", "broker", "clock"} == found.keys()  # fmt: skip
    assert not list(folder.iterdir()), "it only looks"


def test_it_is_read_by_people_with_its_remedies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "state").mkdir(mode=0o777)
    (folder / "state").chmod(0o777)
    assert run_command_line(["doctor", "--unit", "no.service"]) == 1
    said = capsys.readouterr().out.splitlines()
    (line,) = [n for n, text in enumerate(said) if text.startswith("red ")]
    assert "file modes" in said[line]
    assert said[line + 1].split() == ["do:", "chmod", "700", "state"]


def test_settings_that_are_refused_hide_nothing_of_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.toml").write_text("[app]\nstate_dir = 'kept'\nsymbols = 'TCS'\n[risk]\nmax_crash = 1\nno = 2\n")
    (folder / "kept").mkdir()
    (folder / "kept/journal.sqlite3").write_bytes(b"no journal " * 1000)
    code, found = examined(capsys)
    assert code == 1
    assert found["settings"]["colour"] == found["journal"]["colour"] == "red"
    assert "config.toml:5" in found["settings"]["what"] or "config.toml:6" in found["settings"]["what"]
    assert found["python"]["colour"] == found["disk"]["colour"] == "green"
    assert found["broker"]["colour"] == "yellow"


def test_a_shell_without_the_keys_looks_at_all_but_the_account(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text(LIVE + "rest = 'http://127.0.0.1:9'\nticker = 'ws://127.0.0.1:9'\n")
    code, found = examined(capsys)
    assert (code, found["broker"]["colour"]) == (1, "red")
    assert found["login"]["colour"] == "yellow"
    assert "CREDENTIALS_DIRECTORY" in found["login"]["remedy"]
    assert found["settings"]["colour"] == "green", found["settings"]


def test_offline_no_broker_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.toml").write_text(LIVE)
    code, found = examined(capsys, "--offline")
    assert (code, found["broker"]["colour"], found["login"]["colour"]) == (0, "yellow", "yellow")


def test_a_file_that_is_not_there_is_a_finding(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys, "--config", "gone.toml")
    assert (code, found["settings"]["colour"]) == (1, "red")


def test_a_strategy_that_prints_leaves_the_json_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loud.py").write_text(
        "print('loud')\nfrom tradebot.strategies.ema_cross import EmaCross\nclass Loud(EmaCross):\n    pass\n"
    )
    (folder / "config.toml").write_text("[[strategy]]\nname = 'loud.py:Loud'\n")
    assert examined(capsys)[0] == 0
