"""Two days at one simulated broker with a night between: processes, sockets, logins, and one account throughout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER, PATIENT
from tests.stories.kite_person import KEY_OPTIONS, Person, free_port
from tests.stories.ledger import assert_agree
from tradebot.checker.promises import are_kept, judge_records

pytestmark = pytest.mark.timeout(120)
SYMBOLS = "RELIANCE,TCS,INFY"
BUY = {
    "exchange": "NSE", "tradingsymbol": "TCS", "transaction_type": "BUY", "order_type": "MARKET", "quantity": "1",
    "product": "CNC", "validity": "DAY", "market_protection": "-1",
}  # fmt: skip


def test_an_account_lives_over_a_night_and_needs_a_login_in_the_morning(start: Any, tmp_path: Path) -> None:
    log, ready, trader = (tmp_path / name for name in ("exchange.jsonl", "ready.json", "trader.py"))
    trader.write_text(PATIENT)
    port = free_port()
    owner = Person(f"http://127.0.0.1:{port}")
    run = ("--symbols", SYMBOLS, "--exchange", str(ready), "--workers", "0", "--strategy", f"{trader}:Trader")

    def open_exchange(*options: str) -> Any:
        exchange = start(
            "--symbols", SYMBOLS, "--seed", "7", "--log", str(log), "--speed", "120", "--port", str(port),
            "--redirect-url", "http://127.0.0.1:9/kite", *KEY_OPTIONS, *options, verb="exchange",
        )  # fmt: skip
        printed = json.loads(exchange.process.stdout.readline())
        assert printed["kite"]["access_token"] == ""
        printed["kite"]["access_token"] = owner.log_in()
        ready.write_text(json.dumps(printed))
        return exchange

    # Given a Friday on which the daemon buys and keeps what it has,
    exchange = open_exchange("--at", "2026-11-20T09:15")
    friday_token = owner.token
    daemon = start(*run)
    daemon.event("order_filled")
    assert daemon.stop().code == 0
    token = next(row["instrument_token"] for row in owner.data("/portfolio/positions")["net"])
    minutes = f"/instruments/historical/{token}/minute?from=2026-11-20+09:15:00&to=2026-11-20+15:30:00"
    streamed = owner.data(minutes)["candles"]
    held = {row["tradingsymbol"]: row["quantity"] for row in owner.data("/portfolio/positions")["net"]}
    ordered = owner.data("/orders")[0]["order_id"]
    exchange.process.terminate()
    exchange.process.communicate(timeout=20)

    # when the exchange opens on Monday at the same port, then the token of Friday is dead,
    exchange = open_exchange("--at", "2026-11-23T09:05", "--resume")
    monday_token, owner.token = owner.token, friday_token
    assert owner.ask("GET", "/user/profile")["error_type"] == "TokenException"
    owner.token = monday_token
    # the account is the same, the day's books are empty, and before the open nothing is taken;
    carried = owner.data("/portfolio/positions")["net"]
    assert {row["tradingsymbol"]: row["quantity"] for row in carried} == held
    assert {row["tradingsymbol"]: row["overnight_quantity"] for row in carried} == held
    assert (owner.data("/orders"), owner.data("/trades")) == ([], [])
    assert "Couldn't find" in owner.ask("GET", f"/orders/{ordered}")["message"]
    assert owner.ask("POST", "/orders/regular", **BUY)["message"].startswith("Markets are closed right now.")
    quote = owner.data("/quote?i=NSE:TCS")["NSE:TCS"]
    assert (quote["timestamp"], quote["last_price"]) == ("2026-11-20 15:30:00", quote["ohlc"]["close"])
    # what was streamed on Friday is history now;
    assert streamed
    assert owner.data(minutes)["candles"][: len(streamed)] == streamed
    # and the daemon sells what it kept, with one journal and one log for both days.
    trader.write_text(EAGER)
    daemon = start(*run)
    assert daemon.event("state_recovered")["positions"] == len(held)
    daemon.event("order_filled")
    assert daemon.stop().code == 0
    exchange.process.terminate()
    exchange.process.communicate(timeout=20)
    assert_agree(tmp_path / "state/journal.sqlite3", log)
    assert are_kept(judge_records(tmp_path / "state/journal.sqlite3", against=log))
    assert not any(token in log.read_text() for token in (friday_token, monday_token))
