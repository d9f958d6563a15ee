"""The kill switch and the saved login: the keys of the last login come first, and a file that is spoiled is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.in_thread import in_thread
from tests.venues.kite.kite_on_loopback import failure, served_on_loopback, success
from tradebot.__main__ import run_command_line
from tradebot.daemon.login.saved_login import SavedLogin, login_path, save_login
from tradebot.journal.schema import FILE_NAME

Kill = Callable[..., tuple[int, str]]
SAVED, SET = "token-that-was-saved", "token-of-settings"
LOGIN = SavedLogin(belongs_to="x", account_id="AB1234", keys={"access_token": SAVED}, issued_at=1, ends_at=2)


class KiteInThread:
    """A Kite that accepts some tokens; `asked` keeps the token of each read of the book, which begins empty."""

    def __init__(self) -> None:
        self.address = ""
        self.accepted = {SAVED, SET}
        self.asked: list[str] = []
        self.orders: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []

    def answer(self, request: web.Request) -> web.Response:
        """Answer as Kite does."""
        token = request.headers["Authorization"].rpartition(":")[2]
        if request.path == "/orders":
            self.asked.append(token)
        if token not in self.accepted:
            return failure(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        if request.method == "DELETE":
            (row,) = (row for row in self.orders if request.path.endswith(row["order_id"]))
            row["status"] = "CANCELLED"
            return success({"order_id": row["order_id"]})
        return success(self.orders if request.path == "/orders" else {"net": self.positions, "day": []})


@pytest.fixture
def kite() -> Iterator[KiteInThread]:
    with in_thread(served_on_loopback(KiteInThread()), "kite") as kite:
        yield kite


@pytest.fixture
def folder(tmp_path: Path, kite: KiteInThread, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory that a daemon used, beside a configuration whose token is `SET`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tradebot.control.cancel_sweep.CLEAN_POLL_GAP_S", 0.0)
    monkeypatch.setattr("tradebot.control.cancel_sweep.POLL_INTERVAL_S", 0.0)
    state = tmp_path / "state"
    state.mkdir()
    (state / FILE_NAME).touch()
    (tmp_path / "config.toml").write_text(
        f"[app]\nmode = 'live'\n[venue]\nname = 'kite'\n[kite]\nrest = '{kite.address}'\n"
    )
    monkeypatch.setenv("TRADEBOT_KITE__API_KEY", "key-of-our-app")
    monkeypatch.setenv("TRADEBOT_KITE__ACCESS_TOKEN", SET)
    return state


@pytest.fixture
def kill(folder: Path, capsys: pytest.CaptureFixture[str]) -> Kill:
    def give(*options: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run_command_line(["kill", "--within", "5", *options])
        said = capsys.readouterr()
        assert SAVED not in said.out + said.err
        assert SET not in said.out + said.err
        return code, said.out if "--json" in options else said.out + said.err

    return give


def test_the_keys_of_the_last_login_are_used(folder: Path, kill: Kill, kite: KiteInThread) -> None:
    save_login(login_path(folder, "kite"), LOGIN)
    code, said = kill()
    assert (code, "clean: no order works at the venue" in said) == (0, True), said
    assert set(kite.asked) == {SAVED}


def test_without_a_saved_login_the_token_of_the_settings_counts(kill: Kill, kite: KiteInThread) -> None:
    code, said = kill()
    assert (code, set(kite.asked)) == (0, {SET}), said


def test_the_saved_login_suffices_where_the_settings_hold_no_token(
    folder: Path, kill: Kill, kite: KiteInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_login(login_path(folder, "kite"), LOGIN)
    monkeypatch.delenv("TRADEBOT_KITE__ACCESS_TOKEN")
    assert kill()[0] == 0
    assert set(kite.asked) == {SAVED}
    kite.accepted = set()
    code, said = kill()
    assert (code, "nothing was cancelled: Kite does not know our login any more" in said) == (77, True), said


def test_a_saved_login_that_has_ended_gives_way_to_the_token_of_the_settings(
    folder: Path, kill: Kill, kite: KiteInThread
) -> None:
    save_login(login_path(folder, "kite"), LOGIN)
    kite.accepted = {SET}
    code, said = kill()
    assert (code, kite.asked[0], set(kite.asked[1:])) == (0, SAVED, {SET}), said
    assert "the saved login does not count: Kite does not know our login any more" in said
    assert "the keys of the settings are tried" in said
    kite.accepted = set()
    code, said = kill()
    assert (code, "nothing was cancelled" in said) == (77, True), said


def test_keys_for_the_emergency_come_before_all_others(
    folder: Path, kill: Kill, kite: KiteInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_login(login_path(folder, "kite"), LOGIN)
    monkeypatch.setenv("TRADEBOT_KILL__API_KEY", "key-of-our-app")
    monkeypatch.setenv("TRADEBOT_KILL__ACCESS_TOKEN", "token-for-kills")
    kite.accepted = {"token-for-kills"}
    assert kill()[0] == 0
    assert set(kite.asked) == {"token-for-kills"}
    kite.accepted = {SAVED, SET}
    code, said = kill()
    assert (code, "saved login" in said) == (77, False), said


@pytest.mark.parametrize("spoil", ["rubbish", "rights"])
def test_a_spoiled_file_is_said_and_the_token_of_the_settings_counts(
    spoil: str, folder: Path, kill: Kill, kite: KiteInThread
) -> None:
    path = login_path(folder, "kite")
    save_login(path, LOGIN)
    if spoil == "rights":
        path.chmod(0o644)
    else:
        path.write_bytes(b"{rubbish")
    code, said = kill()
    assert (code, set(kite.asked)) == (0, {SET}), said
    assert f"the saved login does not count: {path.relative_to(folder.parent)}: " in said


def hold_with_stop(kite: KiteInThread) -> None:
    """Give the account ten shares, a stop for them and an order that only waits to buy more."""
    ours = {
        "status": "TRIGGER PENDING", "exchange": "NSE", "tradingsymbol": "INFY", "order_type": "SL",
        "transaction_type": "SELL", "product": "MIS", "variety": "regular", "validity": "DAY", "quantity": 10,
        "filled_quantity": 0, "price": 985.05, "trigger_price": 990, "tag": "T1", "order_id": "261125000000002",
        "order_timestamp": "2026-11-25 11:00:00",
    }  # fmt: skip
    buys = {
        "status": "OPEN", "order_type": "LIMIT", "transaction_type": "BUY", "order_id": "261125000000003",
        "trigger_price": 0, "tag": "",
    }  # fmt: skip
    kite.orders = [ours, ours | buys]
    kite.positions = [
        {"exchange": "NSE", "tradingsymbol": "INFY", "product": "MIS", "quantity": 10, "average_price": 1000}
    ]


def test_the_stop_of_a_position_is_left_at_the_exchange_and_named(kill: Kill, kite: KiteInThread) -> None:
    hold_with_stop(kite)
    code, said = kill()
    assert (code, [row["status"] for row in kite.orders]) == (0, ["TRIGGER PENDING", "CANCELLED"]), said
    assert "clean: no order works at the venue but stops that are left there; 1 worked before" in said
    assert "1 stop is left at the exchange: SELL 10 INFY at 990; --cancel-stops cancels it too" in said
    code, said = kill("--cancel-stops")
    assert (code, kite.orders[0]["status"], "left at the exchange" in said) == (0, "CANCELLED", False), said


def test_as_json_it_tells_what_was_cancelled_and_what_was_kept(kill: Kill, kite: KiteInThread) -> None:
    hold_with_stop(kite)
    code, said = kill("--json")
    told = json.loads(said)
    assert (code, told["halted"], told["clean"], told["failure"]) == (0, True, True, "")
    assert [(row["venue_order_id"], row["status"]) for row in told["orders"]] == [("261125000000003", "canceled")]
    (kept,) = told["kept"]
    assert (kept["tag"], kept["side"], kept["quantity"], kept["trigger"]) == ("T1", "SELL", "10", "990")
    assert [(row["symbol"], row["quantity"]) for row in told["positions"]] == [("INFY", "10")]
