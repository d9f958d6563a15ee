"""Two daemons on one account, at the real exchange of this machine: each that sees the other's order halts, loudly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER, PATIENT
from tests.stories.live_rehearsal import Rehearsal, run_verb
from tests.stories.real_process import Daemon

pytestmark = pytest.mark.timeout(120)


def said(state: Path, *words: str) -> str:
    """Return what a verb on a state directory printed; it must not fail."""
    done = run_verb(state, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def halts(state: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(said(state, "status", "--json"))["halts"]
    return found


FOREIGN = "another tradebot trades this account"


def is_two_daemons(line: dict[str, Any]) -> bool:
    return line["event"] == "halt_raised" and FOREIGN in line["reason"]


def is_foreign_order(line: dict[str, Any]) -> bool:
    return line["event"] == "incident_raised" and FOREIGN in line["reason"]


def test_a_second_daemon_halts_at_its_start_and_the_first_one_at_the_second_ones_order(
    start: Any, tmp_path: Path
) -> None:
    # Given an account at an exchange, and a daemon that trades it.
    (tmp_path / "trader.py").write_text(EAGER)
    exchange: Daemon = start(
        "--symbols", "RELIANCE,TCS", "--speed", "60", "--at", "2026-11-23T10:00", "--log", str(tmp_path / "ex.jsonl"),
        verb="exchange",
    )  # fmt: skip
    assert exchange.process.stdout is not None
    (tmp_path / "ready.json").write_text(exchange.process.stdout.readline())
    options = (
        "--strategy", f"{tmp_path}/trader.py:Trader", "--workers", "0",
        "--exchange", str(tmp_path / "ready.json"),
    )  # fmt: skip
    one, other = tmp_path / "state", tmp_path / "other"
    first: Daemon = start(*options, "--symbols", "RELIANCE")
    first.event("order_filled")
    assert halts(one) == []

    # When a second one starts beside it, then it halts before it sends anything, and says why.
    second: Daemon = start(*options, "--symbols", "TCS", "--state-dir", str(other))
    second.until(is_two_daemons)
    second.event("trading_started")
    (halt,) = [halt for halt in halts(other) if halt.get("control") == "two_daemons"]
    assert (halt["scope"], halt["until"]) == ("all", "resume")
    assert json.loads(said(other, "orders", "--json", "--live")) == []
    assert not any(is_two_daemons(line) for line in first.lines)

    # And when a person resumes it all the same, its first order halts the first one.
    while True:  # each order of the first one that is new to it halts it again
        said(other, "resume", "by mistake")
        sent = second.until(lambda line: is_two_daemons(line) or line["event"] == "order_submitted")
        if sent["event"] == "order_submitted":
            break
    first.until(is_two_daemons)
    assert any(halt.get("control") == "two_daemons" for halt in halts(one))
    for daemon in (first, second):
        assert daemon.stop(30).code == 0

    # The journal keeps it: a restart of the first one is halted, too, until a person has found the other.
    third: Daemon = start(*options, "--symbols", "RELIANCE")
    third.event("trading_started")
    assert any(halt.get("control") == "two_daemons" for halt in halts(one))
    said(one, "resume", "the other one is gone")
    third.event("order_filled")
    assert halts(one) == []
    assert third.stop(30).code == 0
    exchange.stop(20)


def test_a_cloned_box_that_is_started_while_the_old_one_trades_is_halted_and_says_why(
    start: Any, tmp_path: Path
) -> None:
    # Given a live day, and a backup taken while it trades.
    day = Rehearsal(start, tmp_path, trader=EAGER, symbols="RELIANCE,TCS")
    day.open_exchange("2026-11-23T11:00", speed=30)
    old = day.run_logged_in()
    old.event("order_filled")
    said(day.folder / "state", "backup", str(tmp_path / "b"))
    old.event("order_filled")

    # When it is restored with the login of the old one, as a copied disk has it, while the old one goes on.
    clone = tmp_path / "clone"
    said(clone, "restore", str(tmp_path / "b"))
    shutil.copy2(day.folder / "state/login-kite.json", clone)
    new = day.run("--state-dir", str(clone))

    # Then its journal lacks what the old one sent since, and it says so. It may halt by that as well; where it sees the
    # order after it has read its HALT file, it is halted already.
    new.event("trading_started")
    if not any(is_foreign_order(line) for line in new.lines):
        new.until(is_foreign_order)
    assert {halt["verb"] for halt in halts(clone)} >= {"kill", "halt"}
    assert new.stop(30).code == 0
    assert old.stop(30).code == 0
    day.close_exchange()


def test_a_restart_and_orders_of_a_person_halt_nothing(start: Any, tmp_path: Path) -> None:
    day = Rehearsal(start, tmp_path, trader=PATIENT, symbols="RELIANCE,TCS")
    day.open_exchange("2026-11-23T11:00", speed=20)
    daemon = day.run_logged_in()
    daemon.event("order_filled")
    daemon.kill()
    day.person.token = json.loads((day.folder / "state/login-kite.json").read_text())["keys"]["access_token"]
    deal = {"exchange": "NSE", "product": "CNC", "order_type": "LIMIT", "quantity": "1", "transaction_type": "BUY"}
    for tag in ({}, {"tag": "byhand"}):
        placed = day.person.ask(
            "POST", "/orders/regular", **deal, **tag, validity="DAY", tradingsymbol="TCS", price="3480"
        )
        assert placed["status"] == "success", placed
    again = day.run()
    again.event("trading_started")
    assert not [line for line in again.lines if line["event"] == "halt_raised"]
    assert again.stop(30).code == 0
    assert not [line for line in again.lines if line["event"] == "halt_raised"]
    day.close_exchange()
