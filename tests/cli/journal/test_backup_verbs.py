"""The verbs `backup` and `restore`: what they take, what they say, and that what is restored sends nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journal.recorded_days import kept, unpacked
from tradebot.__main__ import run_command_line
from tradebot.control.halt_file import HaltFile
from tradebot.journal.lock import StateLock


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory of a recorded day, with the files of a daemon beside its journal."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    unpacked(kept()[0], folder)
    for name in ("paper.jsonl", "shadow.jsonl", "exchange.jsonl", "paper.PAPER-AB1234.jsonl"):
        (folder / name).write_text('{"kind":"session"}\n')
    for name in ("login-kite.json", "lock", "store.sqlite3", "notes.txt", "other.jsonl"):
        (folder / name).write_text("secret of this box")
    return folder


def test_what_a_move_needs_is_taken_and_the_login_is_not(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["backup", str(tmp_path / "b"), "--state-dir", str(state), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["files"]) == [
        "exchange.jsonl", "journal.sqlite3", "paper.PAPER-AB1234.jsonl", "paper.jsonl", "shadow.jsonl"
    ]  # fmt: skip
    assert (told["settled"], told["left_out"]) == (True, {})
    assert run_command_line(["restore", str(tmp_path / "b"), "--state-dir", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    assert "stop the old daemon" in said
    assert "log in" in said
    assert run_command_line(["verify", "--state-dir", str(tmp_path / "new")]) == 0
    capsys.readouterr()
    for verb in ("orders", "positions", "trades"):
        heard = []
        for folder in (state, tmp_path / "new"):
            assert run_command_line([verb, "--json", "--state-dir", str(folder)]) == 0
            heard.append(capsys.readouterr().out)
        assert heard[0] == heard[1]


def test_what_is_restored_is_halted_and_keeps_the_reason_of_a_kill(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, reason in enumerate(("", "killed: wrong limits")):
        if reason:
            HaltFile(state).write_reason(reason)
        target, new = tmp_path / f"b{number}", tmp_path / f"new{number}"
        assert run_command_line(["backup", str(target), "--state-dir", str(state)]) == 0
        assert run_command_line(["restore", str(target), "--state-dir", str(new)]) == 0
        told = HaltFile(new).read_reason()
        assert "tradebot resume" in told
        assert told.endswith(reason or "tradebot resume")


def test_a_running_daemon_and_a_used_place_are_refused(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "b"
    assert run_command_line(["backup", str(target), "--state-dir", str(state)]) == 0
    assert run_command_line(["restore", str(target), "--state-dir", str(state)]) == 73
    assert "is not empty" in capsys.readouterr().err
    (tmp_path / "live").mkdir()
    lock = StateLock(tmp_path / "live")
    lock.acquire_lock()
    try:
        assert run_command_line(["restore", str(target), "--state-dir", str(tmp_path / "live")]) == 73
    finally:
        lock.release_lock()
    assert "a daemon runs there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["backup", "{}/b", "--state-dir", "{}/none"], 73, "there is no journal"),
        (["backup", "{}/state/journal.sqlite3", "--state-dir", "{}/state"], 73, "exists; a backup replaces nothing"),
        (["restore", "{}/gone", "--state-dir", "{}/new"], 65, "there is no such file"),
        (["restore", "{}/state/notes.txt", "--state-dir", "{}/new"], 65, "is not a whole backup"),
        (["restore", "{}/state", "--state-dir", "{}/new"], 73, "cannot be unpacked"),
        (["restore", "{}/state/notes.txt"], 2, "Missing option"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], code: int, sentence: str, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([word.format(tmp_path) for word in words]) == code
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
