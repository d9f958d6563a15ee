"""A day of faults: fewer than twenty messages, and every event of level error is in one, receiver down or not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.notify.fault_days import DAY_S, fault_day
from tests.notify.notify_rig import KeepingReceiver, stepped_day
from tradebot.domain.order import Side
from tradebot.notify.alert_choice import AlertChoice
from tradebot.ops.events.desk import HaltRaised, IncidentRaised
from tradebot.ops.events.event import Event
from tradebot.ops.events.orders import OrderUnknown
from tradebot.ops.events.venue import SessionLost

MOST_MESSAGES = 20
SESSIONS = (6, 8, 9, 11, 12, 15)  # seeds with errors; every third has logins
DOWN_S = (3_600.0, 7_200.0)


@pytest.fixture(scope="module")
def bad_day() -> list[tuple[float, Event]]:
    """The faults of six simulated sessions in one day, in the order of their time."""
    found = [pair for seed in SESSIONS for pair in fault_day(seed, has_logins=seed % 3 == 0)]
    return sorted(found, key=lambda pair: pair[0])


def played(events: Iterable[tuple[float, Event]], down_s: tuple[float, float]) -> tuple[Counter[str], KeepingReceiver]:
    """Return how many alerts of each event there were, and the receiver that got their messages."""

    async def play() -> tuple[Counter[str], KeepingReceiver]:
        posted, passed, choice = Counter[str](), 0, AlertChoice()
        async with stepped_day(down_s=down_s) as day:
            for at_s, event in events:
                if choice.is_wanted(event):
                    await day.advance(int(at_s) - passed)
                    passed = int(at_s)
                    day.post(event)
                    posted[event.name] += 1
            await day.advance(DAY_S - passed + 1_801)
            return posted, day.receiver

    return asyncio.run(play())


def delivered(receiver: KeepingReceiver) -> int:
    """Return how many events the titles of all messages count."""
    rests = (message.title.rpartition(" and ") for _, message in receiver.messages)
    return sum(1 + (int(rest.split()[0]) if title else 0) for title, _, rest in rests)


@pytest.mark.parametrize("down_s", [(0.0, 0.0), DOWN_S], ids=["always up", "down for an hour"])
def test_a_day_of_faults_is_fewer_than_twenty_messages_and_misses_no_error(
    bad_day: list[tuple[float, Event]], down_s: tuple[float, float]
) -> None:
    posted, receiver = played(bad_day, down_s)

    assert posted.total() >= 8
    assert len(receiver.messages) < MOST_MESSAGES
    assert delivered(receiver) == posted.total()
    for name in posted:
        assert name.replace("_", " ") in receiver.text or name in receiver.text
    begins, ends = down_s
    assert not [at for at, _ in receiver.messages if begins <= at < ends]


def test_errors_all_day_long_are_fewer_than_twenty_messages_too() -> None:
    kinds: tuple[Event, ...] = (
        HaltRaised(reason="loss", scope="symbol:TCS"), IncidentRaised(reason="a fill that is not ours"),
        SessionLost(reason="403", positions={}), OrderUnknown(order_id="T1", symbol="TCS", side=Side.BUY, reason="504"),
    )  # fmt: skip
    events = [(float(second), kinds[second // 60 % 4]) for second in range(0, int(DAY_S), 60)]

    posted, receiver = played(events, (0.0, 0.0))

    assert posted.total() == 375
    assert len(receiver.messages) < MOST_MESSAGES
    assert delivered(receiver) == 375
