"""The login at the Kite server: the page for a person, the way back to the app, plans, and tokens over restarts."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from tests.venues.kite.server.kite_rig import Rig, order, rig
from tradebot.clock import DAY, HOUR
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.exchange.account import DematHolding
from tradebot.exchange.earlier_days import read_earlier_days
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.order_rules import OrderRules
from tradebot.venues.kite.server import ticker

pytestmark = pytest.mark.timeout(30)
KEYS = AccessKeys(api_key="rehearsal1", api_secret="secret-of-it", access_token="")
APP = RegisteredApp(redirect_url="http://127.0.0.1:8790/kite")
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
NO_RIGHT = (403, "PermissionException", "Insufficient permission for that call.")
DEAD = (403, "TokenException")


async def log_in(r: Rig) -> str:
    """Log in as a program does and return the access token, which the rig then uses."""
    answer = await r.data("GET", f"/connect/login?v=3&api_key={KEYS.api_key}")
    request_token = answer["request_token"]
    checksum = hashlib.sha256(f"{KEYS.api_key}{request_token}{KEYS.api_secret}".encode()).hexdigest()
    form = {"api_key": KEYS.api_key, "request_token": request_token, "checksum": checksum}
    session = await r.data("POST", "/session/token", data=form)
    r.headers["Authorization"] = f"token {KEYS.api_key}:{session['access_token']}"
    return str(session["access_token"])


async def test_a_person_gets_a_page_whose_button_leads_back_to_the_app() -> None:
    async with rig(keys=KEYS, app=APP) as r:
        page_at = f"{r.at.rest}/connect/login?v=3&api_key=rehearsal1&redirect_params=state%3Dabc"
        async with r.client.get(page_at, headers=BROWSER) as response:
            page = await response.text()
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
        async with r.client.post(
            page_at, data=fields, headers=BROWSER | {"Origin": r.at.rest}, allow_redirects=False
        ) as response:
            sent_to = response.headers["Location"]
    assert (response.status, page.count("<button")) == (302, 1)
    assert "Log in (simulated)" in page
    told = parse_qsl(urlsplit(sent_to).query)
    assert sent_to.startswith("http://127.0.0.1:8790/kite?")
    assert [name for name, _ in told] == ["action", "type", "status", "request_token", "state"]
    assert [value for name, value in told if name != "request_token"] == ["login", "login", "success", "abc"]


async def test_what_a_link_says_is_text_on_the_page() -> None:
    async with rig(keys=KEYS, app=APP) as r:
        params = {"api_key": "rehearsal1", "redirect_params": '"><script>alert(1)</script>'}
        async with r.client.get(f"{r.at.rest}/connect/login", params=params, headers=BROWSER) as response:
            page = await response.text()
    assert "<script" not in page
    assert "&quot;&gt;&lt;script&gt;" in page


async def test_a_program_is_redirected_at_once_and_another_key_is_refused() -> None:
    async with rig(keys=KEYS, app=APP) as r:
        async with r.client.get(f"{r.at.rest}/connect/login?api_key=rehearsal1", allow_redirects=False) as response:
            assert response.status == 302
        for headers in (BROWSER, {}):
            refused = await r.refusal("GET", "/connect/login?api_key=another1", headers=headers)
            assert refused == (400, "InputException", "Invalid `api_key`.")


async def test_without_an_address_a_person_reads_the_token_and_a_program_gets_json() -> None:
    async with rig(keys=KEYS) as r:
        async with r.client.post(
            f"{r.at.rest}/connect/login", data={"api_key": "rehearsal1"}, headers=BROWSER
        ) as response:
            page = await response.text()
        assert re.search(r'id="request_token">[0-9a-f]{32}<', page)
        answer = await r.data("GET", "/connect/login?api_key=rehearsal1")
    assert (len(answer["request_token"]), answer["action"], answer["status"]) == (32, "login", "success")


async def test_a_page_of_another_site_cannot_press_the_button() -> None:
    async with rig(keys=KEYS, app=APP) as r:
        headers = BROWSER | {"Origin": "https://example.com"}
        async with r.client.post(
            f"{r.at.rest}/connect/login", data={"api_key": "rehearsal1"}, headers=headers
        ) as response:
            assert response.status == 403


async def test_given_keys_open_nothing_before_a_login() -> None:
    async with rig(keys=KEYS) as r:
        assert r.at.access_token == ""
        for token in ("", "guess"):
            r.headers["Authorization"] = f"token {KEYS.api_key}:{token}"
            assert (await r.refusal("GET", "/user/profile"))[:2] == DEAD
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await r.client.ws_connect(f"{r.at.ticker}/?api_key=rehearsal1&access_token=")
        await log_in(r)
        assert (await r.data("GET", "/user/profile"))["user_id"] == "SIM001"


async def test_a_token_holds_over_a_restart_until_six_and_only_its_digest_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(keys=KEYS, log=log) as r:
            token = await log_in(r)
    login = read_earlier_days(path).login
    assert token not in path.read_text()
    for later, holds in ((HOUR, True), (2 * DAY, False)):
        async with rig(keys=KEYS, earlier_login=login, later=later) as r:
            r.headers["Authorization"] = f"token {KEYS.api_key}:{token}"
            status, _ = await r.ask("GET", "/user/profile")
            assert (status == 200) is holds
            assert await log_in(r) != token, "no day repeats a token of another"


async def test_a_token_of_other_keys_or_after_a_logout_does_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(keys=KEYS, log=log) as r:
            token = await log_in(r)
            login = read_earlier_days(path).login
            await r.data("DELETE", f"/session/token?api_key={KEYS.api_key}&access_token={token}")
    others = AccessKeys(api_key="rehearsal2", api_secret=KEYS.api_secret, access_token="")
    for keys, earlier in ((others, login), (KEYS, read_earlier_days(path).login)):
        async with rig(keys=keys, earlier_login=earlier) as r:
            r.headers["Authorization"] = f"token {keys.api_key}:{token}"
            assert (await r.refusal("GET", "/user/profile"))[:2] == DEAD
    assert [bool(row["token_digest"]) for row in read_event_log(path) if row["kind"] == "login"] == [True, False]


async def test_the_personal_plan_trades_and_gets_no_market_data() -> None:
    async with rig(app=RegisteredApp(has_market_data=False)) as r:
        token = r.exchange.universe.instrument_of("TCS").token
        candles = f"/instruments/historical/{token}/day?from=2026-11-19&to=2026-11-20"
        for path in ("/quote?i=NSE:TCS", "/quote/ohlc?i=NSE:TCS", "/quote/ltp?i=NSE:TCS", candles):
            assert await r.refusal("GET", path) == NO_RIGHT
        stream = f"{r.at.ticker.replace('ws', 'http', 1)}/?api_key={r.at.api_key}&access_token={r.at.access_token}"
        async with r.client.get(stream) as response:
            assert (response.status, await response.json()) == (
                403,
                {"status": "error", "message": "Authentication failed."},
            )
        assert len(await r.place()) == 15
        assert len(await r.data("GET", "/orders")) == 1
        async with r.client.get(f"{r.at.rest}/instruments/NSE", headers=r.headers) as response:
            assert "TCS" in await response.text()
        r.headers["Authorization"] = "token simkey:guess"
        assert (await r.refusal("GET", "/quote?i=NSE:TCS"))[:2] == DEAD, "a dead token is told before the plan"


@pytest.mark.parametrize("consent", ["empty", "consent", "physical"])
async def test_a_login_says_how_shares_may_be_debited(consent: str) -> None:
    async with rig(app=RegisteredApp(demat_consent=consent)) as r:
        assert (await r.data("GET", "/user/profile"))["meta"] == {"demat_consent": consent}


async def test_without_consent_only_shares_that_are_not_delivered_yet_can_be_sold() -> None:
    held = DematHolding(
        symbol="TCS", exchange="NSE", quantity=Decimal(5), t1_quantity=Decimal(2), average_price=Decimal(3_000)
    )
    async with rig(holdings=[held], rules=OrderRules(debits_holdings=False)) as r:
        sell = {"transaction_type": "SELL", "product": "CNC"}
        await r.place(product="CNC", quantity=1)
        r.step()
        refused = await r.refusal("POST", "/orders/regular", data=order(**sell, quantity=4))
        assert refused == (428, "HoldingException", "1 quantity needs authorisation at depository.")
        await r.place(**sell, quantity=3)
        r.step()
        assert (await r.refusal("POST", "/orders/regular", data=order(**sell, quantity=1)))[0] == 428
        assert (await r.refusal("POST", "/orders/regular", data=order(**sell, quantity=9)))[0] == 400, "not held at all"


async def test_an_order_before_the_open_is_refused_as_on_a_closed_market() -> None:
    async with rig(early=HOUR) as r:
        refused = await r.refusal("POST", "/orders/regular", data=order())
        assert (refused[0], refused[1]) == (400, "OrderException")
        assert refused[2].startswith("Markets are closed right now.")


async def test_a_login_from_elsewhere_ends_token_and_stream_until_a_new_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "HEARTBEAT_S", 0.02)
    async with rig(keys=KEYS, faults=FaultPlan.parse("token-replaced:orders.list@1", 1)) as r:
        old = await log_in(r)
        stream = await r.client.ws_connect(f"{r.at.ticker}/?api_key=rehearsal1&access_token={old}")
        assert (await r.refusal("GET", "/orders"))[:2] == DEAD
        heard = [(await stream.receive(timeout=5)).type for _ in range(10)]  # heartbeats, if it is not closed
        assert aiohttp.WSMsgType.CLOSE in heard
        r.step(24 * 60)
        assert (await r.refusal("GET", "/user/profile"))[:2] == DEAD, "time does not help"
        new = await log_in(r)
        assert new != old
        assert await r.data("GET", "/orders") == []
        await (await r.client.ws_connect(f"{r.at.ticker}/?api_key=rehearsal1&access_token={new}")).close()
