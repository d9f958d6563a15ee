"""Resting stops after a restart: the waits and refusals of earlier runs are not this run's."""

from __future__ import annotations

import msgspec

from tests.trading.desk.days_of_stops import CrashingVenue
from tests.trading.desk.desk_rig import DeskRig
from tests.trading.desk.venue_model import RESTING


def a_venue(on_refusal: str = "hold") -> CrashingVenue:
    settings = msgspec.structs.replace(RESTING, on_refusal=on_refusal)
    venue = CrashingVenue(DeskRig(resting=settings))
    venue.settings = {"resting": settings}
    venue.buy()
    return venue


def test_how_long_shares_have_had_no_stop_counts_from_the_start() -> None:
    venue = a_venue()
    venue.run(1)
    venue.end(venue.stops[0])
    venue.deliver_all()
    venue.refuses = "not now"
    venue.run(20)
    before = len(venue.incidents)
    venue.restart()
    venue.run(2)
    assert len(venue.incidents) == before, "it has three seconds"
    venue.run(2)
    (told,) = venue.incidents[before:]
    assert "10 of 10 shares have had no resting stop for 3." in told


def test_stops_that_an_earlier_run_saw_refused_close_no_position_after_a_restart() -> None:
    venue = a_venue("exit")
    venue.refuses = "not now"
    venue.run(2)
    venue.refuses = ""
    for _ in range(2):
        venue.run(8)
        assert len(venue.stops) == 1
        venue.end(venue.stops[0])
        venue.refuses = "not now"
        venue.run(4)
        venue.refuses = ""
    venue.run(8)
    venue.end(venue.stops[0])
    venue.restart()
    venue.run(4)
    assert venue.held == 10
    assert len(venue.stops) == 1
