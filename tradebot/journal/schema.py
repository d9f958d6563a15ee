"""The journal's SQLite file: its tables, its version, and how the one writer and the readers open it."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from tradebot.errors import StateError

FILE_NAME = "journal.sqlite3"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
WAL_BYTES = 8 << 20  # twice what is written between two checkpoints
# The body is the last column: it overflows into further pages, which a check of the chain need not read.
SCHEMA_SQL = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    seq  INTEGER PRIMARY KEY,
    run  TEXT NOT NULL,
    at   INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    kind TEXT NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
);
INSERT OR IGNORE INTO meta VALUES ('schema_version', '1');
COMMIT;
"""


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the journal for writing; create it with mode 0600 if needed. Raises StateError, sqlite3.Error, OSError.

    A commit returns when it is on disk (WAL, synchronous=FULL). The caller runs the checkpoints.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        _sync_folder(path.parent)
    connection = _connect(path, path.as_posix(), uri=False)
    try:
        if _found_version(connection, path) is None:
            connection.executescript(SCHEMA_SQL)
            _found_version(connection, path)
        _set_durable(connection, path)
        # During a long read transaction the log cannot restart and grows; at its restart it is cut back to this size.
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        connection.execute("PRAGMA secure_delete=OFF")  # the free pages are the reserve; to erase them costs time
    except BaseException:
        connection.close()
        raise
    return connection


def preallocate_wal(path: Path) -> None:
    """Append zeros to the write-ahead log up to WAL_BYTES, on a full disk as far as possible. Raises OSError.

    A sync of an overwritten part of a file takes half as long as one of a part that makes the file longer. The zeros do
    no harm: SQLite reads the log up to the first page with a wrong checksum, and after a complete checkpoint it writes
    from the front again.
    """
    with path.with_name(path.name + "-wal").open("ab", buffering=0) as log:
        missing = WAL_BYTES - log.tell()
        try:
            while missing > 0:
                missing -= log.write(bytes(min(missing, 1 << 20)))
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:
                raise
        os.fsync(log.fileno())


def connect_checkpointer(path: Path) -> sqlite3.Connection:
    """Open a second connection of the writing process, for checkpoints only."""
    connection = _connect(path, path.as_posix(), uri=False)
    _set_durable(connection, path)
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a journal for reading, also while a daemon writes it. Raises StateError without a readable journal."""
    if not path.is_file():
        raise StateError(f"{path}: there is no journal; the first run writes it")
    address = f"file:{quote(bytes(path.resolve()))}?mode=ro"
    try:
        connection = _connect(path, address, uri=True)
        try:
            found = _found_version(connection, path)
        except sqlite3.OperationalError:
            # A copy in a read-only folder: the WAL's index cannot be created, so the file is read as immutable.
            connection.close()
            if path.with_name(path.name + "-wal").exists():
                raise
            connection = _connect(path, address + "&immutable=1", uri=True)
            found = _found_version(connection, path)
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be read: {error}") from error
    if found is None:
        connection.close()
        raise StateError(f"{path}: this file is not a journal")
    return connection


def _connect(path: Path, address: str, *, uri: bool) -> sqlite3.Connection:
    try:
        return sqlite3.connect(address, uri=uri, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be opened: {error}") from error


def _set_durable(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StateError(f"{path}: its file system cannot hold a write-ahead log (journal mode {mode}); move state_dir")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")


def _found_version(connection: sqlite3.Connection, path: Path) -> int | None:
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        row = None
        if tables >= {"meta", "rows"}:
            row = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: this file is not a journal: {error}") from error
    if row is None or not str(row[0]).isdecimal():
        raise StateError(f"{path}: this file is not a journal")
    version = int(row[0])
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path}: written by a newer version (schema {version}, this one knows up to {SCHEMA_VERSION});"
            " update tradebot"
        )
    return version


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
