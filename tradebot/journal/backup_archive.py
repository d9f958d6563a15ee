"""The archive of a backup: one tar file, compressed, whose first member says what else is in it, with hashes.

manifest.json            format, host, time, last run, rows and head of the journal, name -> size and hash
journal.sqlite3          and the other files that the manifest names, none in a folder
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.errors import DataError, StateError
from tradebot.journal.reader import verify_chain
from tradebot.journal.schema import FILE_NAME

MANIFEST_NAME = "manifest.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 1 << 20
PIECE_BYTES = 1 << 20
COMPRESSION = 1  # of 9: the columns of a journal are text, of which the fastest takes most
# A name that cannot lead out of the folder, and none that a daemon makes itself: its lock, its socket, its login.
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
NEVER = re.compile(r"lock|control\.sock|login-.*|manifest\.json")


class HashedFile(Message, frozen=True):
    """The size in bytes of a file in a backup, and its BLAKE2b-256 hash in hexadecimal digits."""

    size: int
    hash: str


class Manifest(Message, frozen=True):
    """What a backup holds. `rows` and `head` are of its journal, account, mode and run those of its last run.

    `is_settled` is False where logs grew at each try, so that journal and simulated account may differ by the orders
    of that moment. `left_out` names what could not be copied, with the reason. `seal` is the hash of all else in it.
    """

    taken_at: int
    host: str
    account: str
    mode: str
    run_id: str
    rows: int
    head: str
    files: Mapping[str, HashedFile]
    is_settled: bool = True
    left_out: Mapping[str, str] = {}
    format: int = FORMAT
    seal: str = ""

    def sealed(self) -> Manifest:
        """Return the manifest with its seal."""
        plain = msgspec.structs.replace(self, seal="")
        seal = hashlib.blake2b(msgspec.json.encode(plain, order="deterministic"), digest_size=32).hexdigest()
        return msgspec.structs.replace(self, seal=seal)


def hash_file(path: Path) -> HashedFile:
    """Return size and hash of a file. Raises OSError."""
    digest, size = hashlib.blake2b(digest_size=32), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return HashedFile(size=size, hash=digest.hexdigest())


def write_archive(target: Path, folder: Path, manifest: Manifest) -> None:
    """Write the files of `folder` that the manifest names into `target` and sync it to disk. Raises OSError."""
    handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION, format=tarfile.USTAR_FORMAT) as archive:
            text = msgspec.json.format(msgspec.json.encode(manifest))
            archive.addfile(_member(MANIFEST_NAME, len(text), manifest), io.BytesIO(text))
            for name, about in manifest.files.items():
                with (folder / name).open("rb") as source:
                    archive.addfile(_member(name, about.size, manifest), source)
        file.flush()
        os.fsync(file.fileno())


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a backup. Raises DataError for a file that is none."""
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            return _first_member(path, archive)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _broken(path, error) from error


def unpack_archive(path: Path, folder: Path) -> Manifest:
    """Write the files of a backup into `folder`, check each hash, then the journal's whole chain; return the manifest.

    Raises DataError for a file that is no backup, lacks or adds something, or was changed; StateError where `folder`
    cannot be written.
    """
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            manifest = _first_member(path, archive)
            found = set()
            while (member := archive.next()) is not None:
                about = manifest.files.get(member.name)
                if about is None or member.name in found or not member.isreg() or member.size != about.size:
                    raise DataError(f"{path}: {member.name[:80]!r} in it is not what its manifest says")
                source = archive.extractfile(member)
                assert source is not None, "a regular file has content"
                if _unpack(source, folder / member.name, about.size) != about.hash:
                    raise DataError(f"{path}: {member.name} in it was changed: its hash is not that of the manifest")
                found.add(member.name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _broken(path, error) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.exists():
            raise DataError(f"{path}: there is no such file") from error
        raise StateError(f"{path} cannot be unpacked into {folder}: {error}") from error
    if missing := sorted(manifest.files.keys() - found):
        raise DataError(f"{path}: lacks {', '.join(missing)}")
    report = verify_chain(folder / FILE_NAME)
    if not report.is_intact or (report.rows, report.head.hex()) != (manifest.rows, manifest.head):
        raise DataError(f"{path}: the chain of its journal does not end where its manifest says")
    return manifest


def restore_backup(path: Path, state_dir: Path, *, finish: Callable[[Path, Manifest], None]) -> Manifest:
    """Make the state directory of a backup and return its manifest; `state_dir` must be missing or empty.

    It appears whole or not at all. `finish` gets the folder before it takes its place. Raises what `unpack_archive`
    does, and StateError.
    """
    state_dir = state_dir.absolute()
    if state_dir.is_symlink() or (state_dir.exists() and (not state_dir.is_dir() or any(state_dir.iterdir()))):
        raise StateError(f"{state_dir}: a backup is restored into a new place; this one is not empty")
    fresh = state_dir.with_name(f".{state_dir.name}.restoring")
    try:
        state_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
    except FileExistsError as error:
        raise StateError(f"{fresh} is there: another restore is under way, or was cut off; remove it") from error
    except OSError as error:
        raise StateError(f"{fresh}: cannot be made: {error.strerror or error}") from error
    try:
        manifest = unpack_archive(path, fresh)
        finish(fresh, manifest)
        for file in fresh.iterdir():
            _sync(file)
        _sync(fresh)
        os.rename(fresh, state_dir)  # an empty directory is replaced, any other refused
        _sync(state_dir.parent)
    except OSError as error:
        raise StateError(f"{state_dir}: cannot be restored: {error}") from error
    finally:
        _remove(fresh)
    return manifest


def _first_member(path: Path, archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST_NAME or not member.isreg() or member.size > MAX_MANIFEST_BYTES:
        raise DataError(f"{path}: is not a backup of tradebot")
    source = archive.extractfile(member)
    assert source is not None, "a regular file has content"
    try:
        manifest = msgspec.json.decode(source.read(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: its manifest cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise DataError(f"{path}: written by a newer version (format {manifest.format}); update tradebot")
    if manifest.sealed() != manifest:
        raise DataError(f"{path}: its manifest was changed: its hash is another")
    bad = [name for name in manifest.files if not PLAIN_NAME.fullmatch(name) or NEVER.fullmatch(name)]
    if bad or FILE_NAME not in manifest.files:
        raise DataError(f"{path}: its manifest names {bad[0][:80]!r}" if bad else f"{path}: holds no journal")
    return manifest


def _member(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, manifest.taken_at // SECOND
    return member


def _unpack(source: IO[bytes], target: Path, size: int) -> str:
    digest, left = hashlib.blake2b(digest_size=32), size
    handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        while left and (piece := source.read(min(left, PIECE_BYTES))):
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    return digest.hexdigest()


def _broken(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: there is no such file")
    return DataError(f"{path}: is not a whole backup of tradebot: {' '.join(str(error).split())}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()
