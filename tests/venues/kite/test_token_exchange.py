"""The exchange of a request token: one form over a real socket, and what each answer of Kite means."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest
from aiohttp import web

from tests.venues.kite.kite_on_loopback import Kite, failure, success
from tests.venues.kite.login_access import API_KEY, API_SECRET, OLD_TOKEN, REQUEST_TOKEN, SESSION, access_to
from tests.venues.kite.server.kite_rig import rig
from tradebot.control.api_application import REQUEST_TIMEOUT_S
from tradebot.errors import AccessDenied, KeysRefused, LinkLost, LoginRefused
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.venues.kite import login
from tradebot.venues.kite.login import KiteLogin, parse_grant
from tradebot.venues.kite.rest import RestLink

CHECKSUM = hashlib.sha256(f"{API_KEY}{REQUEST_TOKEN}{API_SECRET}".encode()).hexdigest()
KEYS = AccessKeys(api_key="rehearsal1", api_secret="secret-of-it", access_token="")
HIDDEN = (API_SECRET, REQUEST_TOKEN, CHECKSUM, SESSION["access_token"], OLD_TOKEN)


def body_of(answer: object) -> bytes:
    return json.dumps(answer).encode()


def error(error_type: str, message: str) -> bytes:
    return body_of({"status": "error", "message": message, "error_type": error_type, "data": None})


def session(**changes: Any) -> bytes:
    fields = {name: value for name, value in (SESSION | changes).items() if value is not ...}
    return body_of({"status": "success", "data": fields})


async def test_the_token_is_exchanged_by_one_form_with_the_checksum_and_without_the_old_login(kite: Kite) -> None:
    kite.answer = success(SESSION)
    access = access_to(kite.address)
    grant = await KiteLogin().exchange_token(access, REQUEST_TOKEN)
    ((method, path, query, form, headers),) = kite.got
    assert (method, path, query) == ("POST", "/session/token", {})
    assert form == {"api_key": API_KEY, "request_token": REQUEST_TOKEN, "checksum": CHECKSUM}
    assert (headers["X-Kite-Version"], headers["Content-Type"]) == ("3", "application/x-www-form-urlencoded")
    assert "Authorization" not in headers
    assert (dict(grant.keys), grant.account_id, grant.consent) == (
        {"access_token": SESSION["access_token"]}, "AB1234", "consent",
    )  # fmt: skip
    assert access.credentials["access_token"] == OLD_TOKEN, "who asked decides whether the new keys count"


async def test_the_sandbox_has_its_prefix_before_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[str, str]]()

    async def send_request(_: RestLink, method: str, path: str, **kw: Any) -> tuple[int, bytes]:
        asked.append((method, path))
        return 200, session()

    monkeypatch.setattr(RestLink, "send_request", send_request)
    for rest in ("https://sandbox.kite.trade", "https://api.kite.trade"):
        await KiteLogin().exchange_token(access_to(rest), REQUEST_TOKEN)
    assert asked == [("POST", "/oms/session/token"), ("POST", "/session/token")]


async def test_an_answer_that_quotes_our_request_tells_no_secret(kite: Kite) -> None:
    def quoting(request: web.Request) -> web.Response:
        form = kite.got[-1][3]
        return failure(403, "TokenException", f"no: {form} {API_SECRET}")

    kite.says(quoting)
    with pytest.raises(AccessDenied) as refused:
        await KiteLogin().exchange_token(access_to(kite.address), REQUEST_TOKEN)
    assert "no: " in str(refused.value)
    assert not [secret for secret in HIDDEN if secret in str(refused.value)]


async def test_a_kite_that_does_not_answer_is_a_lost_link_before_the_operator_is_given_up_on(
    kite: Kite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert login.EXCHANGE_WITHIN_S < REQUEST_TIMEOUT_S, "a grant that comes later would be lost with its request"
    monkeypatch.setattr(login, "EXCHANGE_WITHIN_S", 0.1)

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    kite.answer = never
    with pytest.raises(LinkLost, match="POST /session/token"):
        async with asyncio.timeout(3):
            await KiteLogin().exchange_token(access_to(kite.address), REQUEST_TOKEN)
    with pytest.raises(LinkLost, match="POST /session/token"):
        await KiteLogin().exchange_token(access_to("http://127.0.0.1:1"), REQUEST_TOKEN)
    assert len(kite.got) == 1, "a token is valid once: nothing is sent twice"


async def test_the_simulated_exchange_takes_a_token_once_and_the_new_key_opens_it() -> None:
    async with rig(keys=KEYS, app=RegisteredApp(demat_consent="physical")) as r:
        route = KiteLogin()
        access = access_to(r.at.rest, api_key=KEYS.api_key, api_secret=KEYS.api_secret)
        token = (await r.data("GET", f"/connect/login?v=3&api_key={KEYS.api_key}"))["request_token"]
        r.step()
        grant = await route.exchange_token(access, token)
        assert (grant.account_id, grant.consent) == ("SIM001", "physical")
        r.headers["Authorization"] = f"token {KEYS.api_key}:{grant.keys['access_token']}"
        assert (await r.data("GET", "/user/profile"))["user_id"] == "SIM001"
        r.step()
        with pytest.raises(LoginRefused, match=r"Token is invalid or has expired\.; it is valid once and for minutes"):
            await route.exchange_token(access, token)
        for keys, sentence in (
            ({"api_secret": "another-secret"}, "kite.api_secret is not the secret of this app"),
            ({"api_key": "another1"}, "api_secret is not the secret"),
        ):
            token = (await r.data("GET", f"/connect/login?v=3&api_key={KEYS.api_key}"))["request_token"]
            wrong = access_to(r.at.rest, **({"api_key": KEYS.api_key, "api_secret": KEYS.api_secret} | keys))
            with pytest.raises(KeysRefused, match=sentence):
                await route.exchange_token(wrong, token)


GRANTED = {
    "whole": (session(), "consent"),
    "no meta": (session(meta=...), ""),
    "meta that is no object": (session(meta="physical"), ""),
    "no consent": (session(meta={}), ""),
    "consent null": (session(meta={"demat_consent": None}), ""),
    "consent over two lines": (session(meta={"demat_consent": "phy\nsical"}), "phy sical"),
    "more fields": (session(silo="x", avatar_url=None), "consent"),
}


@pytest.mark.parametrize(("body", "consent"), GRANTED.values(), ids=GRANTED.keys())
def test_a_grant_needs_the_token_and_the_account_alone(body: bytes, consent: str) -> None:
    grant = parse_grant(200, body)
    assert (dict(grant.keys), grant.account_id) == ({"access_token": SESSION["access_token"]}, "AB1234")
    assert grant.consent == consent


WRONG_SUM, USED = error("TokenException", "Invalid `checksum`."), "Token is invalid or has expired."
REFUSALS: dict[str, tuple[int, bytes, type[Exception], str]] = {
    "wrong secret": (403, WRONG_SUM, KeysRefused, r"Invalid `checksum`\.; kite\.api_secret is not"),
    "used token": (403, error("TokenException", USED), LoginRefused, "is valid once and for minutes: log in again"),
    "wrong key": (400, error("InputException", "Invalid `api_key`."), KeysRefused, r"kite\.api_key is not the key"),
    "other input": (400, error("InputException", "Missing `checksum_v2`"), AccessDenied, "InputException: Missing"),
    "no permission": (403, error("PermissionException", "No right."), AccessDenied, "PermissionException: No right"),
    "an address": (403, error("GeneralException", "IP not allowed"), AccessDenied, "IP not allowed"),
    "user blocked": (400, error("UserException", "blocked"), AccessDenied, "UserException: blocked"),
    "too many": (429, error("NetworkException", "Too many requests"), LinkLost, "Too many requests"),
    "broken": (500, error("GeneralException", "Something went wrong"), LinkLost, "Something went wrong"),
    "checksum in a 500": (500, WRONG_SUM, LinkLost, "checksum"),
    "away": (503, error("NetworkException", "down"), LinkLost, "NetworkException: down"),
    "a page": (502, b"<html>Bad Gateway</html>", LinkLost, "HTTP 502"),
    "a page of success": (200, b"<html>Sign in</html>", LinkLost, "HTTP 200"),
    "a page that forbids": (403, b"<html>Forbidden: checksum</html>", LinkLost, "HTTP 403"),
    "nothing": (200, b"", LinkLost, "HTTP 200"),
    "no data": (200, b'{"status":"success"}', LinkLost, "200"),
    "data null": (200, body_of({"status": "success", "data": None}), LinkLost, "session: null is not an object"),
    "data a list": (200, body_of({"status": "success", "data": [SESSION]}), LinkLost, "a list is not an object"),
    "no token": (200, session(access_token=...), LinkLost, "access_token: null is not a text"),
    "token empty": (200, session(access_token=""), LinkLost, "access_token: '' is not a text"),
    "token a number": (200, session(access_token=7), LinkLost, "access_token: a int is not a text"),
    "account a list": (200, session(user_id=["AB1234"]), LinkLost, "user_id: a list is not a text"),
    "no account": (200, session(user_id=...), LinkLost, "user_id: null is not a text"),
}


@pytest.mark.parametrize(("status", "body", "kind", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_each_refusal_says_what_a_person_can_do_about_it(
    status: int, body: bytes, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as refused:
        parse_grant(status, body)
    assert type(refused.value) is kind
    assert SESSION["access_token"] not in str(refused.value)
