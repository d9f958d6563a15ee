"""The way to live trading, rehearsed from an empty folder: paper day, live day, night, live day, kills between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER
from tests.stories.live_rehearsal import Rehearsal
from tradebot.checker.promises import are_kept, judge_records
from tradebot.markets.market import HOME_MARKET

pytestmark = pytest.mark.timeout(180)


def test_a_week_from_an_empty_folder_needs_a_login_each_morning_and_nothing_else(start: Any, tmp_path: Path) -> None:
    # Given an empty folder and a paper day: a start without a login is ready, waits, and says for what.
    week = Rehearsal(start, tmp_path, trader=EAGER, mode="paper")
    week.open_exchange("2026-11-20T09:05", speed=120)
    daemon = week.run()
    assert daemon.event("live_rehearsed")["mode"] == "rehearsal-paper"
    daemon.event("login_needed")
    assert week.verb("status", "--check")[0] == 11
    code, said = week.verb("halt", "too early")
    assert (code, "not trading yet" in said) == (2, True)
    assert "logged in as SIM001; it ends at 2026-11-21T06:00" in week.log_in_by_browser()
    daemon.event("order_filled")
    assert (tmp_path / "state/login-kite.json").stat().st_mode & 0o777 == 0o600
    assert week.status()["account"] == "PAPER-SIM001"

    # A kill needs no login, the saved one counts; the books of the paper account go on.
    daemon.kill()
    daemon = week.run()
    assert daemon.event("login_accepted")["came_from"] == "saved"
    assert daemon.event("state_recovered")["clean"] is False
    daemon.event("order_filled")
    assert week.status()["money"]["whole_fills"] > 1
    assert daemon.stop(30).code == 0
    week.close_exchange()
    assert week.requests() == [], "the venue has heard of no order"

    # The first live day needs a login, as each morning does.
    week.write_config("live")
    week.open_exchange("2026-11-23T14:40", speed=120)
    daemon = week.run_logged_in()
    daemon.event("order_filled")
    assert (week.status()["account"], week.status()["mode"]) == ("SIM001", "rehearsal-live")
    week.await_close()

    # The night: the exchange ends its day and opens the next trading day; the daemon stays up and needs a login.
    week.close_exchange()
    daemon.event("exchange_clock_lost")
    week.open_exchange("2026-11-25T08:40", speed=120)
    assert daemon.event("exchange_clock_moved")["market_time"].startswith("2026-11-25T08:4")
    daemon.event("session_lost")
    daemon.event("login_needed")
    week.log_in()
    daemon.event("session_restored")
    daemon.event("order_filled")

    # A second kill, and the second live day goes on; its end is clean, and the records of both days are kept.
    daemon.kill()
    daemon = week.run()
    daemon.event("order_filled")
    assert daemon.stop(30).code == 0
    week.close_exchange()
    days = {str(HOME_MARKET.date_of(request["at"])) for request in week.requests("POST")}
    assert days == {"2026-11-23", "2026-11-25"}
    verdicts = judge_records(week.journal, against=week.log)
    assert are_kept(verdicts), verdicts
    assert not [line for line in daemon.lines if line["event"] == "halt_raised"]


def test_the_end_of_a_login_at_six_is_announced_and_known_without_an_order(start: Any, tmp_path: Path) -> None:
    night = Rehearsal(start, tmp_path, trader=EAGER)
    night.open_exchange("2026-11-23T05:20", speed=300)
    daemon = night.run()
    daemon.event("login_needed")
    assert "it ends at 2026-11-23T06:00" in night.log_in()
    assert daemon.event("login_end_announced")["ends"] == "2026-11-23T06:00"
    assert night.status()["login"]["state"] == "EXPIRING"
    assert daemon.event("session_lost")["positions"] == {}
    assert night.status()["login"]["state"] == "NEED_LOGIN"
    assert "it ends at 2026-11-24T06:00" in night.log_in()
    daemon.event("session_restored")
    assert night.status()["login"]["state"] == "LOGGED_IN"
    assert daemon.stop(30).code == 0
    assert night.requests() == []


def test_a_dry_start_goes_up_to_ready_and_out_and_has_no_order_route(start: Any, tmp_path: Path) -> None:
    week = Rehearsal(start, tmp_path, trader=EAGER)
    week.open_exchange("2026-11-23T09:20", speed=30)
    said = week.run("--dry-start").wait(30)
    assert (said.code, "tradebot login kite" in said.one("daemon_failed")["reason"]) == (77, True)

    daemon = week.run_logged_in()
    daemon.event("trading_started")
    assert daemon.stop(30).code == 0
    before = len(week.requests())
    said = week.run("--dry-start").wait(40)
    assert (said.code, said.one("daemon_stopped")["reason"]) == (0, "the dry start is ready")
    assert said.one("trading_started")["account"] == "SIM001"
    assert len(week.requests()) == before


def test_a_dry_start_on_a_plan_without_market_data_ends_with_what_it_found(start: Any, tmp_path: Path) -> None:
    week = Rehearsal(start, tmp_path, trader=EAGER)
    week.open_exchange("2026-11-23T09:20", speed=30, options=("--plan", "personal"))
    daemon = week.run_logged_in()
    daemon.event("market_data_denied")
    assert daemon.stop(30).code == 0
    said = week.run("--dry-start").wait(60)
    assert (said.code, "market_data_denied" in said.one("daemon_failed")["reason"]) == (77, True)


def test_a_run_of_limited_time_does_not_wait_longer_for_a_login(start: Any, tmp_path: Path) -> None:
    week = Rehearsal(start, tmp_path, trader=EAGER)
    week.open_exchange("2026-11-23T09:20", speed=30)
    assert week.run("--for", "2s").wait(30).code == 0
