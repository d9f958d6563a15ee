"""The alert sender: at once, then in windows that grow; an outage merges and loses nothing; it never blocks."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.notify.notify_rig import KeepingReceiver, alert_writer, stepped_day
from tests.told import Told
from tradebot.clock import ManualClock
from tradebot.notify.alert_pace import PaceSettings
from tradebot.notify.alert_sender import AlertSender
from tradebot.notify.alert_text import AlertMessage
from tradebot.notify.receiver import NotDelivered
from tradebot.ops.events.desk import HaltRaised, IncidentRaised
from tradebot.ops.events.run import CautionRaised, DaySummarized
from tradebot.ops.events.storage import DiskSpaceExhausted

HALT = HaltRaised(reason="loss of the day", scope="all")
SUMMARY = DaySummarized(
    day="2026-11-30", is_over=True, pnl_net=Decimal(1), charges=Decimal(1), orders=1, fills=1, open_positions={}
)


async def test_the_first_alert_leaves_at_once_and_what_follows_is_one_message() -> None:
    async with stepped_day() as day:
        day.post(HALT)
        await day.advance(3)
        assert [at for at, _ in day.receiver.messages] == [1]
        for number in range(20):
            day.post(IncidentRaised(reason=f"fill {number}"))
            await day.advance(1)
        assert len(day.receiver.messages) == 1
        await day.advance(15)

        (_, (at, second)) = day.receiver.messages
        assert 31 <= at <= 33
        assert "20 times" in second.body


async def test_trouble_that_lasts_a_day_is_told_ever_more_seldom_and_each_event_is_counted() -> None:
    async with stepped_day() as day:
        for _ in range(6 * 60):
            day.post(HALT)
            await day.advance(60)
        await day.advance(1801)

        assert len(day.receiver.messages) < 20
        gaps = [
            later - at for (at, _), (later, _) in zip(day.receiver.messages, day.receiver.messages[1:], strict=False)
        ]
        assert max(gaps) <= 1802
        counted = sum(int(m.title.partition(" and ")[2].split()[0]) + 1 if " and " in m.title else 1
                      for _, m in day.receiver.messages)  # fmt: skip
        assert counted == 360


async def test_another_kind_of_error_does_not_wait_for_the_long_window() -> None:
    async with stepped_day() as day:
        for _ in range(60):
            day.post(HALT)
            await day.advance(60)
        before = len(day.receiver.messages)
        day.post(IncidentRaised(reason="a fill that is not ours"))
        await day.advance(33)

        assert len(day.receiver.messages) == before + 1
        assert "incident raised" in day.receiver.messages[-1][1].body


async def test_an_error_does_not_wait_for_a_message_without_one() -> None:
    async with stepped_day() as day:
        day.post(CautionRaised(reason="x"))
        await day.advance(2)
        day.post(HALT)
        await day.advance(2)
        assert [message.title for _, message in day.receiver.messages] == [
            "LIVE: WARNING caution raised", "LIVE: ERROR halt raised"
        ]  # fmt: skip


async def test_warnings_beyond_the_hours_number_wait_and_none_is_lost() -> None:
    async with stepped_day(PaceSettings(window_s=30, longest_s=30, warnings_per_hour=3)) as day:
        for number in range(40):
            day.post(CautionRaised(reason=f"kind {chr(65 + number)}"))
            await day.advance(60)
        assert len(day.receiver.messages) == 3
        day.post(SUMMARY)  # the day's figures do not wait with them
        await day.advance(40)
        assert "day summarized" in day.receiver.messages[-1][1].body
        for number in range(40):
            assert f"kind {chr(65 + number)}" in day.receiver.text


@pytest.mark.parametrize("times", [3, 2, 1])
async def test_other_settings_hold_from_the_next_message_on(times: int) -> None:
    async with stepped_day(PaceSettings(window_s=30, longest_s=1800, warnings_per_hour=3)) as day:
        for _ in range(30):
            day.post(HALT)
            await day.advance(60)
        grown = len(day.receiver.messages)
        assert grown < 10
        day.sender.change_pace(PaceSettings(window_s=30, longest_s=60, warnings_per_hour=times))
        for _ in range(30):
            day.post(HALT)
            await day.advance(60)
        assert len(day.receiver.messages) >= grown + 14, "they come every minute or two now"
        for number in range(10):
            day.post(CautionRaised(reason=f"kind {chr(65 + number)}"))
            await day.advance(61)
        quiet = [message for _, message in day.receiver.messages if "WARNING" in message.title]
        assert len(quiet) == times


async def test_a_receiver_that_is_down_for_an_hour_loses_no_error_and_gets_one_message() -> None:
    async with stepped_day(down_s=(0, 3600)) as day:
        for minute in range(60):
            day.post(HaltRaised(reason=f"cause {chr(65 + minute % 26)}", scope=f"symbol:S{minute}"))
            day.post(IncidentRaised(reason="a fill that is not ours"))
            await day.advance(60)
        assert not day.receiver.messages
        assert day.receiver.tries < 25
        await day.advance(301)

        ((_, message),) = day.receiver.messages
        assert message.title == "LIVE: ERROR halt raised and 119 more"
        assert "60 times" in message.body
        listed = message.body.count("ERROR halt raised")
        unlisted = message.body.rpartition("halt_raised ")[2].split(",")[0].strip()
        assert listed + (int(unlisted) if unlisted.isdecimal() else 0) == 60
        # The log is told with growing pauses, and once that it works again.
        assert day.told.names.count("alerts_delayed") <= 5
        assert day.told.of("alerts_delivered") == [{"level": "info", "events": 120, "receiver": "kept 1"}]


async def test_a_pause_that_the_receiver_asks_for_is_kept() -> None:
    async with stepped_day(down_s=(0, 5)) as day:
        day.receiver.retry_after_s = 100
        day.post(DiskSpaceExhausted(reason="full", free_mb=0, reserve_kb=0))
        await day.advance(99)
        assert (day.receiver.tries, day.receiver.messages) == (1, [])
        await day.advance(10)
        assert len(day.receiver.messages) == 1


class HangingReceiver:
    name = "hung 1"

    async def deliver_message(self, message: AlertMessage) -> None:
        await asyncio.Event().wait()


async def test_what_was_under_way_at_the_end_is_told_as_undelivered() -> None:
    told = Told()
    sender = AlertSender(HangingReceiver(), PaceSettings(), alert_writer(), clock=ManualClock(), tell=told)
    sender.post_event(HALT, 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await sender.send_rest()
    sender.post_event(IncidentRaised(reason="later"), 1)
    sender.tell_undelivered()

    assert told.of("alerts_not_delivered")[0]["events"] == {"halt_raised": 1, "incident_raised": 1}


async def test_what_comes_while_a_message_fails_waits_with_it() -> None:
    clock, told = ManualClock(), Told()

    class FailingReceiver:
        name = "failing 1"

        async def deliver_message(self, message: AlertMessage) -> None:
            sender.post_event(IncidentRaised(reason="meanwhile"), 1)
            raise NotDelivered("it is down")

    sender = AlertSender(FailingReceiver(), PaceSettings(), alert_writer(), clock=clock, tell=told)
    sender.post_event(HALT, 0)
    await sender.send_rest()
    sender.tell_undelivered()
    assert told.of("alerts_not_delivered")[0]["events"] == {"halt_raised": 1, "incident_raised": 1}


async def test_the_rest_is_sent_at_the_end_without_waiting_for_a_window() -> None:
    clock, told = ManualClock(), Told()
    receiver = KeepingReceiver(clock)
    sender = AlertSender(receiver, PaceSettings(), alert_writer(), clock=clock, tell=told)
    sender.post_event(HALT, 0)
    await sender.send_rest()
    sender.tell_undelivered()
    assert len(receiver.messages) == 1
    assert not told
