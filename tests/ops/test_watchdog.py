"""When the supervisor's watchdog is fed: at its pace, while stages beat, no part is stuck and nothing has failed."""

from __future__ import annotations

from typing import Any

from tradebot.clock import SECOND, ManualClock
from tradebot.ops.liveness import Probe
from tradebot.ops.watchdog import Watchdog


class Supervisor:
    """A notifier whose supervisor waits twice `every` seconds; it counts how often it was fed."""

    def __init__(self, every: float | None) -> None:
        self.watchdog_every_s, self.fed = every, 0

    def notify_watchdog(self) -> None:
        self.fed += 1


class Beats:
    """A watchdog with one part, `disk`, that beats every tenth of a second."""

    def __init__(self, every: float | None = 1.0) -> None:
        self.clock, self.supervisor = ManualClock(100 * SECOND), Supervisor(every)
        self.mark: int | None = None
        self.has_failed = False
        self.told: list[tuple[str, Any]] = []
        self.watchdog = Watchdog(
            self.supervisor,  # type: ignore[arg-type]
            clock=self.clock, tell=lambda event: self.told.append((event.name, event.log_fields()["stuck"])),
            has_failed=lambda: self.has_failed,
        )  # fmt: skip
        self.watchdog.set_probes({"disk": Probe(lambda: self.mark, 5.0)})

    def on_beat(self, seconds: int) -> int:
        """Beat for so long and return how often the supervisor was fed meanwhile."""
        before = self.supervisor.fed
        for _ in range(seconds * 10):
            self.watchdog.on_beat()
            self.clock.now_ns += SECOND // 10
        return self.supervisor.fed - before


def test_it_is_fed_at_its_pace_and_not_at_each_beat() -> None:
    assert Beats().on_beat(10) == 10


def test_a_part_that_is_stuck_withholds_it_and_is_named_until_the_part_gets_on() -> None:
    beats = Beats()
    beats.mark = 7
    assert beats.on_beat(6) == 6, "a part has its time"
    assert beats.on_beat(2) == 0
    assert beats.told == [("watchdog_withheld", ["disk"])] * 2
    beats.mark = 8
    assert beats.on_beat(2) == 2


def test_nothing_is_fed_without_a_supervisor_that_watches_or_after_a_failure() -> None:
    assert Beats(every=None).on_beat(3) == 0
    failed = Beats()
    failed.has_failed = True
    assert failed.on_beat(3) == 0
    assert failed.told == []
