"""Days of faults for alerts: the events of simulated sessions, spread over the hours of a trading day."""

from __future__ import annotations

from tradebot.ops.events import rehearsal
from tradebot.ops.events.catalogue import declared_events
from tradebot.ops.events.event import Event
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.seed_run import run_seed

DAY_S = 22_500.0
OF_THE_MACHINE = tuple(declared_events(rehearsal))  # told by the simulation, not by the daemon


def fault_day(seed: int, *, has_logins: bool = False) -> list[tuple[float, Event]]:
    """Return (second of the day, event) of all that a daemon told in the session of `seed`, in order."""
    found: list[tuple[float, Event]] = []
    run_seed(
        seed,
        kind=DayKind.LOGINS if has_logins else DayKind.PLAIN,
        on_event=lambda at_s, event: found.append((at_s, event)),
    )
    stretch = DAY_S / max(at_s for at_s, _ in found)
    return [(at_s * stretch, event) for at_s, event in found if not isinstance(event, OF_THE_MACHINE)]
