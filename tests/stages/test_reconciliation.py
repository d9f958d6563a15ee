"""Reconciliation: books are evidence only when they are whole."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.domain.order import Execution, OrderKind, Side, VenueOrder, VenueStatus
from tradebot.errors import LinkLost
from tradebot.stages.reconciliation import Reconciliation

SHOWN = VenueOrder(
    venue_order_id="V1", tag="T1", symbol="TCS", exchange="NSE", product="MIS", side=Side.BUY, kind=OrderKind.MARKET,
    status=VenueStatus.FILLED, quantity=Decimal(2), filled=Decimal(2), average_price=Decimal(100),
)  # fmt: skip
FILL = Execution(
    execution_id="E1", venue_order_id="V1", symbol="TCS", exchange="NSE", product="MIS", side=Side.BUY,
    quantity=Decimal(2), price=Decimal(100), traded_at=1,
)  # fmt: skip


class Books:
    """A broker that lists the order of its one fill from the `n`-th list on."""

    def __init__(self, n: int) -> None:
        self.lists, self._from = 0, n

    async def orders(self) -> list[VenueOrder]:
        self.lists += 1
        return [SHOWN] if self.lists >= self._from else []

    async def executions(self) -> list[Execution]:
        return [FILL]

    async def positions(self) -> list[object]:
        return []

    async def cash(self) -> Decimal:
        return Decimal(0)


def reading(broker: Books) -> Reconciliation:
    return Reconciliation(
        broker=broker,  # type: ignore[arg-type]
        clock=ManualClock(),
        post=lambda _: None,
        has_live=lambda: False,
        on_failure=lambda _: None,
    )


def trading(clock: ManualClock, wanted_at: Callable[[], int | None] = lambda: None) -> Reconciliation:
    """A reconciliation while orders live, which looks every five seconds."""
    return Reconciliation(
        broker=Books(1),  # type: ignore[arg-type]
        clock=clock,
        post=lambda _: None,
        has_live=lambda: True,
        on_failure=lambda _: None,
        live_every_s=5.0,
        wanted_at=wanted_at,
    )


async def test_a_list_of_orders_that_lacks_the_order_of_a_fill_is_read_again() -> None:
    broker = Books(3)
    books = await reading(broker).read_whole()
    assert books.orders == (SHOWN,)
    assert broker.lists == 3


async def test_a_fill_that_the_venue_tells_of_and_does_not_list_is_asked_for_again_and_believed_in_the_end() -> None:
    class Late(Books):
        async def executions(self) -> list[Execution]:
            return []

    broker = Late(1)
    assert (await reading(broker).read_whole()).executions == ()
    assert broker.lists == 4


async def test_books_that_stay_torn_are_no_books() -> None:
    with pytest.raises(LinkLost, match="fill E1"):
        await reading(Books(99)).read_whole()


async def test_a_doubt_never_makes_the_looks_rarer_than_they_are_while_orders_live() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock)
    doubtful.doubt()
    for _ in range(8):
        await doubtful._wait()
        looks.append(clock.now)
    assert max(b - a for a, b in pairwise(looks)) <= 5 * SECOND


async def test_a_look_falls_right_on_the_moment_from_which_it_may_end_a_doubt_and_one_soon_after() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock, wanted_at=lambda: 9 * SECOND)
    doubtful.doubt()
    for _ in range(8):
        await doubtful._wait()
        looks.append(clock.now)
    first, second = [look for look in looks if look > 9 * SECOND][:2]
    assert first < 9 * SECOND + SECOND // 100
    assert second - first <= SECOND // 2


async def test_looks_that_end_no_doubt_or_are_not_answered_come_no_more_often_than_usual() -> None:
    clock, looks = ManualClock(100 * SECOND), list[int]()
    doubtful = trading(clock, wanted_at=lambda: 9 * SECOND)
    looks += [int(doubtful._pause_s() * 10) for _ in range(9)]
    assert looks == [5] * 6 + [50] * 3
    doubtful._wanted_at = lambda: 50 * SECOND
    assert doubtful._pause_s() == 0.5
    doubtful._fail("down")
    assert doubtful._pause_s() == 5.0
