"""The heads beside a journal: one that goes on is taken, one that was cut, rewritten or exchanged is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ledger_by_hand import START, intent, write

from tradebot.errors import StateError
from tradebot.journal import heads
from tradebot.journal.reader import verify


async def ended(state_dir: Path, *names: str) -> Path:
    path = await write(state_dir, *(("order", intent(name, at=START + n)) for n, name in enumerate(names)))
    assert heads.keep(path) == (verify(path).rows, verify(path).head.hex())
    return path


async def test_a_journal_that_went_on_is_taken_and_so_is_the_first(tmp_path: Path) -> None:
    heads.compare(tmp_path / "journal.sqlite3")
    await ended(tmp_path, "TB1", "TB2")
    path = await ended(tmp_path, "TB3")
    await write(tmp_path, ("order", intent("TB4")))  # a run that was killed

    heads.compare(path)
    heads._beside(path).unlink()
    heads.compare(path)


async def test_a_journal_whose_last_rows_were_cut_off_is_known(tmp_path: Path) -> None:
    await ended(tmp_path, "TB1", "TB2")
    path = await ended(tmp_path, "TB3")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM rows WHERE seq > 2")

    assert verify(path).is_intact
    with pytest.raises(StateError, match=r"row 3 is not the one .* rows behind row 2 were cut off or changed"):
        heads.compare(path)


async def test_a_journal_that_was_written_again_with_a_sound_chain_is_known(tmp_path: Path) -> None:
    path = await ended(tmp_path, "TB1", "TB2", "TB3")
    path.unlink()
    with pytest.raises(StateError, match="rows behind row 0 were cut off"):
        heads.compare(path)
    await write(tmp_path, ("order", intent("TB1")), ("order", intent("TB9")), ("order", intent("TB3")))

    assert verify(path).is_intact
    with pytest.raises(StateError, match=r"remove .*journal\.sqlite3\.heads if it is right as it stands"):
        heads.compare(path)


async def test_the_heads_are_bounded_private_and_follow_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "KEPT", 2)
    for name in ("TB1", "TB2", "TB3"):
        path = await ended(tmp_path, name)
    file = heads._beside(path)
    assert [line.split()[0] for line in file.read_text().splitlines()] == ["2", "3"]
    assert file.stat().st_mode & 0o777 == 0o600

    (tmp_path / "other").write_text(file.read_text())
    file.unlink()
    file.symlink_to(tmp_path / "other")
    with pytest.raises(StateError, match="its head cannot be kept"):
        heads.keep(path)
