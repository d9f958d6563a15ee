"""Reconciliation: books are evidence only when they are whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from tests.told import Told
from tests.trading.account_lists import FILL, SHOWN, LateBroker, OddBroker
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.messages import FillReport
from tradebot.domain.order import Fill, VenueHolding, VenueOrder
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import LinkLost, LoginLost
from tradebot.trading import reconciliation
from tradebot.trading.poll_schedule import PollPace, PollSchedule
from tradebot.trading.reconciliation import Reconciliation

HELD = VenueHolding(symbol="AAA", exchange="NSE", quantity=Decimal(5), average_price=Decimal(90))


def reading(broker: LateBroker, *, clock: ManualClock | None = None, told: Told | None = None) -> Reconciliation:
    return Reconciliation(
        broker=broker,  # type: ignore[arg-type]
        clock=clock or ManualClock(),
        post=lambda _: None,
        is_exposed=lambda: False,
        tell=Told() if told is None else told,
    )


def trading(clock: ManualClock, wanted_at: Callable[[], int | None] = lambda: None) -> PollSchedule:
    """The schedule while orders live, by which the books are read every five seconds."""
    return PollSchedule(clock, PollPace(), is_exposed=lambda: True, next_poll_mono=wanted_at)


async def test_a_list_of_orders_that_lacks_the_order_of_a_fill_is_read_again() -> None:
    broker = LateBroker(3)
    snapshot = await reading(broker).account_reader.read_consistent()
    assert snapshot.orders == (SHOWN,)
    assert broker.lists == 3


async def test_a_fill_that_the_venue_tells_of_and_does_not_list_is_asked_for_again_and_believed_in_the_end() -> None:
    class Late(LateBroker):
        async def fetch_fills(self) -> VenueRows[Fill]:
            return VenueRows()

    broker = Late(1)
    assert (await reading(broker).account_reader.read_consistent()).fills == ()
    assert broker.lists == 4


async def test_books_that_stay_torn_are_no_books() -> None:
    with pytest.raises(LinkLost, match="fill E1"):
        await reading(LateBroker(99)).account_reader.read_consistent()


async def test_a_doubt_never_makes_the_looks_rarer_than_they_are_while_orders_live() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock)
    doubtful.poll_soon()
    for _ in range(8):
        await doubtful.wait_for_poll(is_failing=False)
        looks.append(clock.now_ns)
    assert max(b - a for a, b in pairwise(looks)) <= 5 * SECOND


async def test_a_look_falls_right_on_the_moment_from_which_it_may_end_a_doubt_and_one_soon_after() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock, wanted_at=lambda: 9 * SECOND)
    doubtful.poll_soon()
    for _ in range(8):
        await doubtful.wait_for_poll(is_failing=False)
        looks.append(clock.now_ns)
    first, second = [look for look in looks if look > 9 * SECOND][:2]
    assert first < 9 * SECOND + SECOND // 100
    assert second - first <= SECOND // 2


async def test_looks_that_end_no_doubt_or_are_not_answered_come_no_more_often_than_usual() -> None:
    clock, looks = ManualClock(100 * SECOND), list[int]()
    wanted = [9 * SECOND]
    doubtful = trading(clock, wanted_at=lambda: wanted[0])
    looks += [int(doubtful.pause_s(is_failing=False) * 10) for _ in range(9)]
    assert looks == [5] * 6 + [50] * 3
    wanted[0] = 50 * SECOND
    assert doubtful.pause_s(is_failing=False) == 0.5
    assert doubtful.pause_s(is_failing=True) == 5.0


ODD_ORDER = UnreadRow(book="orders", reason="order_type: null is none of MARKET", venue_order_id="V9", symbol="NIFTY")


async def test_a_row_that_cannot_be_read_leaves_a_look_whole_is_counted_once_and_told_now_and_then() -> None:
    clock, told = ManualClock(), Told()
    looking = reading(OddBroker(ODD_ORDER), clock=clock, told=told)
    for _ in range(200):
        snapshot = await looking.account_reader.read_snapshot()
        clock.now_ns += 5 * SECOND
    assert (snapshot.orders, snapshot.unread) == ((SHOWN,), (ODD_ORDER,))
    assert looking.account_reader.unread_count == 1
    lines = told.of("rows_not_read")
    assert 4 <= len(lines) <= 6, "at once, then after one, two, four and eight minutes"
    assert sum(int(str(line["times"])) for line in lines) > 100
    assert "V9" in str(lines[0]["some"])
    assert "order_type: null" in str(lines[0]["some"])


@pytest.mark.parametrize(
    "unread",
    [
        UnreadRow(book="orders", reason="odd", venue_order_id="V1"),
        UnreadRow(book="orders", reason="odd"),
        UnreadRow(book="trades", reason="odd", venue_order_id="V1"),
    ],
)
async def test_a_start_is_not_kept_waiting_for_rows_that_cannot_be_read_to_fit_each_other(unread: UnreadRow) -> None:
    class Torn(OddBroker):
        async def fetch_orders(self) -> VenueRows[VenueOrder]:
            return VenueRows([] if unread.book == "orders" else [SHOWN], self._odd("orders"))

        async def fetch_fills(self) -> VenueRows[Fill]:
            return VenueRows([] if unread.book == "trades" else [FILL], self._odd("trades"))

    clock = ManualClock()
    snapshot = await reading(Torn(unread), clock=clock).account_reader.read_consistent()
    assert snapshot.unread == (unread,)
    assert clock.now_ns == 0


async def test_holdings_are_asked_for_once_a_minute_and_fail_no_look() -> None:
    class Holder(LateBroker):
        asked, fails = 0, True

        async def fetch_holdings(self) -> VenueRows[VenueHolding]:  # type: ignore[override]
            self.asked += 1
            if self.fails:
                raise LinkLost("no answer")
            return VenueRows([HELD])

    clock, broker, told = ManualClock(), Holder(1), Told()
    looking = reading(broker, clock=clock, told=told)
    first = await looking.account_reader.read_snapshot()
    assert len(told.of("holdings_not_read")) == 1
    assert (first.holdings, [row.book for row in first.unread]) == ((), ["holdings"])
    broker.fails = False
    for _ in range(13):
        snapshot = await looking.account_reader.read_snapshot()
        clock.now_ns += 5 * SECOND
    broker.fails = True
    clock.now_ns += 60 * SECOND
    assert (snapshot.holdings, (await looking.account_reader.read_snapshot()).holdings) == ((HELD,), (HELD,))
    assert (snapshot.unread, broker.asked) == ((), 4)


async def test_cash_that_cannot_be_read_fails_no_look() -> None:
    class Poor(LateBroker):
        async def fetch_cash(self) -> Decimal:
            raise LinkLost("net: null is not a number")

    told = Told()
    assert (await reading(Poor(1), told=told).account_reader.read_snapshot()).cash is None
    assert len(told.of("cash_not_read")) == 1


async def test_books_that_stay_away_are_told_again_and_again_with_the_time_and_their_return_once() -> None:
    clock, told = ManualClock(), Told()
    looking = reading(LateBroker(1), clock=clock, told=told)
    for _ in range(240):
        looking._on_failure(LinkLost("order_type: null"))
        clock.now_ns += 5 * SECOND
    lines = told.of("reconciliation_failed")
    assert [line["for_s"] for line in lines] == [0.0, 60.0, 180.0, 420.0, 900.0]
    assert [line["times"] for line in lines] == [1, 12, 24, 48, 96]
    looking._on_success()
    looking._on_success()
    assert [line["for_s"] for line in told.of("reconciliation_restored")] == [1200.0]
    looking._on_failure(LinkLost("again"))
    assert told.of("reconciliation_failed")[-1]["times"] == 1, "another spell is said at once"


class Flaky(LateBroker):
    """A broker whose second list is refused because our login is dead, and whose next two do not come."""

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        orders = await super().fetch_orders()
        if self.lists in (2, 3, 4):
            raise LoginLost("TokenException") if self.lists == 2 else LinkLost("no answer")
        return orders


async def for_a_moment(forever: Awaitable[None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await forever


async def test_each_look_that_is_whole_is_posted_and_a_dead_login_is_suspected() -> None:
    posted, suspected = list[object](), list[None]()
    looking = Reconciliation(
        broker=Flaky(1),  # type: ignore[arg-type]
        clock=ManualClock(), post=posted.append, is_exposed=lambda: False, tell=Told(),
        on_login_suspect=lambda: suspected.append(None),
    )  # fmt: skip
    looking.poll_soon()
    await for_a_moment(looking.run_polls())
    assert (looking.poll_count, looking.completed_polls, len(posted), len(suspected)) == (8, 5, 5, 1)


async def test_books_that_do_not_come_are_asked_for_as_often_as_while_orders_work() -> None:
    class Silent(LateBroker):
        async def fetch_orders(self) -> VenueRows[VenueOrder]:
            raise LinkLost("no answer")

    clock = ManualClock()
    looking = reading(Silent(1), clock=clock)
    looking.poll_soon()
    await for_a_moment(looking.run_polls())
    assert clock.now_ns == 22.6 * SECOND, "a tenth, a half, one, two, four, and three times five seconds"


async def test_how_long_the_books_stay_away_is_told_in_tenths_of_a_second() -> None:
    clock, told = ManualClock(1000 * SECOND), Told()
    looking = reading(LateBroker(1), clock=clock, told=told)
    looking._on_failure(LinkLost("no answer"))
    clock.now_ns += 61 * SECOND + SECOND // 4
    looking._on_failure(LinkLost("no answer"))
    looking._on_success()
    assert [line["for_s"] for line in (told[1][1], told[2][1])] == [61.2, 61.2]


async def test_fills_are_fetched_at_each_hint_and_posted_once_unless_they_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Trader(LateBroker):
        prices = iter((100, 100, None, 101))

        async def fetch_fills(self) -> VenueRows[Fill]:
            if (price := next(self.prices)) is None:
                raise LinkLost("no answer")
            return VenueRows([replace(FILL, price=Decimal(price)), replace(FILL, execution_id="E2")])

    posted, told = list[FillReport](), Told()
    looking = Reconciliation(
        broker=Trader(1),  # type: ignore[arg-type]
        clock=ManualClock(7), post=posted.append, is_exposed=lambda: False, tell=told,  # type: ignore[arg-type]
    )  # fmt: skip
    doubts = list[None]()
    monkeypatch.setattr(reconciliation, "FILLS_REMEMBERED", 2)
    monkeypatch.setattr(looking, "poll_soon", lambda: doubts.append(None))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(looking.run_fill_fetches())
        for _ in range(4):
            looking.hint_fill()
            for _ in range(3):
                await asyncio.sleep(0)
        fetching.cancel()
    assert [(fill.fill.execution_id, fill.fill.price) for fill in posted] == [
        ("E1", 100), ("E2", 100), ("E1", 101),
    ]  # fmt: skip
    assert {fill.mono for fill in posted} == {7}
    assert len(told.of("reconciliation_failed")) == len(doubts) == 1, "what could not be fetched is looked for"
