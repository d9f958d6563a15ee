"""The HALT file: whole or not there, found by all who look, and halting even when it cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tradebot.control.halt_file import HaltFile
from tradebot.trading.desk.gate.flow_controls import NotKilled


def test_what_one_process_writes_another_reads_until_it_is_removed(tmp_path: Path) -> None:
    writer, reader = HaltFile(tmp_path), HaltFile(tmp_path)
    assert reader.read_reason() == ""
    writer.write_reason("fat finger")
    assert (reader.read_reason(), reader.reason) == ("fat finger", "fat finger")
    writer.write_reason("and another")
    assert reader.read_reason() == "and another"
    assert [p.name for p in tmp_path.iterdir()] == ["HALT"]
    assert writer.path.stat().st_mode & 0o777 == 0o600
    reader.remove_file()
    assert (reader.read_reason(), writer.read_reason()) == ("", "")
    reader.remove_file()


def test_an_empty_file_made_by_hand_halts(tmp_path: Path) -> None:
    (tmp_path / "HALT").touch()
    assert "HALT" in HaltFile(tmp_path).read_reason()


def test_a_file_that_cannot_be_read_halts(tmp_path: Path) -> None:
    (tmp_path / "HALT").mkdir()
    assert "cannot be read" in HaltFile(tmp_path).read_reason()


def test_a_folder_that_cannot_be_searched_halts(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder was")
    assert "cannot be read" in HaltFile(tmp_path / "state").read_reason()


def test_control_characters_of_a_reason_do_not_travel(tmp_path: Path) -> None:
    (tmp_path / "HALT").write_text("one\ntwo\tthree  " + "x" * 1000)
    found = HaltFile(tmp_path).read_reason()
    assert found.startswith("one two three xxx")
    assert len(found) <= 500


def test_the_file_and_its_folder_are_synced_before_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    HaltFile(tmp_path).write_reason("now")
    assert synced == [f"HALT.{os.getpid()}", tmp_path.name]


def test_the_gate_denies_exits_too_while_the_file_is_there(tmp_path: Path) -> None:
    halt_file = HaltFile(tmp_path)
    control = NotKilled(lambda: halt_file.reason)
    anything: Any = None  # neither order nor view matters
    assert control.check(anything, anything) is None
    HaltFile(tmp_path).write_reason("killed")
    halt_file.read_reason()
    assert control.check(anything, anything) == "killed"
