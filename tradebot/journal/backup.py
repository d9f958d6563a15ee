"""Takes a backup of a state directory while a daemon writes it: the journal as one moment has it, verified, and files.

The copy of the journal is one read transaction: the daemon goes on writing, and its log grows for these seconds. Logs
of a simulated account are copied before the journal, so that the journal knows each order in them; what was appended
meanwhile is looked for, and they are copied again. Where trading never pauses, the manifest says so.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tradebot.errors import StateError
from tradebot.journal.backup_archive import Manifest, hash_file, write_archive
from tradebot.journal.journal_heads import SUFFIX
from tradebot.journal.reader import ChainReport, latest_run, verify_chain
from tradebot.journal.schema import FILE_NAME, connect_reader
from tradebot.torn_line import cut_torn_line

SETTLING_TRIES = 3  # copies of the logs and the journal until no log grew meanwhile
JOURNAL_HEADS = FILE_NAME + SUFFIX


class BackupTerms(NamedTuple):
    """What a backup takes besides the journal: names in the state directory.

    `logs` are files that are appended to line by line, `files` are copied as they are, `databases` by SQLite as far as
    that is possible. `host` and `taken_at` (wall ns) are for the manifest.
    """

    logs: Sequence[str]
    files: Sequence[str]
    databases: Sequence[str]
    host: str
    taken_at: int


def take_backup(state_dir: Path, target: Path, terms: BackupTerms) -> Manifest:
    """Write a backup of `state_dir` to `target`, one file for its owner alone, and return its manifest.

    `target` appears whole or not at all. Raises StateError where it exists, where it cannot be written, and where the
    journal is missing or its copy is not intact.
    """
    if os.path.lexists(target):
        raise StateError(f"{target} exists; a backup replaces nothing, name another file")
    if not (state_dir / FILE_NAME).is_file():
        raise StateError(f"{state_dir / FILE_NAME}: there is no journal; the first run writes it")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.absolute().parent) as place:
            folder = Path(place)
            manifest = _gather(state_dir, folder, terms)
            fresh = folder / "archive"
            write_archive(fresh, folder, manifest)
            # A link refuses a file that came meanwhile; a rename would replace it.
            os.link(fresh, target)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{target}: the backup cannot be written: {error}") from error
    return manifest


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as one moment has it, also while another process writes it. Raises sqlite3.Error."""
    reading = sqlite3.connect(f"file:{quote(bytes(source.resolve()))}?mode=ro", uri=True, timeout=5.0)
    with closing(reading):
        _copy(reading, target)


def copy_journal(source: Path, target: Path) -> ChainReport:
    """Copy a journal as `copy_database` does, and check the whole chain of the copy.

    Raises StateError for a copy that is not intact, or holds no row.
    """
    with closing(connect_reader(source)) as reading:
        _copy(reading, target)
    report = verify_chain(target)
    if not report.is_intact:
        raise StateError(
            f"{source}: row {report.broken_row} is {report.why}, so there is nothing to back up but the {report.rows}"
            " rows before it; `tradebot verify` tells more"
        )
    if not report.rows:
        raise StateError(f"{source}: holds no row yet")
    return report


def _copy(reading: sqlite3.Connection, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(target, isolation_level=None)) as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _gather(state_dir: Path, folder: Path, terms: BackupTerms) -> Manifest:
    # The heads are older than the copy of the journal, so that the copy has every row of theirs.
    _copy_plain(state_dir, folder, [JOURNAL_HEADS])
    report, is_settled = _copy_settled(state_dir, folder, terms.logs)
    _copy_plain(state_dir, folder, terms.files)
    left_out = {name: why for name in terms.databases if (why := _copy_optional(state_dir / name, folder / name))}
    run = latest_run(folder / FILE_NAME)
    return Manifest(
        taken_at=terms.taken_at,
        host=terms.host,
        account=run.account if run else "",
        mode=run.mode if run else "",
        run_id=run.run_id if run else "",
        rows=report.rows,
        head=report.head.hex(),
        is_settled=is_settled,
        left_out=left_out,
        files={path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()},
    ).sealed()


def _copy_settled(state_dir: Path, folder: Path, logs: Sequence[str]) -> tuple[ChainReport, bool]:
    def sizes() -> list[int]:
        return [_size(state_dir / name) for name in logs]

    is_settled = False
    for _ in range(SETTLING_TRIES):
        for name in (FILE_NAME, *logs):
            (folder / name).unlink(missing_ok=True)
        before = sizes()
        _copy_plain(state_dir, folder, logs, only_lines=True)
        report = copy_journal(state_dir / FILE_NAME, folder / FILE_NAME)
        if is_settled := sizes() == before:
            break
    return report, is_settled


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _copy_plain(state_dir: Path, folder: Path, names: Sequence[str], *, only_lines: bool = False) -> None:
    for name in names:
        try:
            # A link in its place would take a file of another place along.
            handle = os.open(state_dir / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with open(handle, "rb") as source, open(folder / name, "xb", opener=_private) as target:
            shutil.copyfileobj(source, target)
        if only_lines:
            cut_torn_line(folder / name)  # the last line may be under way


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy_optional(source: Path, target: Path) -> str:
    # Returns why a database that can be made again is left out, "" where it is copied or does not exist.
    if not source.exists():
        return ""
    try:
        copy_database(source, target)
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        return str(error)
    return ""


def backup_names(state_dir: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    """Return the names in a state directory that are wanted, in their order; none without the directory."""
    return sorted(path.name for path in state_dir.iterdir() if is_wanted(path.name)) if state_dir.is_dir() else []
