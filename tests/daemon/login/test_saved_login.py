"""The file of the saved login: this user's alone, replaced whole, refused with a sentence where it may be another's."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tradebot.daemon.login.saved_login import SavedLogin, login_digest, login_path, read_login, save_login
from tradebot.errors import StateError
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.credentials import Credentials

TOKEN = "newtoken0123456789"
LOGIN = SavedLogin(
    belongs_to="0123456789abcdef", account_id="AB1234", keys={"access_token": TOKEN}, issued_at=5, ends_at=9,
    consent="physical",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return login_path(tmp_path, "kite")


def access(**changes: str) -> VenueAccess:
    keys = {"api_key": "key-of-our-app", "api_secret": "secret-of-it", "access_token": ""}
    addresses = {"rest": "https://api.kite.trade", "ticker": "wss://ws.kite.trade"}
    for name, text in changes.items():
        (addresses if name in addresses else keys)[name] = text
    return VenueAccess(addresses=addresses, credentials=Credentials(**keys))


def test_it_is_read_as_it_was_written_and_is_this_users_alone_under_any_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        save_login(path, LOGIN)
    finally:
        os.umask(before)
    assert read_login(path) == LOGIN
    assert path.name == "login-kite.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_login(path.with_name("login-other.json")) is None


def test_a_new_login_replaces_the_file_whole_over_what_a_crash_left(path: Path) -> None:
    save_login(path, LOGIN)
    path.with_name(path.name + ".new").write_text("half a fi")
    save_login(path, msgspec.structs.replace(LOGIN, issued_at=6))
    found = read_login(path)
    assert found is not None
    assert (found.issued_at, [one.name for one in path.parent.iterdir()]) == (6, [path.name])


def test_a_write_that_fails_leaves_the_login_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_login(path, LOGIN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tradebot.ops.private_file.os.fsync", full)
    with pytest.raises(StateError, match=r"login-kite\.json: cannot be written: No space left on device$") as failed:
        save_login(path, msgspec.structs.replace(LOGIN, keys={"access_token": "another-token"}))
    assert read_login(path) == LOGIN
    assert "another-token" not in str(failed.value)


def test_a_link_in_the_way_is_not_followed_when_it_is_written(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)
    path.with_name(path.name + ".new").symlink_to(victim)
    save_login(path, LOGIN)
    assert (victim.read_text(), path.is_symlink(), read_login(path)) == ("precious", False, LOGIN)


def linked(path: Path) -> None:
    whole = path.with_name("elsewhere.json")
    save_login(whole, LOGIN)
    path.symlink_to(whole)


def with_rights(mode: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save_login(path, LOGIN)
        path.chmod(mode)

    return write


def holding(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    return write


WHOLE = msgspec.json.encode(LOGIN)
SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (linked, "cannot be read: "),
    "a folder": (lambda path: path.mkdir(mode=0o700), "is not a file of this user alone; remove it and log in again"),
    "a pipe": (lambda path: os.mkfifo(path, 0o600), "is not a file of this user alone"),
    "readable by the group": (with_rights(0o640), "is not a file of this user alone"),
    "writable by others": (with_rights(0o602), "is not a file of this user alone"),
    "empty": (holding(b""), "is not a saved login"),
    "half": (holding(WHOLE[:60]), "is not a saved login"),
    "no JSON": (holding(b"\x00\xff\xfe"), "is not a saved login"),
    "no text": (holding(WHOLE.replace(b"AB1234", b"\xff\xfe\xfd")), "is not a saved login"),
    "a list": (holding(b"[" * 1000), "is not a saved login"),
    "deep": (holding(b'{"x":' + b"[" * 60_000), "is not a saved login"),
    "another shape": (holding(b'{"access_token": "newtoken0123456789"}'), "is not a saved login"),
    "keys that are numbers": (holding(WHOLE.replace(f'"{TOKEN}"'.encode(), b"7")), "is not a saved login"),
    "longer than any": (holding(WHOLE[:-1] + b" " * (64 << 10) + b"}"), "is not a saved login"),
}


@pytest.mark.parametrize(("spoil", "sentence"), SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.timeout(10)
def test_a_file_that_may_not_be_ours_is_refused_with_a_sentence(
    spoil: Callable[[Path], None], sentence: str, path: Path
) -> None:
    spoil(path)
    with pytest.raises(StateError) as refused:
        read_login(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: ")
    assert sentence in said
    assert TOKEN not in said


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_login(path, LOGIN)
    monkeypatch.setattr("tradebot.ops.private_file.os.getuid", lambda: os.stat(path).st_uid + 1)
    with pytest.raises(StateError, match="is not a file of this user alone"):
        read_login(path)


def test_a_login_belongs_to_one_venue_its_addresses_and_one_app_and_not_to_a_secret_or_a_token() -> None:
    own = login_digest("kite", access())
    assert own == login_digest("kite", access(api_secret="changed-secret", access_token="other-token"))
    others = {
        login_digest("tiny", access()),
        login_digest("kite", access(rest="https://sandbox.kite.trade")),
        login_digest("kite", access(ticker="ws://127.0.0.1:1")),
        login_digest("kite", access(api_key="another-app")),
    }
    assert (len(others), own in others, len(own)) == (4, False, 16)
