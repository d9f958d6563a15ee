"""The reminder: what lasts is said at once and ever more rarely, what is not said is counted."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.ops.reminder import TOPICS_REMEMBERED, Reminder


def test_a_thing_is_said_at_once_then_at_intervals_that_double_up_to_the_longest() -> None:
    reminder = Reminder(first_s=10, longest_s=40)
    said = {s: times for s in range(200) if (times := reminder.due_count("books", s * SECOND))}
    assert said == {0: 1, 10: 10, 30: 20, 70: 40, 110: 40, 150: 40, 190: 40}


def test_things_do_not_silence_each_other_and_one_that_is_over_is_said_at_once_again() -> None:
    reminder = Reminder()
    assert [reminder.due_count(thing, 0) for thing in ("a", "b", "a")] == [1, 1, 0]
    reminder.forget_topic("a")
    reminder.forget_topic("never said")
    assert [reminder.due_count(thing, 1) for thing in ("a", "b")] == [1, 0]


def test_no_more_is_remembered_than_its_bound() -> None:
    reminder = Reminder()
    for n in range(3 * TOPICS_REMEMBERED):
        reminder.due_count(str(n), 0)
    assert len(reminder._told) == TOPICS_REMEMBERED
