"""Stops that rest at the exchange, on real sockets: they hold while the daemon is dead, stopped or cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stories.cut_line import CutLine
from tests.stories.resting_day import SHARES, RestingDay, alarms
from tradebot.clock import SECOND, parse_iso

pytestmark = pytest.mark.timeout(100)
DOUBT = "their exit waits until it is known what became of the stop"


def test_a_stop_that_fires_while_the_daemon_is_dead_is_booked_by_the_next_start(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, {"INFY": [("10:50", 1000), ("11:25", 988)]}, levels="stop_loss=990")
    day.open_at("11:00")
    day.hold_with_stop().kill()
    fill = day.await_log(lambda line: line["kind"] == "fill" and line["side"] == "SELL")
    day.wait_until("11:28")

    daemon = day.run()
    recovered = daemon.event("state_recovered")
    assert (recovered["clean"], recovered["positions"], recovered.get("halted")) == (False, 0, None)
    daemon.event("trading_started")
    found = day.status()
    assert (found["positions"], found["orders"], found["resting_stops"], found["halts"]) == ([], [], [], [])
    said = daemon.stop(30)

    assert (said.code, alarms(daemon), said.all("order_submitted")) == (0, [], [])
    assert (day.sold(), fill["quantity"], len(day.stops_sent())) == ({"INFY": SHARES}, "10", 1)
    day.judge()


def test_a_start_finds_the_stop_that_rests_and_keeps_it_alone(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, {"INFY": [("10:50", 1000), ("11:40", 988)]}, levels="stop_loss=990")
    day.open_at("11:00")
    day.hold_with_stop().kill()
    day.wait_until("11:20")

    daemon = day.run()
    assert daemon.event("state_recovered")["working"] == 1
    daemon.event("trading_started")
    (stop,) = day.status()["resting_stops"]
    assert (stop["symbol"], stop["quantity"], stop["resting"], stop["trigger"]) == ("INFY", "10", "10", "990.0")
    assert stop["reason"] == ""
    filled = daemon.event("order_filled")
    said = daemon.stop(30)

    assert (filled["order_id"], said.code, alarms(daemon)) == (day.stops_sent()[0], 0, [])
    assert (day.sold(), len(day.stops_sent())) == ({"INFY": SHARES}, 1)
    day.judge()


def test_a_polite_stop_leaves_the_stop_at_the_exchange_says_so_and_takes_no_longer(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, {"INFY": [("10:50", 1000), ("11:40", 988)]}, levels="stop_loss=990, target=1040")
    day.open_at("11:00")
    daemon = day.hold_with_stop()
    said = daemon.stop(30)

    (rests,) = said.all("stops_retained")
    row = {"qty": "10", "stop": "990.0", "target": "1040.0", "resting": "10", "rests_at": "990.0"}
    assert (said.code, rests["positions"], said.all("stops_ended")) == (0, {"INFY": row}, [])
    began, ended = (parse_iso(said.one(name)["timestamp"]) for name in ("stop_requested", "daemon_stopped"))
    assert ended - began < 2 * SECOND
    assert not day.requests("DELETE")
    assert day.await_log(lambda line: line["kind"] == "fill" and line["side"] == "SELL")["quantity"] == "10"

    # The next start books what the exchange did meanwhile.
    daemon = day.run()
    assert daemon.event("state_recovered")["positions"] == 0
    said = daemon.stop(30)
    assert (said.code, alarms(daemon), day.sold()) == (0, [], {"INFY": SHARES})
    day.judge()


@pytest.mark.parametrize(
    ("prices", "cut_until"),
    [
        # The target stands when the line is back: the daemon cancels the stop, sees it end, and sells.
        ([("10:50", 1000), ("11:20", 1012)], "11:32"),
        # It came and went; the stop is reached later, with the line back.
        ([("10:50", 1000), ("11:20", 1012), ("11:26", 1003), ("11:50", 988)], "11:32"),
        # It came, and the stop as well, before the line was back.
        ([("10:50", 1000), ("11:20", 1012), ("11:26", 988)], "11:34"),
    ],
    ids=["the-target-stands", "the-target-is-gone", "the-stop-fires"],
)
def test_a_target_that_is_touched_while_the_line_is_cut_sells_nothing_twice(
    prices: list[tuple[str, float]], cut_until: str, start: Any, tmp_path: Path
) -> None:
    day = RestingDay(start, tmp_path, {"INFY": prices}, levels="stop_loss=990, target=1010")
    day.open_at("11:00")
    with CutLine(day.port).open() as line:
        day.connect_by(line.port)
        daemon = day.hold_with_stop()
        line.cut()
        day.wait_until(cut_until)
        line.mend()
        filled = daemon.until(lambda one: one["event"] == "order_filled" and one["side"] == "SELL")
        day.wait_until("11:58")
        found = day.status()
        said = daemon.stop(30)

    assert (found["positions"], found["orders"], found["resting_stops"]) == ([], [], [])
    assert (said.code, day.sold(), filled["qty"]) == (0, {"INFY": SHARES}, "10")
    assert [line for line in alarms(daemon) if DOUBT not in line["reason"]] == []
    day.judge()


@pytest.mark.parametrize("is_gone", [True, False], ids=["the-stop-fires", "the-target-stands"])
def test_a_line_that_is_cut_while_the_stop_is_cancelled_for_the_target_sells_nothing_twice(
    is_gone: bool, start: Any, tmp_path: Path
) -> None:
    prices = [("10:50", 1000.0), ("11:20", 1012.0), *([("11:23", 988.0)] if is_gone else [])]
    day = RestingDay(start, tmp_path, {"INFY": prices}, levels="stop_loss=990, target=1010")
    day.open_at("11:00")
    with CutLine(day.port).open() as line:
        day.connect_by(line.port)
        daemon = day.hold_with_stop()
        daemon.event("order_cancel_sent")
        line.cut()
        day.wait_until("11:34")
        line.mend()
        daemon.until(lambda one: one["event"] == "order_filled" and one["side"] == "SELL")
        day.wait_until("11:58")
        found = day.status()
        said = daemon.stop(30)

    assert (found["positions"], found["orders"]) == ([], [])
    assert (said.code, day.sold()) == (0, {"INFY": SHARES})
    (alarm,) = alarms(daemon)
    assert DOUBT in alarm["reason"], "a cancel that is in doubt for longer than three seconds is told, once"
    day.judge()
