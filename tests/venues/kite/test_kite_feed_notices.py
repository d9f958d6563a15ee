"""What a ticker says besides quotes and orders reaches the operator, and never as a flood."""

from __future__ import annotations

from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.venues.kite.feed_notices import MAX_LINES_PER_MINUTE, FeedNotices
from tradebot.venues.kite.packets import FrameCounts


class Room:
    def __init__(self) -> None:
        self.clock, self.counts = ManualClock(1000 * SECOND), FrameCounts()
        self.told = Told()
        self.words = FeedNotices(
            self.counts, clock=self.clock, tell=self.told
        )  # fmt: skip

    def wait(self, seconds: float) -> None:
        self.clock.now_ns += int(seconds * SECOND)


def test_an_error_and_a_message_of_the_broker_are_warnings_and_its_own_business_is_not() -> None:
    room = Room()
    for kind, text in (("error", "Number of tokens"), ("message", "RMS: ..."), ("instruments_meta", "a dict")):
        room.words.report_notice(kind, text)
    assert [(event, fields["level"], fields["kind"], fields["text"]) for event, fields in room.told] == [
        ("warning_received", "warning", "error", "Number of tokens"),
        ("warning_received", "warning", "message", "RMS: ..."),
        ("notice_received", "info", "instruments_meta", "a dict"),
    ]


def test_a_notice_that_repeats_is_said_ever_more_rarely_with_how_often_it_came() -> None:
    room = Room()
    for _ in range(600):
        room.words.report_notice("error", "again")
        room.wait(1)
    assert [fields["times"] for _, fields in room.told] == [1, 60, 120, 240]


def test_notices_that_differ_each_time_are_no_flood_and_those_unsaid_are_counted() -> None:
    room = Room()
    for n in range(500):
        room.words.report_notice("error", f"tick {n}")
    assert len(room.told) == MAX_LINES_PER_MINUTE
    room.wait(60)
    room.words.report_notice("error", "the last one")
    assert room.told[-1][1]["unsaid"] == 500 - MAX_LINES_PER_MINUTE


def test_frames_that_could_not_be_used_are_told_by_kind_with_the_fault_of_a_text_and_more_rarely_while_it_lasts() -> (
    None
):
    room = Room()
    room.words.report_dropped()
    assert room.told == []
    for _ in range(240):
        room.counts.unknown_tokens += 2
        room.counts.malformed_texts += 1
        room.words.note_malformed("order_type: null is none of MARKET")
        room.words.report_dropped()
        room.wait(5)
    lines = [fields for event, fields in room.told if event == "frames_dropped"]
    assert [line["unknown_tokens"] for line in lines] == [2, 24, 48, 96, 192]
    assert lines[0]["fault"] == "order_type: null is none of MARKET"
    assert {line["level"] for line in lines} == {"warning"}
    assert "odd_lengths" not in lines[0]
