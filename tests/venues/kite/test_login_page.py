"""The page of Kite's login and the way back from it: the link, and what a redirected address may hold."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tests.venues.kite.login_access import API_SECRET, OLD_TOKEN, REQUEST_TOKEN, access_to
from tradebot.errors import LoginRefused
from tradebot.venues.kite.login import KiteLogin
from tradebot.venues.kite.settings import KiteSection

BACK = f"http://127.0.0.1:8790/kite?request_token={REQUEST_TOKEN}&action=login&status=success"


@pytest.mark.parametrize(
    ("rest", "page"),
    [
        ("https://api.kite.trade", "https://kite.zerodha.com/connect/login"),
        ("https://sandbox.kite.trade", "https://sandbox.kite.trade/connect/login"),
        ("https://sandbox.kite.trade/", "https://sandbox.kite.trade/connect/login"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765/connect/login"),
        ("http://localhost:8765/", "http://localhost:8765/connect/login"),
        ("https://kite.example.com", "https://kite.zerodha.com/connect/login"),
    ],
)
def test_the_link_leads_to_the_page_of_the_configured_kite(rest: str, page: str) -> None:
    address = KiteLogin().login_address(access_to(rest), nonce="0a1b")
    assert address.partition("?")[0] == page


def test_the_link_names_the_app_and_carries_the_nonce_for_the_way_back_and_no_secret() -> None:
    address = KiteLogin().login_address(access_to("https://api.kite.trade", api_key="k&y=1"), nonce="0a1b")
    query = dict(parse_qsl(urlsplit(address).query, strict_parsing=True))
    assert query == {"v": "3", "api_key": "k&y=1", "redirect_params": "nonce=0a1b"}
    assert parse_qs(query["redirect_params"]) == {"nonce": ["0a1b"]}
    assert API_SECRET not in address
    assert OLD_TOKEN not in address


def test_the_redirect_address_is_that_of_the_settings() -> None:
    assert KiteLogin().redirect_address(KiteSection()) == "http://127.0.0.1:8790/kite"
    given = KiteSection(redirect_url="https://desk.example.com/back")
    assert KiteLogin().redirect_address(given) == "https://desk.example.com/back"


@pytest.mark.parametrize(
    ("text", "nonce"),
    [
        (BACK, ""),
        (f"{BACK}&nonce=0a1b", "0a1b"),
        (f"  {BACK}&nonce=0a1b\n", "0a1b"),
        (f"https://desk.example.com/?nonce=0a1b&request_token={REQUEST_TOKEN}", "0a1b"),
        (f"127.0.0.1:8790/kite?request_token={REQUEST_TOKEN}&status=success", ""),
        (f"{BACK}#top", ""),
        (REQUEST_TOKEN, ""),
        (f" {REQUEST_TOKEN}\n", ""),
    ],
)
def test_the_whole_address_and_the_token_alone_are_read(text: str, nonce: str) -> None:
    assert KiteLogin().parse_redirect(text) == (REQUEST_TOKEN, nonce)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8790/kite?action=login&status=error",
        f"http://127.0.0.1:8790/kite?request_token={REQUEST_TOKEN}&status=cancelled",
        f"http://127.0.0.1:8790/kite?status=error&status=success&request_token={REQUEST_TOKEN}",
    ],
)
def test_a_login_that_failed_at_kite_is_told_as_that(text: str) -> None:
    with pytest.raises(LoginRefused, match="did not succeed; open the login page again"):
        KiteLogin().parse_redirect(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "short",
        "x" * 65,
        "http://127.0.0.1:8790/kite",
        "http://127.0.0.1:8790/kite?request_token=",
        "http://127.0.0.1:8790/kite?request_token=short",
        f"http://127.0.0.1:8790/kite?request_token={'x' * 65}",
        "http://127.0.0.1:8790/kite?request_token=abcdefgh%0d%0aX-Evil:1",
        "http://127.0.0.1:8790/kite?request_token=abcdefgh%26api_key%3Dother",
        "http://127.0.0.1:8790/kite?request_token=../../user/profile",
        "http://127.0.0.1:8790/kite?request_token=<script>alert(1)</script>",
        "http://127.0.0.1:8790/kite?request_token=１２３４５６７８９",
        "http://[::1/kite?request_token=abcdefghij",
        "abcdefgh ijklmnop",
        "abcdefgh\x00ijkl",
        "\ud800\udfff" * 40,
        "?" * 4096,
    ],
)
def test_what_holds_no_token_gets_one_sentence_that_quotes_nothing_of_it(text: str) -> None:
    with pytest.raises(LoginRefused) as refused:
        KiteLogin().parse_redirect(text)
    said = str(refused.value)
    assert said.startswith("it holds no request token; give the whole address")
    assert said.isprintable()
    assert not text.strip() or text not in said
