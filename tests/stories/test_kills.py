"""kill -9 in the middle of the day: of a worker, and of the daemon while its exchange lives on."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.stories.ledger import assert_agree, exchange_side
from tradebot.journal.reader import verify_chain

pytestmark = pytest.mark.timeout(120)
SYMBOLS = "RELIANCE,TCS,INFY,SBIN,ITC,HDFCBANK,ICICIBANK,AXISBANK"


def workers_of(pid: int) -> list[int]:
    """The processes in the daemon's process tree that run strategies: those whose niceness the worker raised."""
    found, line, ours = [], [pid], os.nice(0)
    while line:
        tasks = Path(f"/proc/{line.pop(0)}/task").glob("*/children")  # a child belongs to the thread that made it
        for child in map(int, " ".join(path.read_text() for path in tasks).split()):
            line.append(child)
            nice = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[16])
            if nice > ours:
                found.append(child)
    return found


def test_a_killed_worker_is_replaced_and_the_day_goes_on(start: Any, tmp_path: Path) -> None:
    daemon = start("--symbols", SYMBOLS, "--workers", "1", "--log-level", "debug")
    daemon.until(lambda line: line["event"] == "bar_closed")
    (worker,) = workers_of(daemon.process.pid)
    os.kill(worker, signal.SIGKILL)
    daemon.event("worker_lost")
    daemon.event("worker_rebuilt")
    daemon.event("signal_fired")
    said = daemon.stop()
    assert said.code == 0
    assert_agree(tmp_path / "state/journal.sqlite3", tmp_path / "state/exchange.jsonl")


def test_a_killed_daemon_recovers_and_no_order_goes_out_twice(start: Any, tmp_path: Path) -> None:
    log, ready = tmp_path / "exchange.jsonl", tmp_path / "ready.json"
    exchange = start(
        "--symbols", SYMBOLS, "--speed", "120", "--seed", "7", "--log", str(log), "--at", "2026-11-23T09:15",
        verb="exchange",
    )  # fmt: skip
    ready.write_text(exchange.process.stdout.readline())
    arguments = ("--symbols", SYMBOLS, "--exchange", str(ready))
    on_purpose = {"TRADEBOT_RISK__MAX_CRASHES": "0"}  # else the fourth start is halted
    for wanted in ("order_submitted", "order_filled", "order_acked"):
        daemon = start(*arguments, env=on_purpose)
        daemon.until(lambda line: line["event"] in ("state_recovered", "books_reconciled"))
        daemon.event(wanted)
        daemon.kill()
    daemon = start(*arguments, env=on_purpose)
    recovered = daemon.event("state_recovered")
    assert recovered["clean"] is False
    booked = exchange_side(log)
    open_now = {s: q for s, q in booked.positions.items() if q}
    assert recovered["positions"] == len(open_now)
    daemon.event("order_filled")
    said = daemon.stop()
    assert said.code == 0
    assert not said.all("difference_found")
    theirs = assert_agree(tmp_path / "state/journal.sqlite3", log)
    left = said.one("run_summarized")["open_positions"]
    assert {s: Decimal(q) for s, q in left.items()} == {s: q for s, q in theirs.positions.items() if q}
    assert verify_chain(tmp_path / "state/journal.sqlite3").is_intact
