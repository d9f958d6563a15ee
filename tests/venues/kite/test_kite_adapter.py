"""Kite's adapter: what its settings must hold, when they are a rehearsal, and what differs at the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from tests.venues.kite.login_access import API_KEY, API_SECRET, OLD_TOKEN
from tradebot.clock import ManualClock
from tradebot.errors import ConfigError
from tradebot.venues.kite.adapter import ADAPTER
from tradebot.venues.kite.login import KiteLogin
from tradebot.venues.kite.rules import REST_URL, TICKER_URL, route_prefix
from tradebot.venues.kite.settings import KiteSection

HERE = {"rest": "http://127.0.0.1:8765", "ticker": "ws://127.0.0.1:8765"}
SANDBOX = {"rest": "https://sandbox.kite.trade", "ticker": "wss://ws-sandbox.kite.trade"}


def section(**fields: Any) -> KiteSection:
    whole: dict[str, Any] = {"api_key": API_KEY, "api_secret": API_SECRET, "account_id": "AB1234"} | fields
    secret = {"api_key", "api_secret", "access_token"}
    given: dict[str, Any] = {name: SecretStr(text) if name in secret else text for name, text in whole.items()}
    return KiteSection(**given)


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, []),
        ({"api_secret": "", "access_token": OLD_TOKEN}, []),
        ({"access_token": OLD_TOKEN}, []),
        ({"api_secret": ""}, ["api_secret"]),
        ({"api_key": ""}, ["api_key"]),
        ({"api_key": "", "api_secret": ""}, ["api_key", "api_secret"]),
        ({"account_id": ""}, ["account_id"]),
        (HERE, []),
        (HERE | {"api_key": "", "account_id": ""}, ["api_key", "account_id"]),
        ({"rest": "http://localhost:8765", "ticker": "ws://[::1]:8765"}, []),
        ({"rest": HERE["rest"]}, ["ticker"]),
        ({"ticker": HERE["ticker"]}, ["rest"]),
        ({"rest": "http://api.kite.trade"}, ["rest"]),
        ({"ticker": "ws://ws.kite.trade"}, ["ticker"]),
        ({"rest": "http://127.0.0.1.example.com", "ticker": "ws://localhost.example.com"}, ["rest", "ticker"]),
        ({"rest": "http://192.168.1.9:8765", "ticker": "ws://192.168.1.9:8765"}, ["rest", "ticker"]),
        (SANDBOX, []),
        ({"rest": SANDBOX["rest"]}, ["ticker"]),
        ({"ticker": SANDBOX["ticker"]}, ["ticker"]),
        ({"rest": SANDBOX["rest"], "ticker": HERE["ticker"]}, ["rest"]),
    ],
)
def test_a_live_run_needs_keys_and_addresses_that_belong_together(fields: dict[str, str], keys: list[str]) -> None:
    assert [key for key, _ in ADAPTER.config_errors(section(**fields), is_live=True)] == keys


def test_a_missing_secret_names_both_ways_to_log_in_and_its_setting_in_the_environment() -> None:
    ((_, sentence),) = ADAPTER.config_errors(section(api_secret=""), is_live=True)
    assert all(
        name in sentence
        for name in ("TRADEBOT_KITE__API_SECRET", "TRADEBOT_KITE__ACCESS_TOKEN", "`tradebot login kite`")
    )
    assert ADAPTER.config_errors(section(account_id=""), is_live=False) == []


@pytest.mark.parametrize(
    ("fields", "is_rehearsal"),
    [(HERE, True), ({}, False), (SANDBOX, False), ({"rest": HERE["rest"]}, False), ({"ticker": HERE["ticker"]}, False)],
)
def test_a_rehearsal_is_an_exchange_of_this_machine_in_both_addresses(
    fields: dict[str, str], is_rehearsal: bool
) -> None:
    assert ADAPTER.is_rehearsal(section(**fields)) is is_rehearsal


@pytest.mark.parametrize(
    "fields",
    [{"rest": HERE["rest"]}, {"ticker": HERE["ticker"]}, {"rest": SANDBOX["rest"]}, {"rest": "http://api.kite.trade"}],
)
def test_no_access_is_made_of_addresses_that_do_not_belong_together(fields: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^kite\.(rest|ticker) "):
        ADAPTER.access_from_settings(section(**fields))


def test_an_access_holds_the_secret_and_says_whether_it_is_a_rehearsal() -> None:
    access = ADAPTER.access_from_settings(section(**HERE))
    assert access.is_rehearsal
    assert [access.credentials[name] for name in ("api_key", "api_secret", "access_token")] == [API_KEY, API_SECRET, ""]
    real = ADAPTER.access_from_settings(section())
    assert (real.is_rehearsal, dict(real.addresses)) == (False, {"rest": REST_URL, "ticker": TICKER_URL})


def test_the_sandbox_gets_the_account_in_the_address_of_its_stream_and_no_other_kite_does() -> None:
    access = ADAPTER.access_from_settings(section(account_id="AB 12", **SANDBOX))
    assert access.addresses["ticker"] == "wss://ws-sandbox.kite.trade/?user_id=AB+12"
    assert access.addresses["rest"] == SANDBOX["rest"]
    assert "user_id" not in ADAPTER.access_from_settings(section(**HERE)).addresses["ticker"]


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({}, []),
        (HERE, []),
        (SANDBOX, ["kite.rest is Kite's sandbox"]),
        ({"mode": "quote"}, ["kite.mode is quote"]),
        (SANDBOX | {"mode": "quote"}, ["kite.mode is quote", "kite.rest is Kite's sandbox"]),
    ],
)
def test_what_is_allowed_and_works_less_well_is_a_warning(fields: dict[str, str], warned: list[str]) -> None:
    found = ADAPTER.config_warnings(section(**fields))
    assert [text.startswith(one) for text, one in zip(found, warned, strict=True)] == [True] * len(warned)


@pytest.mark.parametrize(
    ("rest", "prefix"),
    [
        ("https://sandbox.kite.trade", "/oms"),
        ("https://sandbox.kite.trade:443/", "/oms"),
        ("https://SANDBOX.kite.trade", "/oms"),
        (REST_URL, ""),
        (HERE["rest"], ""),
        ("https://sandbox.kite.trade.example.com", ""),
    ],
)
def test_the_routes_of_the_sandbox_alone_have_a_prefix(rest: str, prefix: str) -> None:
    assert route_prefix(rest) == prefix


async def test_a_venue_at_the_sandbox_reads_behind_the_prefix_and_its_instruments_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[str]()

    async def send_request(_: object, method: str, path: str, **kw: Any) -> tuple[int, bytes]:
        asked.append(path)
        return 503, b""

    monkeypatch.setattr("tradebot.venues.kite.rest.RestLink.send_request", send_request)
    access = ADAPTER.access_from_settings(section(**SANDBOX))
    async with ADAPTER.build_read_only_venue(access, ManualClock()) as venue:
        for read in (venue.broker.fetch_account_id(), venue.broker.fetch_instruments(["TCS"])):
            with pytest.raises(Exception, match="503"):
                await read
    assert asked == ["/oms/user/profile", "/instruments/NSE"]


def test_a_person_logs_in_each_day_and_keeps_key_and_secret() -> None:
    assert isinstance(ADAPTER.login_route, KiteLogin)
    assert ADAPTER.kept_secret_names == ("api_key", "api_secret")
    assert ADAPTER.venue_rules.login_ends == "06:00"
