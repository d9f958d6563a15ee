"""The token of the HTTP API: made once for its user alone, refused where others can reach it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tradebot.control.api_token import is_token, load_token, token_path
from tradebot.errors import StateError


def test_the_first_start_makes_it_and_every_later_one_reads_it(tmp_path: Path) -> None:
    path = token_path(tmp_path)
    made = load_token(path)
    assert (stat.S_IMODE(path.stat().st_mode), len(made) >= 43) == (0o600, True)
    assert load_token(path) == made
    (tmp_path / "other").mkdir()
    assert load_token(token_path(tmp_path / "other")) != made


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = token_path(tmp_path)
    load_token(path)
    path.chmod(mode)
    with pytest.raises(StateError, match="chmod 600"):
        load_token(path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 50])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = token_path(tmp_path)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StateError, match="the next start makes a new one"):
        load_token(path)


def test_a_link_and_a_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x" * 64)
    os.symlink(victim, token_path(tmp_path))
    with pytest.raises(StateError):
        load_token(token_path(tmp_path))
    (tmp_path / "d").mkdir()
    token_path(tmp_path / "d").mkdir()
    with pytest.raises(StateError):
        load_token(token_path(tmp_path / "d"))
    assert victim.read_text() == "x" * 64


@pytest.mark.timeout(10)
def test_a_pipe_in_its_place_is_refused_and_no_start_waits_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(token_path(tmp_path), 0o600)
    with pytest.raises(StateError, match="if it is no plain file of this user, remove it"):
        load_token(token_path(tmp_path))


def test_only_the_token_itself_is_taken() -> None:
    assert is_token("Bearer abc", "abc")
    assert is_token("bearer abc", "abc")
    assert not any(
        is_token(given, "abc") for given in ("abc", "Bearer", "Bearer ab", "Bearer abcd", "Basic abc", "", "é")
    )
