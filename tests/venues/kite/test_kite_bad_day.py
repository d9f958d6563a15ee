"""What a broker's day really brings, on a whole daemon: no row makes it blind, no lie brings it down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.venues.kite.between import HTML_403, TOKEN_DEAD, Answer, changed
from tests.venues.kite.daemon_between import day
from tradebot.errors import LoginLost

pytestmark = pytest.mark.timeout(60)
FOREIGN = {
    "order_id": "77", "status": "COMPLETE", "exchange": "NFO", "tradingsymbol": "NIFTY26DECFUT", "order_type": None,
    "transaction_type": "BUY", "product": "NRML", "quantity": 75, "price": 0, "filled_quantity": 75, "tag": None,
    "order_timestamp": "2026-11-23 09:15:01",
}  # fmt: skip

LEAVER = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Trader(Strategy):
    def decide(self, bar, now, position):
        minute = now // 60_000_000_000
        if position.is_flat:
            return Intent(action=Action.ENTER_LONG, quantity=1 + minute // 9 % 5) if minute % 9 < 3 else None
        return Intent(action=Action.EXIT_LONG) if minute % 9 > 6 else None
"""


def with_foreign_row(method: str, path: str, answer: Answer) -> Answer:
    if (method, path) != ("GET", "/orders") or answer.status != 200:
        return answer
    return changed(answer, lambda rows: [*rows, FOREIGN])


async def test_a_foreign_row_that_cannot_be_read_is_told_and_every_look_is_whole(tmp_path: Path) -> None:
    async with day(tmp_path) as today:
        today.proxy.alter = with_foreign_row
        async with today.daemon():
            await today.event("order_filled")
            await today.until(lambda: today.proxy.count("GET", "/portfolio/positions") > 4)
    assert not today.all("reconciliation_failed")
    assert not today.all("halt_raised")
    (line,) = today.all("rows_not_read")
    assert "NIFTY26DECFUT" in line["some"][0]
    assert "order_type" in line["some"][0]
    (summary,) = today.all("run_summarized")
    assert summary["rows_not_read"] == 1
    assert summary["reconciled"] > 2


@pytest.mark.parametrize("profile", ["answers", "page"])
async def test_a_ticker_that_is_refused_with_a_page_is_tried_again_and_nothing_ends(
    profile: str, tmp_path: Path
) -> None:
    refusals: list[Answer] = []

    def upgrade() -> Answer | None:
        refusals.append(HTML_403)
        return HTML_403 if len(refusals) < 3 else None

    def page(method: str, path: str) -> Answer | None:
        return HTML_403 if path == "/user/profile" else None

    async with day(tmp_path) as today, today.daemon() as daemon:
        await today.event("trading_started")
        before = today.proxy.count("GET", "/user/profile")
        today.proxy.upgrade = upgrade
        if profile == "page":
            today.proxy.refuse = page
        await today.proxy.cut()
        await today.event("feed_connected", times=2)
        await today.until(lambda: today.proxy.count("GET", "/user/profile") > before)
        assert not daemon.done()
        assert len(refusals) == 3
    assert not today.all("session_lost")
    assert not today.all("halt_raised")


async def test_a_token_that_dies_leaves_a_daemon_that_stays_up_and_a_restart_that_needs_no_resume(
    tmp_path: Path,
) -> None:
    async with day(tmp_path, trader=LEAVER) as today:
        async with today.daemon() as daemon:
            await today.event("order_filled")
            today.proxy.refuse = lambda method, path: TOKEN_DEAD
            today.proxy.upgrade = lambda: TOKEN_DEAD
            await today.proxy.cut()
            lost = await today.event("session_lost")
            assert lost["level"] == "error"
            assert set(lost["positions"]) <= {"RELIANCE", "TCS"}
            await today.until(lambda: any("NEED LOGIN" in word for word in today.supervisor.words))
            assert not daemon.done()
        assert len(today.all("session_lost")) == 1
        assert not today.all("halt_raised")
        # with a new token, which the exchange never took away:
        today.told.clear()
        today.proxy.refuse = lambda method, path: None
        today.proxy.upgrade = lambda: None
        async with today.daemon():
            recovered = await today.event("state_recovered")
            assert recovered.get("halted") is None
            await today.event("order_submitted")


async def test_exits_are_tried_until_an_order_route_says_that_the_login_is_dead_and_leave_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.trading.login_monitor.MAX_RETRY_S", 0.5)
    dead = ("GET", "POST", "PUT", "DELETE")
    async with day(tmp_path, trader=LEAVER) as today, today.daemon() as daemon:

        def sent(purpose: str) -> list[dict[str, Any]]:
            lines = today.told[began:]
            return [line for line in lines if line["event"] == "order_submitted" and line["purpose"] == purpose]

        began = 0
        await today.event("order_filled")
        # Given that only the books say it, exits leave and entries do not.
        today.proxy.refuse = lambda method, path: TOKEN_DEAD if method == "GET" else None
        await today.event("session_lost")
        began = len(today.told)
        await today.until(lambda: sent("exit") or not today.exchange.account.net_positions())
        assert not sent("entry")
        assert not today.all("exits_refused")
        # When it is back, trading goes on; when an order route says it too, no order leaves any more,
        today.proxy.refuse = lambda method, path: None
        await today.event("session_restored")
        began = len(today.told)
        await today.until(lambda: any(line.get("side") == "BUY" for line in today.all("order_filled", began)))
        today.proxy.refuse = lambda method, path: TOKEN_DEAD if method in dead else None
        await today.event("exits_refused")
        asked = today.proxy.asked.count(("POST", "/orders/regular"))
        reads = today.proxy.count("GET", "/user/profile")
        await today.until(lambda: today.proxy.count("GET", "/user/profile") > reads + 2)
        assert today.proxy.asked.count(("POST", "/orders/regular")) <= asked + 2, "but for what was on its way"
        # and what is open is closed as soon as the venue knows the login again.
        today.proxy.refuse = lambda method, path: None
        await today.event("session_restored", times=2)
        began = len(today.told)
        await today.until(lambda: sent("exit"))
        assert not daemon.done()
    assert not today.all("halt_raised")


OPTION = {"tradingsymbol": "NIFTY26JAN24000CE", "exchange": "NFO", "product": "NRML", "average_price": 80.5}
NO_RIGHT = Answer(
    403,
    b'{"status":"error","message":"Insufficient permission for that call.","error_type":"PermissionException"}',
)
COMMA = b"7,7,ACME,ACME, INC,0,,0,0.05,1,EQ,NSE,NSE\n"


async def test_a_start_outlasts_odd_rows_of_others_and_an_account_without_past_bars(tmp_path: Path) -> None:
    def alter(method: str, path: str, answer: Answer) -> Answer:
        if path == "/portfolio/positions":
            return changed(answer, lambda data: data | {"net": [*data["net"], OPTION]})
        if path == "/instruments/NSE":
            return answer._replace(body=answer.body + COMMA)
        return NO_RIGHT if path.startswith("/instruments/historical") else answer

    async with day(tmp_path, analysis={"warmup_bars": 5}) as today:
        today.proxy.alter = alter
        async with today.daemon():
            await today.event("trading_started")
            await today.proxy.say('{"type":"error","data":"Number of tokens exceeds the limit"}')
            await today.proxy.say('{"type":"message","data":"RMS: Rule: Check circuit limit"}')
            await today.proxy.say('{"type":"order","data":{"order_id":7}}')
            await today.event("warning_received", times=2)
            await today.event("order_filled")
    assert [line["level"] for line in today.all("warmup_denied")] == ["warning"]
    rows = today.all("rows_not_read")
    assert any("ACME" in line["some"][0] and "13 fields" in line["some"][0] for line in rows)
    assert any("NIFTY26JAN24000CE" in line["some"][0] and "quantity" in line["some"][0] for line in rows)
    notices = [(line["kind"], line["text"], line["level"]) for line in today.all("warning_received")]
    assert notices == [
        ("error", "Number of tokens exceeds the limit", "warning"),
        ("message", "RMS: Rule: Check circuit limit", "warning"),
    ]
    (summary,) = today.all("run_summarized")
    assert summary["frames_dropped"]["malformed_texts"] == 1


async def test_a_venue_that_is_away_at_the_start_is_waited_for_and_a_bad_key_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.daemon.start_retry.LONGEST_PAUSE_S", 0.1)
    away = Answer(502, b"<html>bad gateway</html>", "text/html")
    async with day(tmp_path) as today:
        today.proxy.refuse = lambda method, path: away
        async with today.daemon() as daemon:
            await today.event("login_failed")
            await today.until(lambda: today.proxy.count("GET", "/user/profile") > 8)
            assert not daemon.done()
            assert any(word.startswith("EXTEND_TIMEOUT_USEC") for word in today.supervisor.words)
            today.proxy.refuse = lambda method, path: None
            await today.event("trading_started")
        today.proxy.refuse = lambda method, path: TOKEN_DEAD
        with pytest.RaisesGroup(pytest.RaisesExc(LoginLost, match="log in again"), allow_unwrapped=True):
            await today.start()


async def test_a_symbol_of_another_exchange_is_traded_there(tmp_path: Path) -> None:
    async with day(tmp_path, symbols="BSE:INFY") as today, today.daemon():
        await today.event("order_filled")
        assert today.proxy.count("GET", "/instruments/BSE")
        assert {order.ticket.exchange for order in today.exchange.latest_orders()} == {"BSE"}
