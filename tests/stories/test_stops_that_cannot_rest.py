"""A stop that the exchange refuses, and the end of the day for stops that rest: by symbol, by 15:15 or 15:30."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories.resting_day import SHARES, RestingDay, alarms
from tradebot.clock import SECOND, parse_iso

pytestmark = pytest.mark.timeout(100)
NO_STOPS = "no-stops@1"  # from its first minute on the exchange takes no stop order


def test_a_refused_stop_raises_the_alarm_and_the_daemons_own_stop_holds(start: Any, tmp_path: Path) -> None:
    prices = [("10:50", 1000.0), ("11:30", 987.0)]
    day = RestingDay(start, tmp_path, {"INFY": prices}, levels="stop_loss=988")
    day.open_at("11:00", faults=NO_STOPS)
    daemon = day.run_logged_in()
    bought = daemon.event("order_filled")
    told = daemon.event("incident_raised")
    found = day.status()
    sold = daemon.event("order_filled")
    day.wait_until("11:40")
    flat = day.status()
    said = daemon.stop(30)

    assert parse_iso(told["timestamp"]) - parse_iso(bought["timestamp"]) < 4 * SECOND
    assert "INFY: 10 of 10 shares have had no resting stop" in told["reason"]
    (halt,) = [row for row in found["halts"] if row["verb"] == "no resting stop"]
    assert (halt["scope"], halt["reason"].startswith("no stop rests at the venue: ")) == ("symbol:INFY", True)
    assert found["resting_stops"][0]["reason"]
    assert (sold["side"], sold["qty"], day.sold(), flat["positions"]) == ("SELL", "10", {"INFY": SHARES}, [])
    assert (said.code, daemon_lines(daemon, "halt_raised")) == (0, [])
    day.judge()


def test_a_refused_stop_closes_the_position_where_that_is_wanted(start: Any, tmp_path: Path) -> None:
    prices = [("10:50", 1000.0)]
    settings = '[protection]\non_refusal = "exit"\n'
    day = RestingDay(start, tmp_path, {"INFY": prices}, levels="stop_loss=988", settings=settings)
    day.open_at("11:00", faults=NO_STOPS)
    daemon = day.run_logged_in()
    bought = daemon.event("order_filled")
    left = daemon.until(lambda line: line["event"] == "order_submitted" and line["purpose"] == "stop")
    sold = daemon.event("order_filled")
    found = day.status()
    said = daemon.stop(30)

    assert parse_iso(sold["timestamp"]) - parse_iso(bought["timestamp"]) < 8 * SECOND
    assert (left["reason"].startswith("no stop can rest: "), day.sold(), found["positions"]) == (
        True, {"INFY": SHARES}, [],
    )  # fmt: skip
    assert (said.code, daemon_lines(daemon, "halt_raised"), len(day.stops_sent())) == (0, [], 3)
    day.judge()


# Since 3 August 2026 the continuous session of the first, which has derivatives, ends at 15:15, of the other at 15:30.
ENDS = {"RELIANCE": "15:15", "SYM0001": "15:30"}
FLAT = {symbol: [("14:20", 1000.0)] for symbol in ENDS}


def test_each_symbol_is_flat_before_its_own_close_and_no_stop_is_left(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, FLAT, levels="stop_loss=990", day="2026-08-03")
    day.open_at("14:30")
    daemon = day.hold_with_stop(symbols=2)
    day.wait_until("15:16")
    half = day.status()
    day.await_log(lambda line: line["kind"] == "end")
    found = day.status()
    said = daemon.stop(30)

    assert half["positions"] == []
    assert (found["positions"], found["orders"], found["resting_stops"]) == ([], [], [])
    assert (said.code, day.sold(), alarms(daemon)) == (0, dict.fromkeys(ENDS, SHARES), [])
    sold = {fill["symbol"]: fill["traded_at"] for fill in day.logged("fill") if fill["side"] == "SELL"}
    assert all(traded_at < day.at(ENDS[symbol]) for symbol, traded_at in sold.items())
    assert len(day.stops_sent()) == len(day.requests("DELETE")) == 2
    day.judge()


def test_a_start_after_the_early_close_takes_the_cancelled_stop_for_what_it_is(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, FLAT, levels="stop_loss=990", day="2026-08-03")
    day.open_at("14:30")
    day.hold_with_stop(symbols=2).kill()
    day.wait_until("15:18")  # the exchange has cancelled the stop of the first, and that of the second rests

    daemon = day.run()
    assert daemon.event("state_recovered")["working"] == 1
    sold = daemon.event("order_filled")
    found = day.status()
    said = daemon.stop(30)

    assert (sold["symbol"], [row["symbol"] for row in found["positions"]]) == ("SYM0001", ["RELIANCE"])
    (stop,) = found["resting_stops"]
    assert (stop["symbol"], stop["resting"], stop["reason"]) == (
        "RELIANCE", "0", "the session is over, no stop can be placed",
    )  # fmt: skip
    assert (found["orders"], found["halts"], said.code) == ([], [], 0)
    assert (day.sold(), len(day.stops_sent())) == ({"SYM0001": SHARES}, 2)
    day.judge()


def daemon_lines(daemon: Any, event: str) -> list[dict[str, Any]]:
    """Return the lines of a daemon that tell one event."""
    return [line for line in daemon.lines if line["event"] == event]
