"""`tradebot kill` beside a position with its resting stop: the stop stays, with the daemon dead or alive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stories.resting_day import SHARES, RestingDay

pytestmark = pytest.mark.timeout(100)


def test_with_the_daemon_dead_the_stop_stays_and_a_second_kill_takes_it_too(start: Any, tmp_path: Path) -> None:
    day = RestingDay(start, tmp_path, {"INFY": [("10:50", 1000.0)]}, levels="stop_loss=990")
    day.open_at("11:00")
    day.hold_with_stop().kill()

    code, said = day.verb("kill", "wrong limits", "--config", str(day.config), "--json")
    told = json.loads(said)
    assert (code, told["clean"], told["orders"]) == (0, True, [])
    ((kept,), (held,)) = told["kept"], told["positions"]
    assert (kept["tag"], kept["side"], kept["quantity"], kept["trigger"]) == (day.stops_sent()[0], "SELL", "10", "990")
    assert (held["symbol"], held["quantity"], day.requests("DELETE")) == ("INFY", "10", [])

    code, said = day.verb("kill", "wrong limits", "--config", str(day.config))
    assert (code, "1 stop is left at the exchange: SELL 10 INFY at 990; --cancel-stops" in said) == (0, True), said
    assert not day.requests("DELETE")

    code, said = day.verb("kill", "wrong limits", "--config", str(day.config), "--cancel-stops")
    assert (code, "clean: no order works at the venue; 1 worked before" in said) == (0, True), said
    assert len(day.requests("DELETE")) == 1


def test_with_the_daemon_alive_the_stop_rests_past_the_target_and_closes_at_its_level(
    start: Any, tmp_path: Path
) -> None:
    prices = [("10:50", 1000.0), ("11:25", 1012.0), ("11:40", 988.0)]
    day = RestingDay(start, tmp_path, {"INFY": prices}, levels="stop_loss=990, target=1010")
    day.open_at("11:00")
    daemon = day.hold_with_stop()
    code, said = day.verb("kill", "wrong limits", "--config", str(day.config))
    assert (code, "halted: the daemon of pid" in said, "1 stop is left" in said) == (0, True, True), said

    # The target is touched, and its exit may not leave: the stop is not given up for it.
    denied = daemon.event("order_denied")
    assert (denied["purpose"], "wrong limits" in denied["reason"]) == ("target", True)
    sold = daemon.event("order_filled")
    found = day.status()
    said_at_end = daemon.stop(30)

    assert (sold["order_id"], day.sold(), found["positions"]) == (day.stops_sent()[0], {"INFY": SHARES}, [])
    assert (said_at_end.code, day.requests("DELETE"), len(day.requests("POST"))) == (0, [], 2)
    day.judge()
