"""Reconciliation: books are evidence only when they are whole."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.domain.listed import Listed, Unread
from tradebot.domain.order import Execution, OrderKind, Side, VenueHolding, VenueOrder, VenueStatus
from tradebot.errors import LinkLost
from tradebot.trading.look_schedule import LookSchedule, Pace
from tradebot.trading.reconciliation import Reconciliation

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

    async def orders(self) -> Listed[VenueOrder]:
        self.lists += 1
        return Listed([SHOWN] if self.lists >= self._from else [])

    async def executions(self) -> Listed[Execution]:
        return Listed([FILL])

    async def positions(self) -> Listed[object]:
        return Listed()

    async def holdings(self) -> Listed[object]:
        return Listed()

    async def cash(self) -> Decimal:
        return Decimal(0)


HELD = VenueHolding(symbol="AAA", exchange="NSE", quantity=Decimal(5), average_price=Decimal(90))


class Told:
    """What the operator was told: (event, fields)."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, **fields: object) -> None:
        self.all.append((event, fields))

    def of(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.all if name == event]


def reading(broker: Books, *, clock: ManualClock | None = None, told: Told | None = None) -> Reconciliation:
    return Reconciliation(
        broker=broker,  # type: ignore[arg-type]
        clock=clock or ManualClock(),
        post=lambda _: None,
        has_live=lambda: False,
        tell=told or Told(),
    )


def trading(clock: ManualClock, wanted_at: Callable[[], int | None] = lambda: None) -> LookSchedule:
    """The schedule while orders live, by which the books are read every five seconds."""
    return LookSchedule(clock, Pace(), has_live=lambda: True, wanted_at=wanted_at)


async def test_a_list_of_orders_that_lacks_the_order_of_a_fill_is_read_again() -> None:
    broker = Books(3)
    books = await reading(broker).books.read_whole()
    assert books.orders == (SHOWN,)
    assert broker.lists == 3


async def test_a_fill_that_the_venue_tells_of_and_does_not_list_is_asked_for_again_and_believed_in_the_end() -> None:
    class Late(Books):
        async def executions(self) -> Listed[Execution]:
            return Listed()

    broker = Late(1)
    assert (await reading(broker).books.read_whole()).executions == ()
    assert broker.lists == 4


async def test_books_that_stay_torn_are_no_books() -> None:
    with pytest.raises(LinkLost, match="fill E1"):
        await reading(Books(99)).books.read_whole()


async def test_a_doubt_never_makes_the_looks_rarer_than_they_are_while_orders_live() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock)
    doubtful.doubt()
    for _ in range(8):
        await doubtful.wait(is_failing=False)
        looks.append(clock.now)
    assert max(b - a for a, b in pairwise(looks)) <= 5 * SECOND


async def test_a_look_falls_right_on_the_moment_from_which_it_may_end_a_doubt_and_one_soon_after() -> None:
    clock, looks = ManualClock(), list[int]()
    doubtful = trading(clock, wanted_at=lambda: 9 * SECOND)
    doubtful.doubt()
    for _ in range(8):
        await doubtful.wait(is_failing=False)
        looks.append(clock.now)
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


ODD_ORDER = Unread(book="orders", reason="order_type: null is none of MARKET", venue_order_id="V9", symbol="NIFTY")


class Odd(Books):
    """A broker one of whose lists has a row that cannot be read; everything else fits."""

    def __init__(self, *unread: Unread) -> None:
        super().__init__(1)
        self.unread = unread

    def _odd(self, book: str) -> list[Unread]:
        return [row for row in self.unread if row.book == book]

    async def orders(self) -> Listed[VenueOrder]:
        return Listed([SHOWN], self._odd("orders"))

    async def executions(self) -> Listed[Execution]:
        return Listed([FILL], self._odd("trades"))

    async def positions(self) -> Listed[object]:
        return Listed([], self._odd("positions"))


async def test_a_row_that_cannot_be_read_leaves_a_look_whole_is_counted_once_and_told_now_and_then() -> None:
    clock, told = ManualClock(), Told()
    looking = reading(Odd(ODD_ORDER), clock=clock, told=told)
    for _ in range(200):
        books = await looking.books.read()
        clock.now += 5 * SECOND
    assert (books.orders, books.unread) == ((SHOWN,), (ODD_ORDER,))
    assert looking.books.unread == 1
    lines = told.of("rows_not_read")
    assert 4 <= len(lines) <= 6, "at once, then after one, two, four and eight minutes"
    assert sum(int(str(line["times"])) for line in lines) > 100
    assert "V9" in str(lines[0]["some"])
    assert "order_type: null" in str(lines[0]["some"])


@pytest.mark.parametrize(
    "unread",
    [
        Unread(book="orders", reason="odd", venue_order_id="V1"),
        Unread(book="orders", reason="odd"),
        Unread(book="trades", reason="odd", venue_order_id="V1"),
    ],
)
async def test_a_start_is_not_kept_waiting_for_rows_that_cannot_be_read_to_fit_each_other(unread: Unread) -> None:
    class Torn(Odd):
        async def orders(self) -> Listed[VenueOrder]:
            return Listed([] if unread.book == "orders" else [SHOWN], self._odd("orders"))

        async def executions(self) -> Listed[Execution]:
            return Listed([] if unread.book == "trades" else [FILL], self._odd("trades"))

    clock = ManualClock()
    books = await reading(Torn(unread), clock=clock).books.read_whole()
    assert books.unread == (unread,)
    assert clock.now == 0


async def test_holdings_are_asked_for_once_a_minute_and_fail_no_look() -> None:
    class Holder(Books):
        asked, fails = 0, True

        async def holdings(self) -> Listed[VenueHolding]:  # type: ignore[override]
            self.asked += 1
            if self.fails:
                raise LinkLost("no answer")
            return Listed([HELD])

    clock, broker = ManualClock(), Holder(1)
    looking = reading(broker, clock=clock)
    first = await looking.books.read()
    assert (first.holdings, [row.book for row in first.unread]) == ((), ["holdings"])
    broker.fails = False
    for _ in range(13):
        books = await looking.books.read()
        clock.now += 5 * SECOND
    broker.fails = True
    clock.now += 60 * SECOND
    assert (books.holdings, (await looking.books.read()).holdings) == ((HELD,), (HELD,))
    assert (books.unread, broker.asked) == ((), 4)


async def test_cash_that_cannot_be_read_fails_no_look() -> None:
    class Poor(Books):
        async def cash(self) -> Decimal:
            raise LinkLost("net: null is not a number")

    told = Told()
    assert (await reading(Poor(1), told=told).books.read()).cash is None
    assert len(told.of("cash_not_read")) == 1


async def test_books_that_stay_away_are_told_again_and_again_with_the_time_and_their_return_once() -> None:
    clock, told = ManualClock(), Told()
    looking = reading(Books(1), clock=clock, told=told)
    for _ in range(240):
        looking._fail(LinkLost("order_type: null"))
        clock.now += 5 * SECOND
    lines = told.of("reconcile_failed")
    assert [line["for_s"] for line in lines] == [0.0, 60.0, 180.0, 420.0, 900.0]
    assert [line["times"] for line in lines] == [1, 12, 24, 48, 96]
    looking._succeeded()
    looking._succeeded()
    assert [line["for_s"] for line in told.of("reconcile_works")] == [1200.0]
    looking._fail(LinkLost("again"))
    assert told.of("reconcile_failed")[-1]["times"] == 1, "another spell is said at once"
