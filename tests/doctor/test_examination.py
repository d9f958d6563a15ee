"""The examination: every check gets its word, whatever the others do, and the end comes in time."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from tradebot.clock import SECOND, WallClock
from tradebot.doctor.examination import examine, one_at_a_time
from tradebot.doctor.finding import Colour, Finding, exit_code_of, green, red, yellow
from tradebot.errors import StateError

CLOCK = WallClock()


def test_a_check_that_fails_in_any_way_hides_no_other() -> None:
    def by_us() -> Iterable[Finding]:
        yield green("said", "one")
        raise StateError("the journal is torn")

    def by_the_system() -> Iterable[Finding]:
        raise PermissionError(13, "Permission denied", "/x")

    def by_a_bug() -> Iterable[Finding]:
        raise KeyError("pid")

    found = examine(
        {"a": by_us, "b": by_the_system, "c": by_a_bug, "d": lambda: [green("d", "well")]}, clock=CLOCK, within_s=10
    )

    assert [(one.check, one.colour) for one in found] == [
        ("a", Colour.RED), ("b", Colour.RED), ("c", Colour.RED), ("d", Colour.GREEN)
    ]  # fmt: skip
    assert "the journal is torn" in found[0].what
    assert "Permission denied" in found[1].what
    assert "KeyError('pid')" in found[2].what
    assert all(one.remedy for one in found[:3])


def test_a_check_that_hangs_is_left_and_said_in_time() -> None:
    end = threading.Event()

    def hanging() -> Iterable[Finding]:
        end.wait(60)
        return [green("slow", "never seen")]

    began = CLOCK.monotonic_ns()
    found = examine({"slow": hanging, "quick": lambda: [green("quick", "well")]}, clock=CLOCK, within_s=0.2)
    took_s = (CLOCK.monotonic_ns() - began) / SECOND
    end.set()

    assert [(one.check, one.colour) for one in found] == [("slow", Colour.RED), ("quick", Colour.GREEN)]
    assert "no answer within 0.2 s" in found[0].what
    assert took_s < 10


def test_checks_with_one_lock_run_one_after_the_other() -> None:
    lock, inside, most = threading.Lock(), [0], [0]

    def check() -> Iterable[Finding]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.02)
        inside[0] -= 1
        yield green("x", "well")

    assert len(examine({name: one_at_a_time(lock, check) for name in "abcd"}, clock=CLOCK, within_s=10)) == 4
    assert most == [1]


def test_only_red_is_an_exit_code() -> None:
    assert exit_code_of([green("a", "x"), yellow("b", "x", "y")]) == 0
    assert exit_code_of([green("a", "x"), red("b", "x", "y")]) == 1
