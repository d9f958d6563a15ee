"""What `status` says of the login, and nothing invented; and how many symbols wait for a repair of their bars."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradebot.clock import IST, ManualClock, parse_iso
from tradebot.daemon.run_vitals import RunVitals
from tradebot.venues.kite.rules import KITE_RULES


def login(began: str, *, ends: str) -> dict[str, Any]:
    return vitals(began, ends=ends)["login"]  # type: ignore[no-any-return]


def vitals(began: str, *, ends: str = "", held_back: tuple[str, ...] = ()) -> dict[str, Any]:
    stage = SimpleNamespace(last_bar_at=0, last_signal_at=0, held_back=held_back)
    engine: Any = SimpleNamespace(signal_stage=stage)
    recovery: Any = SimpleNamespace(runs=(), crashed_runs=())
    return RunVitals(
        clock=ManualClock(parse_iso(began, IST)), engine=engine, recovery=recovery, outbox=None,
        lines_dropped=lambda: 0, login_ends=ends,
    ).read_vitals()  # fmt: skip


@pytest.mark.parametrize(
    ("began", "ends"),
    [
        ("2026-11-23T09:15", "2026-11-24T06:00"),
        ("2026-11-23T05:59:59", "2026-11-23T06:00"),
        ("2026-11-23T06:00", "2026-11-24T06:00"),
        ("2026-11-30T23:59", "2026-12-01T06:00"),
    ],
)
def test_a_login_that_is_held_ends_at_the_next_time_that_the_venue_names(began: str, ends: str) -> None:
    assert login(began, ends=KITE_RULES.login_ends) == {
        "issued_at": None, "held_since": parse_iso(began, IST), "ends_at": parse_iso(ends, IST),
    }  # fmt: skip


def test_where_the_venue_names_no_end_none_is_made_up() -> None:
    assert login("2026-11-23T09:15", ends="")["ends_at"] is None


def test_symbols_that_wait_for_a_repair_are_counted() -> None:
    assert vitals("2026-11-23T09:15")["held_back"] == 0
    assert vitals("2026-11-23T09:15", held_back=("TCS", "INFY"))["held_back"] == 2
