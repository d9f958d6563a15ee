"""What the watchdog says of progress to others than systemd, such as the heartbeat."""

from __future__ import annotations

from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.ops.liveness import Probe
from tradebot.ops.systemd import Notifier
from tradebot.ops.watchdog import BEAT_WITHIN_S, Watchdog


def test_it_names_stages_that_do_not_beat_parts_that_stall_and_a_failed_journal() -> None:
    clock, failed = ManualClock(SECOND), [False]
    watchdog = Watchdog(Notifier({}), clock=clock, tell=Told(), has_failed=lambda: failed[0])
    assert watchdog.stall_reason() == "the stages"  # none has beaten yet
    watchdog.on_beat()
    assert watchdog.stall_reason() == ""

    watchdog.set_probes({"sender": Probe(progress=lambda: 7, within_s=10)})
    watchdog.stall_reason()
    clock.now_ns += 11 * SECOND
    watchdog.on_beat()
    assert watchdog.stall_reason() == "sender"
    clock.now_ns += int((BEAT_WITHIN_S + 1) * SECOND)
    assert watchdog.stall_reason() == "the stages"
    failed[0] = True
    assert watchdog.stall_reason() == "the journal has failed"
