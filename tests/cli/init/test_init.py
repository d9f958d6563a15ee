"""The verb `init`: what it writes is good at once, and what is there stays."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.cli.init import init as verb
from tradebot.cli.init.texts import NEXT_COMMANDS, starter_files

REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = list(starter_files())


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRADEBOT_")}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.timeout(120)
def test_what_it_writes_passes_its_own_test_and_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a place" / "bot"
    assert run_command_line(["init", str(folder)]) == 0
    said = capsys.readouterr().out
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(NAMES)
    shown = re.split(r"next:\n", said)[1].splitlines()
    assert [line.strip() for line in shown] == [f"cd '{folder}' && {NEXT_COMMANDS[0]}", *NEXT_COMMANDS[1:]]

    checked = typed(folder, "-m", "tradebot", "config", "check")
    assert checked.returncode == 0, checked.stderr
    tested = typed(folder, *NEXT_COMMANDS[0].split()[1:])
    assert tested.returncode == 0, tested.stderr
    assert "Ran 3 tests" in tested.stderr
    backtested = typed(folder, "-m", *NEXT_COMMANDS[1].split())
    assert backtested.returncode == 0, backtested.stderr
    ran = typed(folder, "-m", *NEXT_COMMANDS[2].replace("1m", "5s").split(), "--log-format", "json")
    assert ran.returncode == 0, ran.stderr
    assert "run_summarized" in ran.stdout
    healthy = typed(folder, "-m", "tradebot", "doctor", "--unit", "none")
    assert healthy.returncode == 0, healthy.stdout


def test_git_leaves_state_and_keys_out(tmp_path: Path) -> None:
    assert run_command_line(["init", str(tmp_path / "bot")]) == 0
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path / "bot", check=True)
    asked = ["state/journal.sqlite3", "state/login-kite.json", "credentials/kite__api_key", ".env"]
    told = subprocess.run(
        ["git", "check-ignore", *asked, *NAMES], cwd=tmp_path / "bot", capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == asked


def test_the_strategy_and_its_test_can_fail(tmp_path: Path) -> None:
    assert run_command_line(["init", str(tmp_path / "bot")]) == 0
    strategy = tmp_path / "bot/strategies/my_strategy.py"
    strategy.write_text(strategy.read_text().replace("enter_long=crossed_above", "enter_long=crossed_below"))
    assert typed(tmp_path / "bot", *NEXT_COMMANDS[0].split()[1:]).returncode == 1


def test_a_folder_with_files_is_refused_with_what_would_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("mine")
    assert run_command_line(["init", str(tmp_path)]) == 73
    said = capsys.readouterr().err
    assert "--add would write tradebot.schema.json, strategies/my_strategy.py" in said
    assert "(config.toml would stay as they are)" in said
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]

    assert run_command_line(["init", str(tmp_path), "--add"]) == 0
    assert f"{tmp_path}/config.toml kept as it is" in capsys.readouterr().out
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert all((tmp_path / name).is_file() for name in NAMES)


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    folder.mkdir()
    (folder / "config.toml").symlink_to(tmp_path / "elsewhere")
    assert run_command_line(["init", str(folder), "--add"]) == 0
    assert not (tmp_path / "elsewhere").exists()


def test_the_files_can_be_trusted_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run_command_line(["init", str(tmp_path / "bot")]) == 0
    finally:
        os.umask(before)
    assert {(tmp_path / "bot" / name).stat().st_mode & 0o022 for name in NAMES} == {0}
    assert not (tmp_path / "bot/strategies").stat().st_mode & 0o022


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_a_folder_is_one_sentence(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert run_command_line(["init", str(tmp_path / place)]) == 73
    assert "cannot be written" in capsys.readouterr().err


def test_half_a_file_of_a_full_disk_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def __init__(self, handle: int, *_: object, **__: object) -> None:
            self.handle = handle

        def __enter__(self) -> FullDisk:
            os.write(self.handle, b"half")
            os.close(self.handle)
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(verb, "open", FullDisk, raising=False)
    assert run_command_line(["init", str(tmp_path / "bot")]) == 73
    assert not [path for path in (tmp_path / "bot").rglob("*") if path.is_file()]
