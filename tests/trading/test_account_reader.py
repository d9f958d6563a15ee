"""The account reader: one answer out of five lists, where each may fail or be odd in its own way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.told import Told
from tests.trading.account_lists import FILL, LateBroker, OddBroker
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.order import Fill
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.trading import account_reader
from tradebot.trading.account_reader import AccountReader


def reader(broker: LateBroker, *, clock: ManualClock | None = None, told: Told | None = None) -> AccountReader:
    return AccountReader(broker, clock or ManualClock(), Told() if told is None else told)  # type: ignore[arg-type]


async def test_half_a_second_lies_between_two_tries_for_books_that_fit() -> None:
    clock = ManualClock(5 * SECOND)
    snapshot = await reader(LateBroker(3), clock=clock).read_consistent()
    assert clock.now_ns == 6 * SECOND
    assert snapshot.asked_at == 6 * SECOND, "of the moment before the first list of the try that fitted"


async def test_an_order_fits_when_its_fills_add_up_to_what_it_says() -> None:
    class Parts(LateBroker):
        quantities = (Decimal(1), Decimal(1))

        async def fetch_fills(self) -> VenueRows[Fill]:
            return VenueRows([replace(FILL, execution_id=f"E{n}", quantity=q) for n, q in enumerate(self.quantities)])

    broker = Parts(1)
    assert len((await reader(broker).read_consistent()).fills) == 2
    assert broker.lists == 1
    broker.quantities = (Decimal(1), Decimal(2))
    await reader(broker).read_consistent()
    assert broker.lists == 5, "one more than the order says does not fit, and is believed at the fourth try"


@pytest.mark.parametrize("error", [LinkLost("slow"), AccessDenied("not yours")])
async def test_books_are_whole_without_cash(error: Exception) -> None:
    class Poor(LateBroker):
        async def fetch_cash(self) -> Decimal:
            raise error

    assert (await reader(Poor(1)).read_snapshot()).cash is None


async def test_a_dead_login_is_no_look_whatever_query_tells_of_it() -> None:
    class Out(LateBroker):
        async def fetch_cash(self) -> Decimal:
            raise LoginLost("TokenException")

    with pytest.raises(LoginLost):
        await reader(Out(1)).read_snapshot()


async def test_holdings_are_asked_for_again_after_a_whole_minute_and_not_before() -> None:
    class Holder(LateBroker):
        asked = 0

        async def fetch_holdings(self) -> VenueRows[object]:
            self.asked += 1
            return VenueRows()

    clock, broker = ManualClock(), Holder(1)
    looking = reader(broker, clock=clock)
    for at, asked in ((0, 1), (60 * SECOND - 1, 1), (60 * SECOND, 2), (119 * SECOND, 2), (120 * SECOND, 3)):
        clock.now_ns = at
        await looking.read_snapshot()
        assert broker.asked == asked


async def test_of_many_rows_that_cannot_be_read_three_are_named_and_all_are_counted() -> None:
    rows = [UnreadRow(book="orders", reason="odd", venue_order_id=f"V{n}", symbol="AAA") for n in range(5)]
    told = Told()
    looking = reader(OddBroker(*rows), told=told)
    await looking.read_snapshot()
    (line,) = told.of("rows_not_read")
    assert (line["rows"], line["some"]) == (5, [f"orders: V{n} AAA: odd" for n in range(3)])
    assert looking.unread_count == 5


async def test_of_rows_without_end_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_reader, "UNREAD_REMEMBERED", 2)
    broker = OddBroker()
    looking = reader(broker)
    for name, count in (("A", 1), ("B", 2), ("A", 2), ("C", 3), ("B", 3), ("A", 4)):
        broker.unread = (UnreadRow(book="orders", reason=name),)
        await looking.read_snapshot()
        assert looking.unread_count == count, name


async def test_a_row_without_a_name_is_said_to_be_one() -> None:
    told = Told()
    await reader(OddBroker(UnreadRow(book="positions", reason="odd")), told=told).read_snapshot()
    assert told.of("rows_not_read")[0]["some"] == ["positions: a row without a name: odd"]
