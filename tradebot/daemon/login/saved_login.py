"""The saved login: the keys of the last login in the state directory, for this user alone, with their latest end."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from tradebot.domain.message import Message
from tradebot.errors import StateError
from tradebot.ops.private_file import open_private, replace_private
from tradebot.venues.adapter import VenueAccess

MAX_FILE_BYTES = 64 << 10
DIGEST_CHARS = 16


class SavedLogin(Message, frozen=True):
    """One login: `keys` by name, valid from `issued_at` until `ends_at` (market ns; 0: no known end) at the latest.

    `belongs_to` is a digest of venue, address and app, so that no other one gets the keys.
    """

    belongs_to: str
    account_id: str
    keys: Mapping[str, str]
    issued_at: int
    ends_at: int
    consent: str = ""


def login_digest(venue: str, access: VenueAccess) -> str:
    """Return the digest of a venue, its addresses and the app whose key logs in."""
    parts = [venue, *sorted(access.addresses.values()), access.credentials["api_key"]]
    return sha256("\n".join(parts).encode()).hexdigest()[:DIGEST_CHARS]


def login_path(state_dir: Path, venue: str) -> Path:
    """Return the path of the saved login of a venue."""
    return state_dir / f"login-{venue}.json"


def save_login(path: Path, login: SavedLogin) -> None:
    """Replace the file by `login`, readable by this user alone. Raises StateError."""
    try:
        replace_private(path, msgspec.json.encode(login), is_synced=True)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_login(path: Path) -> SavedLogin | None:
    """Return the saved login, None where there is none. Raises StateError for a file that is not to be trusted."""
    try:
        file = open_private(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from error
    if file is None:
        raise StateError(f"{path}: is not a file of this user alone; remove it and log in again")
    with file:
        raw = file.read(MAX_FILE_BYTES)
    try:
        return msgspec.json.decode(raw, type=SavedLogin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"{path}: is not a saved login ({error}); remove it and log in again") from error
