"""The bearer token of the loopback API: made at the first start, kept in the state directory, readable by its user."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from tradebot.errors import StateError
from tradebot.ops.private_file import open_private

FILE_NAME = "api.token"
TOKEN_BYTES = 32  # 256 random bits
MAX_TOKEN_CHARS = 512


def token_path(state_dir: Path) -> Path:
    """Return where the token of the daemon of `state_dir` stands."""
    return Path(state_dir) / FILE_NAME


def load_token(path: Path) -> str:
    """Return the token in the file, which is made if it is missing. Raises StateError.

    A file that others can read is refused: what they read could halt or flatten.
    """
    try:
        try:
            file = open_private(path)
        except FileNotFoundError:
            return _make(path)
        if file is None:
            raise StateError(
                f"{path} holds the API's token and others can reach it: `chmod 600 {path}`; if it is no plain file of"
                " this user, remove it"
            )
        with file:
            token = file.read(MAX_TOKEN_CHARS).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{path} cannot be read: {error}; remove it, and the next start makes a new one") from error
    if len(token) < TOKEN_BYTES:
        raise StateError(f"{path} holds no token; remove it, and the next start makes a new one")
    return token


def is_token(given: str, token: str) -> bool:
    """Return whether a header `Authorization` carries the token; takes the same time for every wrong one."""
    scheme, _, value = given.partition(" ")
    right = hmac.compare_digest(value.strip().encode("utf-8", "surrogateescape"), token.encode())
    return right and scheme.lower() == "bearer"


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, f"{token}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    return token
