"""The access token ends in the middle of the day, by a login elsewhere: the daemon stays up, and a login is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER, PATIENT
from tests.stories.ledger import assert_agree
from tests.stories.live_rehearsal import Rehearsal
from tradebot.checker.promises import are_kept, judge_records

pytestmark = pytest.mark.timeout(90)
MANY = "RELIANCE,TCS,INFY,ITC,SBIN,LT,HDFCBANK,ICICIBANK,WIPRO,MARUTI,TITAN,AXISBANK"
DEATHS = {
    "a position open, by a login in the app": ("", PATIENT, "RELIANCE,TCS,INFY"),
    "while the lists of the account are read": ("token-replaced:positions@6", PATIENT, "RELIANCE,TCS,INFY"),
    "between two orders of a burst": ("token-replaced:orders.create@5", EAGER, MANY),
    "at a cancel or a poll of orders": ("token-replaced:orders.list@7", EAGER, "RELIANCE,TCS,INFY"),
    "and the stream is lost and refused": (
        "token-replaced:trades@12,connect-503:ticker.connect@3-5", PATIENT, "RELIANCE,TCS,INFY",
    ),
}  # fmt: skip


@pytest.mark.parametrize("death", DEATHS)
def test_a_dead_token_ends_no_process_and_a_login_brings_all_back(death: str, start: Any, tmp_path: Path) -> None:
    faults, trader, symbols = DEATHS[death]
    day = Rehearsal(start, tmp_path, trader=trader, symbols=symbols)
    day.open_exchange("2026-11-23T11:00", speed=30, options=("--faults", faults) if faults else ())
    daemon = day.run_logged_in()
    daemon.event("trading_started")
    if not faults:
        daemon.event("order_filled")
        day.person.log_in()

    lost = daemon.event("session_lost")
    assert day.verb("status", "--check")[0] == 11
    assert "NEED_LOGIN" in day.verb("status")[1]
    day.log_in()
    daemon.event("session_restored")
    if trader is EAGER:
        daemon.event("order_filled")
    else:
        assert lost["positions"]
    checks = (day.verb("status", "--check")[0] for _ in range(40))
    assert 0 in checks, "it trades again without a resume"
    assert daemon.stop(30).code == 0
    day.close_exchange()

    told = [line["event"] for line in daemon.lines]
    assert told.count("session_lost") == 1
    assert not {"halt_raised", "daemon_failed", "difference_found"} & set(told)
    assert_agree(day.journal, day.log)
    assert are_kept(judge_records(day.journal, against=day.log))
