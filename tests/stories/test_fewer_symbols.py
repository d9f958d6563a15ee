"""A run of fewer symbols than the one before: what that one left open is told, counted, and no reason to fail."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def test_a_position_of_a_symbol_that_is_no_longer_named_is_told_and_harms_nothing(start: Any) -> None:
    first = start("--symbols", "NIFTY50", "--speed", "120")
    held = first.event("order_filled")["symbol"]
    ended = first.stop()
    assert ended.code == 0

    said = start("--symbols", "IDEA", "--for", "2s").wait(30)

    assert held in said.one("positions_unwatched")["symbols"]
    assert (said.code, "Traceback" in said.errors) == (0, False)
    assert said.all("trading_started")

    before, after = (run.one("run_summarized") for run in (ended, said))
    assert Decimal(before["whole_charges"]) > 0
    assert Decimal(after["whole_charges"]) >= Decimal(before["whole_charges"])
