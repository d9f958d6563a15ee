"""The login at the broker: its state by the market's clock, and the exchange of a token by one writer of the keys."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from tests.daemon.login.login_rig import GRANT, MONDAY, NEW, OLD, REDIRECT, REQUEST_TOKEN, LoginRig, ist
from tradebot.clock import HOUR, MINUTE
from tradebot.daemon.login.saved_login import read_login, save_login
from tradebot.domain.messages import BrokerSession
from tradebot.errors import AccessDenied, KeysRefused, LinkLost, LoginRefused

ENDS_AT = ist("2026-01-06T06:00:00")


async def test_a_login_renews_the_keys_tells_it_and_is_saved(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, given=OLD)
    nonce = rig.nonce
    assert rig.login.link_fields()["redirect"] == REDIRECT
    state = await rig.login.log_in(rig.back())
    assert rig.credentials["access_token"] == NEW
    assert state == {
        "state": "LOGGED_IN", "reason": None, "account": "AB1234", "issued_at": MONDAY, "ends_at": ENDS_AT,
        "consent": "consent",
    }  # fmt: skip
    assert rig.told == [
        (
            "login_accepted",
            {
                "level": "info", "venue": "kite", "account": "AB1234", "came_from": "login",
                "ends": "2026-01-06T06:00", "consent": "consent",
            },
        )
    ]  # fmt: skip
    saved = read_login(rig.login.place.path)
    assert saved is not None
    assert (dict(saved.keys), saved.account_id, saved.issued_at, saved.ends_at, saved.consent) == (
        {"access_token": NEW}, "AB1234", MONDAY, ENDS_AT, "consent",
    )  # fmt: skip
    assert stat.S_IMODE(rig.login.place.path.stat().st_mode) == 0o600
    assert (rig.renewed, rig.login.login_count) == (1, 1)
    assert rig.nonce != nonce, "a link counts for one login"


async def test_the_token_alone_logs_in_as_well(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(f" {REQUEST_TOKEN}\n")
    assert (rig.route.tokens, rig.credentials["access_token"]) == ([REQUEST_TOKEN], NEW)


@pytest.mark.parametrize("nonce", ["0" * 24, "x", "é", "\ud800", "0" * 4000])
async def test_an_address_of_a_page_that_was_not_opened_from_here_is_refused_before_its_token_is_used(
    nonce: str, tmp_path: Path
) -> None:
    rig = LoginRig(tmp_path, given=OLD)
    with pytest.raises(LoginRefused, match="was not opened from here; ask for the link again"):
        await rig.login.log_in(rig.back(nonce=nonce))
    assert (rig.route.tokens, rig.credentials["access_token"], rig.told.names) == ([], OLD, ["login_rejected"])
    await rig.login.log_in(rig.back())
    assert rig.credentials["access_token"] == NEW


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (LoginRefused("used up"), LoginRefused),
        (KeysRefused("not the secret"), KeysRefused),
        (AccessDenied("no right"), AccessDenied),
        (LinkLost("HTTP 502"), LinkLost),
        (msgspec.structs.replace(GRANT, account_id="ZZ9999"), LoginRefused),
    ],
    ids=("used up", "wrong secret", "denied", "away", "wrong account"),
)
async def test_after_a_refusal_the_keys_of_before_count_on_and_it_is_told(
    answer: Exception, kind: type[Exception], tmp_path: Path
) -> None:
    rig = LoginRig(tmp_path, given=OLD, account_id="AB1234")
    rig.route.answer = answer
    with pytest.raises(kind) as refused:
        await rig.login.log_in(rig.back())
    assert rig.told == [("login_rejected", {"level": "warning", "venue": "kite", "reason": str(refused.value)})]
    assert (rig.credentials["access_token"], rig.credentials.version) == (OLD, 0)
    assert (rig.login.login_count, rig.renewed, rig.login.ends_at) == (0, 0, 0)
    assert not os.listdir(tmp_path)
    assert (rig.login.fatal is refused.value) is (kind is KeysRefused)
    rig.route.answer = GRANT
    await rig.login.log_in(rig.back())
    assert (rig.credentials["access_token"], rig.login.fatal) == (NEW, None)


async def test_a_run_takes_no_login_of_an_account_other_than_the_one_it_has(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(REQUEST_TOKEN)
    rig.route.answer = msgspec.structs.replace(GRANT, account_id="ZZ9999", keys={"access_token": "of-another"})
    with pytest.raises(LoginRefused, match="of account ZZ9999, but this run is of account AB1234"):
        await rig.login.log_in(REQUEST_TOKEN)
    assert rig.credentials["access_token"] == NEW


async def test_of_two_logins_at_once_the_second_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    rig.route.is_open.clear()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(rig.login.log_in(rig.back()))
        await rig.route.asked.wait()
        with pytest.raises(LoginRefused, match="another login is under way"):
            await rig.login.log_in(rig.back())
        rig.route.is_open.set()
    assert first.result()["account"] == "AB1234"
    assert rig.route.tokens == [REQUEST_TOKEN]
    await rig.login.log_in(rig.back())
    assert len(rig.route.tokens) == 2


async def test_a_login_that_is_cut_off_does_not_bar_the_next_one(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    rig.route.is_open.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await rig.login.log_in(rig.back())
    rig.route.is_open.set()
    await rig.login.log_in(rig.back())
    assert rig.login.login_count == 1


async def test_a_login_that_cannot_be_saved_counts_and_that_is_told(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path / "gone")
    state = await rig.login.log_in(rig.back())
    assert (state["state"], rig.credentials["access_token"]) == ("LOGGED_IN", NEW)
    assert rig.told.names == ["login_accepted", "login_not_saved"]
    assert "cannot be written" in rig.told.of("login_not_saved")[0]["reason"]


async def test_a_slow_disk_does_not_keep_the_run_from_its_new_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, may_end = LoginRig(tmp_path), threading.Event()

    def slow(*_: object) -> None:
        may_end.wait(10)

    monkeypatch.setattr("tradebot.daemon.login.broker_login.save_login", slow)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await rig.login.log_in(rig.back())
    finally:
        may_end.set()
    assert (rig.credentials["access_token"], rig.renewed) == (NEW, 1)


async def test_without_the_secret_nothing_can_be_exchanged_here(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, secret="", given=OLD)
    assert not rig.login.can_log_in
    for ask in (rig.login.link_fields, lambda: asyncio.run(rig.login.log_in(REQUEST_TOKEN))):
        with pytest.raises(AccessDenied, match=r"it has no kite\.api_secret"):
            await asyncio.to_thread(ask)
    assert (rig.route.tokens, rig.told) == ([], [])


async def test_a_saved_login_is_used_until_it_ends_and_by_its_own_app_alone(tmp_path: Path) -> None:
    await LoginRig(tmp_path).login.log_in(REQUEST_TOKEN)
    again = LoginRig(tmp_path, at=ENDS_AT - 1)
    assert again.login.take_saved()
    assert (again.credentials["access_token"], again.login.issued_at, again.login.ends_at, again.login.consent) == (
        NEW, MONDAY, ENDS_AT, "consent",
    )  # fmt: skip
    for other in (LoginRig(tmp_path, at=ENDS_AT), LoginRig(tmp_path, api_key="another-app")):
        assert not other.login.take_saved()
        assert (other.credentials["access_token"], other.told) == ("", [])
    assert not LoginRig(tmp_path / "empty").login.take_saved()


async def test_a_saved_login_that_cannot_be_used_is_told_and_left_alone(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(REQUEST_TOKEN)
    saved = read_login(rig.login.place.path)
    assert saved is not None
    save_login(rig.login.place.path, msgspec.structs.replace(saved, keys={"enctoken": "of-another-release"}))
    for rights in (0o600, 0o644):
        os.chmod(rig.login.place.path, rights)
        again = LoginRig(tmp_path)
        assert not again.login.take_saved()
        assert (again.told.names, again.credentials.version) == (["saved_login_ignored"], 0)


def test_the_token_of_the_settings_is_used_where_one_is_given_and_its_end_is_the_venues_hour(tmp_path: Path) -> None:
    assert not LoginRig(tmp_path).login.take_given()
    rig = LoginRig(tmp_path, given=OLD)
    rig.credentials.renew_keys(access_token="refused-one")
    assert rig.login.take_given()
    assert rig.credentials["access_token"] == OLD
    rig.login.on_accepted("AB1234", came_from="setting")
    assert (rig.login.issued_at, rig.login.ends_at) == (0, ENDS_AT)


async def test_the_state_follows_the_markets_clock_and_the_word_of_the_venue(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(REQUEST_TOKEN)
    for at, state in (
        (MONDAY, "LOGGED_IN"),
        (ENDS_AT - 12 * HOUR - 1, "LOGGED_IN"),
        (ENDS_AT - 12 * HOUR, "EXPIRING"),
        (ENDS_AT + MINUTE, "EXPIRING"),  # until the venue says so
    ):
        rig.clock.now_ns = at
        assert rig.login.state == state
    rig.login.on_broker_session(BrokerSession(mono=0, lost_reason="ended"))
    assert (rig.login.state, rig.login.as_fields()["reason"]) == ("NEED_LOGIN", "ended")
    rig.login.on_broker_session(BrokerSession(mono=0))
    assert rig.login.as_fields()["reason"] is None
    rig.login.on_lost("ended")
    await rig.login.log_in(REQUEST_TOKEN)
    assert (rig.login.state, rig.login.ends_at) == ("LOGGED_IN", ist("2026-01-07T06:00:00"))


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ("2026-01-05T05:59:59", "2026-01-05T06:00:00"),
        ("2026-01-05T06:00:00", "2026-01-06T06:00:00"),
        ("2026-01-05T23:59:59", "2026-01-06T06:00:00"),
    ],
)
async def test_a_login_ends_at_the_next_hour_of_the_venue(at: str, ends: str, tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, at=ist(at))
    await rig.login.log_in(REQUEST_TOKEN)
    assert rig.login.ends_at == ist(ends)
