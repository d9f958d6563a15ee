"""Backups: taken while a daemon writes, whole or not at all; restored as they were taken, or refused."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.journal.ledger_by_hand import START, intent, run, tamper, write
from tests.journal.recorded_days import kept, unpacked
from tradebot.clock import ManualClock
from tradebot.errors import DataError, StateError
from tradebot.journal import backup as backup_file
from tradebot.journal.backup import BackupTerms, take_backup
from tradebot.journal.backup_archive import (
    Manifest,
    hash_file,
    read_manifest,
    restore_backup,
    unpack_archive,
    write_archive,
)
from tradebot.journal.journal_heads import append_head, head_mismatch_reason
from tradebot.journal.reader import read_rows, verify_chain
from tradebot.journal.recovery import recover_state
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal

TERMS = BackupTerms(
    logs=("paper.jsonl",), files=("HALT",), databases=("history.sqlite3",), host="old-box", taken_at=START
)


def nothing(folder: Path, manifest: Manifest) -> None:
    pass


async def a_state(folder: Path) -> Path:
    os.mkdir(folder, 0o700)
    rows = [("run", run("r1")), *(("order", intent(f"TB{i}", at=START + i)) for i in range(1, 30))]
    path = await write(folder, *rows)
    append_head(path)
    (folder / "paper.jsonl").write_text('{"kind":"session"}\n{"kind":"order"}\n{"kind":"fi')
    return path


async def test_a_backup_is_restored_as_it_was_taken(tmp_path: Path) -> None:
    path = await a_state(tmp_path / "old")
    (tmp_path / "old/HALT").write_text("killed\n")
    (tmp_path / "old/login-kite.json").write_text("secret")
    manifest = take_backup(tmp_path / "old", tmp_path / "b", TERMS)

    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert read_manifest(tmp_path / "b") == manifest
    assert (manifest.account, manifest.run_id, manifest.rows, manifest.host) == ("AB1234", "r1", 30, "old-box")
    assert b"secret" not in gzip.decompress((tmp_path / "b").read_bytes())
    assert restore_backup(tmp_path / "b", tmp_path / "deep/new", finish=nothing) == manifest
    new = tmp_path / "deep/new"
    assert sorted(file.name for file in new.iterdir()) == sorted(manifest.files)
    assert {file.stat().st_mode & 0o777 for file in new.iterdir()} == {0o600}
    assert new.stat().st_mode & 0o777 == 0o700
    assert list(read_rows(new / FILE_NAME)) == list(read_rows(path))
    assert (new / "paper.jsonl").read_text() == '{"kind":"session"}\n{"kind":"order"}\n', "a torn line is cut off"
    assert (new / "HALT").read_text() == "killed\n"
    assert head_mismatch_reason(new / FILE_NAME) == ""
    assert sorted(os.listdir(tmp_path)) == ["b", "deep", "old"]


@pytest.mark.parametrize("name", kept())
def test_what_is_recovered_of_a_recorded_day_is_the_same_behind_a_backup(name: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    path = unpacked(name, tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    restore_backup(tmp_path / "b", tmp_path / "new", finish=nothing)
    assert recover_state(tmp_path / "new" / FILE_NAME) == recover_state(path)


async def test_the_restored_journal_is_written_on_and_its_chain_goes_on(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    restore_backup(tmp_path / "b", tmp_path / "new", finish=nothing)
    path = await write(tmp_path / "new", ("run", run("r2")), run_id="r2")
    assert verify_chain(path).rows == 31
    assert head_mismatch_reason(path) == ""


async def test_it_is_taken_while_a_daemon_writes_and_holds_all_that_was_on_disk_before(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    async with Journal(tmp_path / "old", run="r2", clock=ManualClock(START)) as journal:
        over = asyncio.Event()

        async def write_on() -> None:
            number = 0
            while not over.is_set():
                number += 1
                await journal.wait_durable(journal.append("order", intent(f"TC{number}"), at=START))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write_on(), name="writer")
            while journal.row_numbers[1] < 200:
                await asyncio.to_thread(journal.measure_space)
            for number in range(5):
                before = journal.row_numbers[1]
                target = tmp_path / f"b{number}"
                manifest = await asyncio.to_thread(take_backup, tmp_path / "old", target, TERMS)
                assert before <= manifest.rows <= journal.row_numbers[1]
                folder = tmp_path / f"new{number}"
                await asyncio.to_thread(lambda a=target, b=folder: restore_backup(a, b, finish=nothing))
                assert verify_chain(folder / FILE_NAME).rows == manifest.rows
            over.set()
    assert verify_chain(tmp_path / "old" / FILE_NAME).is_intact, "the writer was not disturbed"


async def test_logs_that_grow_are_copied_again_and_said_where_they_never_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_state(tmp_path / "old")
    log, times = tmp_path / "old/paper.jsonl", 1
    copied = backup_file.copy_journal

    def growing(source: Path, target: Path) -> object:
        nonlocal times
        if times:
            times -= 1
            with log.open("a") as file:
                file.write('ll"}\n')
        return copied(source, target)

    monkeypatch.setattr(backup_file, "copy_journal", growing)
    assert take_backup(tmp_path / "old", tmp_path / "b", TERMS).is_settled
    restore_backup(tmp_path / "b", tmp_path / "new", finish=nothing)
    assert (tmp_path / "new/paper.jsonl").read_text() == log.read_text()
    times = 100
    assert not take_backup(tmp_path / "old", tmp_path / "c", TERMS).is_settled


async def test_past_bars_that_cannot_be_copied_are_left_out_with_the_reason(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    (tmp_path / "old/history.sqlite3").write_bytes(b"no database " * 1000)
    manifest = take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    assert "history.sqlite3" not in manifest.files
    assert "not a database" in manifest.left_out["history.sqlite3"]
    (tmp_path / "old/history.sqlite3").unlink()
    with sqlite3.connect(tmp_path / "old/history.sqlite3") as connection:
        connection.execute("CREATE TABLE bars (close INTEGER)")
    connection.close()
    assert "history.sqlite3" in take_backup(tmp_path / "old", tmp_path / "c", TERMS).files


async def test_what_cannot_be_backed_up_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    old, target = tmp_path / "old", tmp_path / "b"
    with pytest.raises(StateError, match="there is no journal"):
        take_backup(old, target, TERMS)
    path = await a_state(old)
    target.write_text("mine")
    with pytest.raises(StateError, match="replaces nothing"):
        take_backup(old, target, TERMS)
    assert target.read_text() == "mine"
    target.unlink()
    with pytest.raises(StateError, match="cannot be written"):
        take_backup(old, tmp_path / "no/folder/b", TERMS)
    (old / "HALT").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot be written"):
        take_backup(old, target, TERMS)
    (old / "HALT").unlink()
    tamper(path, "UPDATE rows SET at = at + 1 WHERE seq = 9")
    with pytest.raises(StateError, match="row 9 is changed"):
        take_backup(old, target, TERMS)
    tamper(path, "DELETE FROM rows")
    with pytest.raises(StateError, match="holds no row"):
        take_backup(old, target, TERMS)
    assert os.listdir(tmp_path) == ["old"]


async def test_a_target_that_comes_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_state(tmp_path / "old")
    copied = backup_file.copy_journal

    def slow(source: Path, target: Path) -> object:
        (tmp_path / "b").write_text("mine")
        return copied(source, target)

    monkeypatch.setattr(backup_file, "copy_journal", slow)
    with pytest.raises(StateError, match="cannot be written"):
        take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    assert (tmp_path / "b").read_text() == "mine"


async def test_a_backup_that_was_cut_off_or_changed_anywhere_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    whole = (tmp_path / "b").read_bytes()
    plain = gzip.decompress(whole)
    end = plain.rindex(next(filter(None, plain.rstrip(b"\0").split(b"\0")[-1:])))  # of the last member's content
    spoiled = [whole[:size] for size in range(0, len(whole) - 100, len(whole) // 40)]  # all but padding
    spoiled += [
        gzip.compress(plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :], 1)
        for at in range(600, end, max(1, end // 60))
        if plain[at]
    ]
    for number, content in enumerate(spoiled):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(DataError):
            pytest.fail(f"{number}: {restore_backup(tmp_path / 'bad', tmp_path / 'new', finish=nothing)}")
        assert sorted(os.listdir(tmp_path)) == ["b", "bad", "old"], number
    assert len(spoiled) > 60


def forged(folder: Path, change: Callable[[tarfile.TarFile, Manifest], None]) -> Path:
    """Write a backup whose members a stranger chose."""
    target = folder / "forged"
    manifest = read_manifest(folder / "b")
    with tarfile.open(target, "w:gz") as archive:
        change(archive, manifest)
    return target


def put(archive: tarfile.TarFile, name: str, content: bytes, **about: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in about.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


async def test_a_forged_backup_writes_nothing_outside_of_its_place(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    bad = hash_file(tmp_path / "old" / FILE_NAME)

    def with_manifest(archive: tarfile.TarFile, manifest: Manifest, **files: object) -> None:
        changed = msgspec.structs.replace(manifest, files={**manifest.files, **files}).sealed()
        put(archive, "manifest.json", msgspec.json.encode(changed))

    def outside(archive: tarfile.TarFile, manifest: Manifest) -> None:
        with_manifest(archive, manifest, **{"../evil": bad})

    def a_login(archive: tarfile.TarFile, manifest: Manifest) -> None:
        with_manifest(archive, manifest, **{"login-kite.json": bad})

    def a_link(archive: tarfile.TarFile, manifest: Manifest) -> None:
        put(archive, "manifest.json", msgspec.json.encode(manifest))
        put(archive, FILE_NAME, b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")

    def an_unnamed_one(archive: tarfile.TarFile, manifest: Manifest) -> None:
        put(archive, "manifest.json", msgspec.json.encode(manifest))
        put(archive, "evil", b"x")

    def newer(archive: tarfile.TarFile, manifest: Manifest) -> None:
        put(archive, "manifest.json", msgspec.json.encode(msgspec.structs.replace(manifest, format=2).sealed()))

    def not_json(archive: tarfile.TarFile, _: Manifest) -> None:
        put(archive, "manifest.json", b"{" * 5000)

    def without_manifest(archive: tarfile.TarFile, _: Manifest) -> None:
        put(archive, "readme", b"x")

    def without_journal(archive: tarfile.TarFile, manifest: Manifest) -> None:
        put(archive, "manifest.json", msgspec.json.encode(msgspec.structs.replace(manifest, files={}).sealed()))

    def without_members(archive: tarfile.TarFile, manifest: Manifest) -> None:
        put(archive, "manifest.json", msgspec.json.encode(manifest))

    for change in (
        outside, a_login, a_link, an_unnamed_one, newer, not_json, without_manifest, without_journal, without_members
    ):  # fmt: skip
        with pytest.raises(DataError):
            restore_backup(forged(tmp_path, change), tmp_path / "new", finish=nothing)
        assert sorted(os.listdir(tmp_path)) == ["b", "forged", "old"], change.__name__


async def test_another_journal_under_a_true_hash_is_refused(tmp_path: Path) -> None:
    path = await a_state(tmp_path / "old")
    manifest = take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    folder = tmp_path / "forging"
    folder.mkdir()
    unpack_archive(tmp_path / "b", folder)
    tamper(folder / FILE_NAME, "DELETE FROM rows WHERE seq = 30")
    files = {**manifest.files, FILE_NAME: hash_file(folder / FILE_NAME)}
    write_archive(tmp_path / "shorter", folder, msgspec.structs.replace(manifest, files=files).sealed())
    with pytest.raises(DataError, match="does not end where its manifest says"):
        restore_backup(tmp_path / "shorter", tmp_path / "new", finish=nothing)
    assert verify_chain(path).rows == 30


async def test_a_place_that_is_in_use_is_refused(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)
    before = hash_file(tmp_path / "old" / FILE_NAME)
    (tmp_path / "link").symlink_to(tmp_path / "old")
    (tmp_path / "file").write_text("x")
    for place in ("old", "link", "file"):
        with pytest.raises(StateError, match="is not empty"):
            restore_backup(tmp_path / "b", tmp_path / place, finish=nothing)
    assert hash_file(tmp_path / "old" / FILE_NAME) == before
    (tmp_path / "empty").mkdir()
    restore_backup(tmp_path / "b", tmp_path / "empty", finish=nothing)
    (tmp_path / ".new.restoring").mkdir()
    with pytest.raises(StateError, match="another restore"):
        restore_backup(tmp_path / "b", tmp_path / "new", finish=nothing)
    with pytest.raises(DataError, match="no such file"):
        restore_backup(tmp_path / "gone", tmp_path / "other", finish=nothing)


async def test_a_restore_whose_last_step_fails_leaves_nothing(tmp_path: Path) -> None:
    await a_state(tmp_path / "old")
    take_backup(tmp_path / "old", tmp_path / "b", TERMS)

    def full(folder: Path, _: Manifest) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(StateError, match="No space left"):
        restore_backup(tmp_path / "b", tmp_path / "new", finish=full)
    assert sorted(os.listdir(tmp_path)) == ["b", "old"]
