"""The heads beside a journal: one that goes on is taken, one that was cut, rewritten or exchanged is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.journal.ledger_by_hand import START, intent, write
from tradebot.errors import StateError
from tradebot.journal import journal_heads
from tradebot.journal.reader import verify_chain


async def ended(state_dir: Path, *names: str) -> Path:
    path = await write(state_dir, *(("order", intent(name, at=START + n)) for n, name in enumerate(names)))
    assert journal_heads.append_head(path) == (verify_chain(path).rows, verify_chain(path).head.hex())
    return path


async def test_a_journal_that_went_on_is_taken_and_so_is_the_first(tmp_path: Path) -> None:
    assert not journal_heads.head_mismatch_reason(tmp_path / "journal.sqlite3")
    await ended(tmp_path, "TB1", "TB2")
    path = await ended(tmp_path, "TB3")
    await write(tmp_path, ("order", intent("TB4")))  # a run that was killed

    assert not journal_heads.head_mismatch_reason(path)
    journal_heads._beside(path).unlink()
    assert not journal_heads.head_mismatch_reason(path)


async def test_a_journal_whose_last_rows_were_cut_off_is_known(tmp_path: Path) -> None:
    await ended(tmp_path, "TB1", "TB2")
    path = await ended(tmp_path, "TB3")
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM rows WHERE seq > 2")

    assert verify_chain(path).is_intact
    doubt = journal_heads.head_mismatch_reason(path)
    assert "row 3 is not the one that a run left" in doubt
    assert "rows behind row 2 were cut off or changed" in doubt
    assert journal_heads.append_head(path)[0] == 2  # once the halt that says so is on disk
    assert not journal_heads.head_mismatch_reason(path)


async def test_a_journal_that_was_written_again_with_a_sound_chain_is_known(tmp_path: Path) -> None:
    path = await ended(tmp_path, "TB1", "TB2", "TB3")
    path.unlink()
    assert "there is no journal, though a run left row 3 of it" in journal_heads.head_mismatch_reason(path)
    await write(tmp_path, ("order", intent("TB1")), ("order", intent("TB9")), ("order", intent("TB3")))

    assert verify_chain(path).is_intact
    assert "rows behind row 0 were cut off or changed, or this is an older copy" in journal_heads.head_mismatch_reason(
        path
    )


async def test_heads_that_cannot_be_read_are_a_doubt_and_a_journal_that_cannot_is_refused(tmp_path: Path) -> None:
    path = await ended(tmp_path, "TB1")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rows SET hash = 'words'")
    assert "row 1 is not the one" in journal_heads.head_mismatch_reason(path)
    path.write_bytes(b"no journal" * 1_000)
    with pytest.raises(StateError, match="is not a journal"):
        journal_heads.head_mismatch_reason(path)
    journal_heads._beside(path).unlink()
    journal_heads._beside(path).symlink_to(path)
    assert "cannot be read" in journal_heads.head_mismatch_reason(path)


async def test_the_heads_are_bounded_private_and_follow_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_heads, "MAX_HEADS", 2)
    for name in ("TB1", "TB2", "TB3"):
        path = await ended(tmp_path, name)
    file = journal_heads._beside(path)
    assert [line.split()[0] for line in file.read_text().splitlines()] == ["2", "3"]
    assert file.stat().st_mode & 0o777 == 0o600

    (tmp_path / "other").write_text(file.read_text())
    file.unlink()
    file.symlink_to(tmp_path / "other")
    with pytest.raises(StateError, match="its head cannot be kept"):
        journal_heads.append_head(path)


async def test_a_run_replaces_its_own_heads_and_leaves_those_before(tmp_path: Path) -> None:
    path = await ended(tmp_path, "TB1", "TB2")
    for name in ("TB3", "TB4"):
        await write(tmp_path, ("order", intent(name)))
        journal_heads.append_head(path, keep_through_row=2)
    assert [line.split()[0] for line in journal_heads._beside(path).read_text().splitlines()] == ["2", "4"]
    assert not journal_heads.head_mismatch_reason(path)
