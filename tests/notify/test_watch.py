"""The watch: told once a state, again each hour, and when it is over; kept over the processes of a timer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.clock import HOUR, MINUTE
from tradebot.errors import StateError
from tradebot.notify.watch import FILE_NAME, Look, WatchedState, judge_look, keep_watched, read_watched

FINE, SILENT, HALTED = Look(0, "trading"), Look(69, "no daemon runs on state"), Look(10, "all: loss of the day")


def told_over(looks: list[tuple[int, Look]], *, in_hours: bool = True) -> list[tuple[int, str]]:
    """Return (minute, title) of what is told over looks at these minutes."""
    state, found = WatchedState(), []
    for minute, look in looks:
        telling, after = judge_look(look, state, now=minute * MINUTE, is_in_hours=in_hours)
        if telling is not None:
            found.append((minute, telling.title))
            state = after
    return found


def test_each_state_is_told_once_then_hourly_and_its_end_is_told() -> None:
    looks = [(n, FINE) for n in range(0, 10, 2)] + [(n, SILENT) for n in range(10, 150, 2)]
    looks += [(n, HALTED) for n in range(150, 160, 2)] + [(n, FINE) for n in range(160, 200, 2)]
    assert told_over(looks) == [
        (10, "the daemon is SILENT"), (70, "the daemon is SILENT"), (130, "the daemon is SILENT"),
        (150, "the daemon needs a person"), (160, "the daemon trades again"),
    ]  # fmt: skip


def test_outside_of_market_hours_no_trouble_is_told_and_its_end_is() -> None:
    assert told_over([(0, SILENT), (2, HALTED)], in_hours=False) == []
    telling, after = judge_look(FINE, WatchedState(69, 0, 0), now=90 * MINUTE, is_in_hours=False)
    assert telling is not None
    assert "1 h 30 min" in telling.body
    assert after == WatchedState()


def test_a_reminder_says_how_long_it_lasts_and_what_to_do() -> None:
    telling, after = judge_look(SILENT, WatchedState(69, 0, 0), now=HOUR, is_in_hours=True)
    assert telling is not None
    assert "no daemon runs on state\nThis lasts 1 h 0 min so far.\nDo: tradebot status" in telling.body
    assert after == WatchedState(69, 0, HOUR)


def test_a_wall_clock_that_went_back_does_not_silence_it() -> None:
    telling, _ = judge_look(SILENT, WatchedState(69, 5 * HOUR, 5 * HOUR), now=HOUR, is_in_hours=True)
    assert telling is not None


def test_what_was_told_is_kept_for_this_user_alone_and_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    state = WatchedState(69, 1, 2)
    assert read_watched(tmp_path) == WatchedState()
    keep_watched(tmp_path / "state", state)
    assert read_watched(tmp_path / "state") == state
    assert (tmp_path / "state" / FILE_NAME).stat().st_mode & 0o777 == 0o600
    (tmp_path / "state" / FILE_NAME).write_bytes(b"{")
    assert read_watched(tmp_path / "state") == WatchedState()
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        keep_watched(tmp_path / "file", state)
