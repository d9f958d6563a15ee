"""The queues between the stages: what becomes of a message when its lane is full, and which lane is read first."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tradebot.domain.market import QUOTE_COLUMNS, Quotes
from tradebot.errors import InvariantBroken
from tradebot.stages.lanes import Inbox, Lane


def quotes(at: int, **prices: int) -> Quotes:
    """One row per instrument `i<id>` with its last price."""
    n = len(prices)
    columns = {name: np.zeros(n, dtype=np.int64) for name in QUOTE_COLUMNS}
    columns["ids"] = np.array([int(name[1:]) for name in prices], dtype=np.int64)
    columns["last"] = np.array(list(prices.values()), dtype=np.int64)
    columns["sent_at"] = np.full(n, at, dtype=np.int64)
    return Quotes(source="t", seen_at=at, **columns)


def newest(frames: list[Quotes]) -> dict[int, int]:
    return {int(i): int(p) for frame in frames for i, p in zip(frame.ids, frame.last, strict=True)}


async def test_a_crowded_lane_keeps_the_newest_quote_of_every_instrument() -> None:
    lane = Lane("market", 2)
    for at, frame in enumerate(({"i0": 1, "i1": 1}, {"i2": 1}, {"i0": 2}, {"i3": 9, "i2": 3})):
        lane.offer(quotes(at, **frame))
    assert lane.qsize() == 2
    assert newest([lane.get_nowait(), lane.get_nowait()]) == {0: 2, 1: 1, 2: 3, 3: 9}
    assert lane.merged == 1


async def test_what_may_not_be_lost_fails_loudly_when_its_lane_is_full() -> None:
    lane = Lane("updates", 1)
    lane.post("first")
    with pytest.raises(InvariantBroken, match="updates is full at 1"):
        lane.post("second")
    assert lane.get_nowait() == "first"


async def test_a_full_lane_makes_its_sender_wait_and_loses_nothing() -> None:
    lane, sent = Lane("signals", 2), list[int]()

    async def send() -> None:
        for number in range(5):
            await lane.put(number)
            sent.append(number)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        await asyncio.sleep(0)
        assert sent == [0, 1], "the third waits"
        assert [await lane.get() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_an_inbox_reads_the_first_lane_first_and_each_in_its_order() -> None:
    updates, market = Lane("updates", 8), Lane("quotes", 8)
    inbox = Inbox((updates, market))
    for lane, message in ((market, "q1"), (updates, "u1"), (market, "q2"), (updates, "u2")):
        lane.put_nowait(message)
    assert [await inbox.get() for _ in range(4)] == ["u1", "u2", "q1", "q2"]
    assert inbox.is_empty
    assert (updates.deepest, market.deepest) == (2, 2)
