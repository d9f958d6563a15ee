"""The verbs `paper reset` and `paper compare`: what they refuse, and what they leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.journal.lock import StateLock
from tradebot.journal.schema import FILE_NAME
from tradebot.paper.settings import PAPER_LOG, SHADOW_LOG

SESSION = '{"kind":"session","account":"PAPER-AB1234"}\n'


def reset(folder: Path, *options: str) -> int:
    return run_command_line(["paper", "reset", "--state-dir", str(folder), *options])


def test_a_reset_moves_the_log_aside_and_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / PAPER_LOG).write_text(SESSION)
    assert reset(tmp_path, "--yes") == 0
    aside = tmp_path / "paper.PAPER-AB1234.jsonl"
    assert aside.read_text() == SESSION
    assert not (tmp_path / PAPER_LOG).exists()
    assert f"PAPER-AB1234 has ended and its log is {aside}" in capsys.readouterr().out


def test_a_reset_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PAPER_LOG).write_text(SESSION)
    asked: list[str] = []

    def refuse(question: str) -> None:
        asked.append(question)
        raise KeyboardInterrupt

    monkeypatch.setattr("tradebot.cli.paper.paper.confirm_or_abort", refuse)
    assert reset(tmp_path) == 130
    assert asked == [f"End the paper account PAPER-AB1234 in {tmp_path}? Its positions are given up."]
    assert (tmp_path / PAPER_LOG).exists()


def test_a_reset_is_refused_while_a_daemon_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / PAPER_LOG).write_text(SESSION)
    lock = StateLock(tmp_path)
    lock.acquire_lock()
    try:
        assert reset(tmp_path, "--yes") != 0
    finally:
        lock.release_lock()
    assert "in use by another tradebot" in capsys.readouterr().err
    assert (tmp_path / PAPER_LOG).exists()
    assert reset(tmp_path, "--yes") == 0  # the lock of a verb ends with it


@pytest.mark.parametrize("name", ["", "none"])
def test_without_a_paper_account_there_is_nothing_to_reset(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reset(tmp_path / name, "--yes") != 0
    text = capsys.readouterr().err
    assert "there is no paper account here" in text
    assert text.count("\n") == 1


def test_a_comparison_needs_a_journal_and_a_shadow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, says in (("", "there is no journal"), (FILE_NAME, "there is no shadow: set paper.shadow")):
        if name:
            (tmp_path / name).touch()
        assert run_command_line(["paper", "compare", "--state-dir", str(tmp_path)]) != 0
        assert says in capsys.readouterr().err
    (tmp_path / SHADOW_LOG).write_text("no json\n")
    assert run_command_line(["paper", "compare", "--state-dir", str(tmp_path)]) != 0
    assert "shadow.jsonl:1: " in capsys.readouterr().err
