"""The operator's login over the control socket: the link, the token, and what a refusal or a silent venue becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.control.start_rig import LOGGED_IN, REDIRECT, WAITING, listening_start
from tradebot.control.login_api import MAX_TEXT_LENGTH
from tradebot.errors import AccessDenied, DaemonUnavailable, KeysRefused, LinkLost, LoginRefused, RequestRefused


async def test_the_link_comes_with_the_state_of_the_login_and_the_address_back(tmp_path: Path) -> None:
    async with listening_start(tmp_path) as rig:
        told = await rig.ask("GET", "/login")
    assert told == WAITING | {"venue": "kite", "address": told["address"], "redirect": REDIRECT}
    assert told["address"].startswith("https://kite.zerodha.com/connect/login?")


async def test_a_token_is_handed_on_as_it_came_and_the_new_state_is_the_answer(tmp_path: Path) -> None:
    text = f"{REDIRECT}?request_token=é&status=success"
    async with listening_start(tmp_path) as rig:
        assert await rig.ask("POST", "/login", {"text": text}) == LOGGED_IN
        assert await rig.ask("POST", "/login", {"text": "x" * MAX_TEXT_LENGTH}) == LOGGED_IN
    assert rig.texts == [text, "x" * MAX_TEXT_LENGTH]


@pytest.mark.parametrize("error", [LoginRefused("used up"), KeysRefused("not the secret"), AccessDenied("no right")])
async def test_a_refusal_reaches_the_operator_in_its_own_words(error: AccessDenied, tmp_path: Path) -> None:
    async with listening_start(tmp_path) as rig:
        rig.answer = error
        with pytest.raises(RequestRefused, match=f"^{error}$"):
            await rig.ask("POST", "/login", {"text": "abcdefgh"})


async def test_a_venue_that_does_not_answer_is_no_refusal(tmp_path: Path) -> None:
    async with listening_start(tmp_path) as rig:
        rig.answer = LinkLost("POST /session/token: HTTP 502")
        with pytest.raises(DaemonUnavailable, match="POST /session/token: HTTP 502"):
            await rig.ask("POST", "/login", {"text": "abcdefgh"})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "text must be the redirected address or the request token"),
        ({"text": ""}, "text must be"),
        ({"text": None}, "text must be"),
        ({"text": ["abcdefgh"]}, "text must be"),
        ({"text": "x" * (MAX_TEXT_LENGTH + 1)}, "text must be"),
        ({"text": "abcdefgh", "api_secret": "s"}, "unknown field 'api_secret'"),
    ],
)
async def test_a_body_that_is_no_login_never_gets_to_the_venue(
    body: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    async with listening_start(tmp_path) as rig:
        with pytest.raises(RequestRefused, match=sentence):
            await rig.ask("POST", "/login", body)
    assert rig.texts == []


async def test_a_run_without_a_login_and_one_without_the_secret_say_so(tmp_path: Path) -> None:
    async with listening_start(tmp_path, has_login=False) as rig:
        for method, body in (("GET", None), ("POST", {"text": "abcdefgh"})):
            with pytest.raises(RequestRefused, match="this run has no login: its venue is the exchange inside"):
                await rig.ask(method, "/login", body)
        rig.has_login()
        rig.has_secret = False
        with pytest.raises(RequestRefused, match=r"cannot log in: it has no kite\.api_secret"):
            await rig.ask("GET", "/login")
