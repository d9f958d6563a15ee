"""The paper market over days: orders meet live quotes, day orders end, the account goes on from its log."""

from __future__ import annotations

import asyncio
import errno
import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.paper.paper_rig import UNIVERSE, Paper, at, frame, order, quote
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import VenueOrderStatus
from tradebot.errors import DataError, StateError
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import Latency
from tradebot.venues.venue import Refused

D = Decimal
SLOW = Latency(to_exchange_s=0.5, back_s=0.25)
CLOSED_S = 6.5 * 3600  # seconds from the opening: half an hour after the last close
GOOD = quote(100, bid=99.95, ask=100.05, sizes=(100, 100))


async def test_a_market_order_fills_at_the_ask_and_the_rest_waits_for_the_next_quote(paper: Paper) -> None:
    paper.show(1, quote(100, bid=99.95, ask=100.05, sizes=(5, 6)))
    number = await paper.place(order(kind="MARKET", quantity=10))
    assert await paper.fills() == [(6, D("100.05"))]
    paper.show(2, quote(100, bid=99.95, ask=100.1, sizes=(5, 6)))
    assert await paper.fills() == [(6, D("100.05")), (4, D("100.10"))]
    assert await paper.state_of(number) == VenueOrderStatus.FILLED


async def test_an_order_does_not_fill_on_the_quote_that_caused_it_before_its_latency(open_paper: Any) -> None:
    paper = await open_paper(latency=SLOW)
    paper.show(1, GOOD)
    await paper.place(order(kind="MARKET"))
    paper.show(1.4, quote(100, bid=99.95, ask=100.05, sizes=(100, 99)))
    assert await paper.fills() == []
    paper.show(1.45, quote(101, bid=100.95, ask=101))
    paper.to(1.6)
    assert paper.market.exchange.next_call_at is not None  # filled at the exchange, and the answer is on its way
    assert await paper.fills() == []
    paper.to(2)
    assert await paper.fills() == [(10, D("101.00"))]  # at the quote that stood when it arrived


async def test_a_resting_order_joins_the_queue_once_its_price_is_the_best(paper: Paper) -> None:
    paper.show(1, quote(100, bid=99.95, ask=100.05, volume=1_000))
    await paper.place(order(price=99.9))
    # Trades at its price while it lies beyond the one level that is known: what is queued there is unknown.
    paper.show(2, quote(99.9, bid=99.9, ask=100.05, sizes=(40, 100), volume=1_030))
    assert await paper.fills() == []
    paper.show(3, quote(99.9, bid=99.9, ask=100.05, sizes=(40, 100), volume=1_075))
    assert await paper.fills() == [(5, D("99.90"))]
    paper.show(4, quote(99.85, bid=99.8, ask=99.95, volume=1_076))
    assert (await paper.fills())[1:] == [(1, D("99.85"))]


async def test_a_stop_order_waits_for_the_last_price(paper: Paper) -> None:
    paper.show(1, GOOD)
    number = await paper.place(order(side="SELL", kind="SL-M", trigger=99.5))
    assert await paper.state_of(number) == VenueOrderStatus.PENDING_TRIGGER
    paper.show(2, quote(99.5, bid=99.4, ask=99.5))
    assert await paper.fills() == [(10, D("99.40"))]


async def test_every_version_of_an_order_is_reported(paper: Paper) -> None:
    paper.show(1, GOOD)
    await paper.place(order(kind="MARKET"))
    assert [one.status for one in paper.reports] == [VenueOrderStatus.ACKED] * 3 + [
        VenueOrderStatus.OPEN, VenueOrderStatus.FILLED,
    ]  # fmt: skip
    assert {one.tag for one in paper.reports} == {"T000001"}
    assert (paper.reports[-1].average_price, paper.reports[-1].filled) == (D("100.05"), D(10))


async def test_day_orders_end_with_the_session_and_the_next_day_goes_on(paper: Paper) -> None:
    paper.show(1, GOOD)
    await paper.place(order(kind="MARKET"))
    resting = await paper.place(order(2, price=90))
    before = await paper.broker.fetch_cash()
    paper.to(CLOSED_S)
    assert await paper.state_of(resting) == VenueOrderStatus.CANCELED
    assert isinstance(await paper.broker.submit(order(3, price=99)), Refused)
    assert not paper.market.is_day_over(paper.clock.now_ns)
    paper.clock.now_ns = at(-3600, day=1)
    assert paper.market.is_day_over(paper.clock.now_ns)
    await paper.market.turn_day(paper.clock.now_ns)
    assert await paper.broker.fetch_orders() == []
    assert await paper.broker.fetch_fills() == []
    (held,) = await paper.broker.fetch_positions()
    assert (held.quantity, held.average_price) == (D(10), D("100.05"))
    assert await paper.broker.fetch_cash() > before  # the resting order's margin is free again
    assert isinstance(await paper.broker.submit(order(4, price=99)), Refused)  # the market is not open yet
    paper.show(1, quote(101, bid=100.95, ask=101.05), day=1)
    await paper.place(order(5, side="SELL", kind="MARKET"))
    assert (await paper.broker.fetch_fills())[0].price == D("100.95")


async def test_a_new_day_knows_the_last_prices_of_the_day_before(paper: Paper) -> None:
    paper.show(1, GOOD)
    paper.clock.now_ns = at(-3600, day=1)
    await paper.market.turn_day(paper.clock.now_ns)
    mark = paper.market.exchange.latest_columns
    assert (mark["last"][0], mark["previous_close"][0]) == (0, 10_000)


async def test_a_weekend_belongs_to_the_next_trading_day(paper: Paper) -> None:
    saturday, monday = at(0, day=4), at(0, day=6)
    assert paper.market.is_day_over(saturday)
    await paper.market.turn_day(saturday)
    assert not paper.market.is_day_over(monday)
    paper.clock.now_ns = saturday
    assert isinstance(await paper.broker.submit(order(price=99)), Refused)


async def test_a_restart_keeps_positions_and_cash_and_cancels_what_was_working(open_paper: Any) -> None:
    first = await open_paper()
    first.show(1, GOOD)
    await first.place(order(kind="MARKET"))
    resting = await first.place(order(2, price=99))
    positions, fills = await first.broker.fetch_positions(), await first.fills()
    first.market.close_market()
    cash = first.market.exchange.account.cash
    again = await open_paper(begins=60, cash=5)
    assert await again.broker.fetch_positions() == positions
    assert await again.fills() == fills
    assert again.market.exchange.account.cash == cash
    assert await again.state_of(resting) == VenueOrderStatus.CANCELED
    again.show(61, GOOD)
    number = await again.place(order(3, kind="MARKET"))
    assert number > resting  # no number is used twice


async def test_a_torn_last_line_of_the_log_is_cut_off(open_paper: Any) -> None:
    first = await open_paper()
    first.show(1, GOOD)
    await first.place(order(kind="MARKET"))
    with first.settings.log.open("ab") as file:
        file.write(b'{"kind":"fill","trade')
    again = await open_paper(begins=60)
    assert await again.fills() == [(10, D("100.05"))]


async def test_a_spoilt_log_is_refused_with_its_line(open_paper: Any) -> None:
    first = await open_paper()
    first.market.close_market()
    lines = first.settings.log.read_text().splitlines()
    first.settings.log.write_text("\n".join([lines[0], "no json", *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=r"paper\.jsonl:2: "):
        await open_paper()


async def test_a_clock_that_goes_back_does_not_stop_the_market(paper: Paper) -> None:
    paper.show(10, GOOD)
    paper.clock.now_ns = at(4)
    await paper.broker.submit(order(kind="MARKET"))
    paper.clock.now_ns = at(5)
    paper.market.advance_to(at(5))
    assert await paper.fills() == [(10, D("100.05"))]


async def test_while_the_day_turns_requests_are_refused_and_quotes_pass_by(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.show(1, GOOD)
    began, may_go_on = asyncio.Event(), threading.Event()
    make, loop = paper.market._make_exchange, asyncio.get_running_loop()

    def make_slowly(day: date) -> Exchange:
        loop.call_soon_threadsafe(began.set)
        assert may_go_on.wait(10)
        return make(day)

    monkeypatch.setattr(paper.market, "_make_exchange", make_slowly)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(paper.market.turn_day(at(1, day=1)))
        await began.wait()
        for asking in (paper.broker.submit(order(price=99)), paper.broker.cancel(order_id="T1", venue_order_id="999")):
            reply = await asking
            assert isinstance(reply, Refused)
            assert "Markets are closed" in reply.reason
        paper.market.take_quotes(frame(quote(105)), at(2, day=1))
        may_go_on.set()
    assert not paper.market.is_day_over(at(2, day=1))
    assert paper.market.source.last_prices[0] == 10_000  # of the day before: the quote of the turn is not kept


async def test_a_turn_that_is_cut_short_leaves_no_open_log(open_paper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = await open_paper()
    began, may_go_on = asyncio.Event(), threading.Event()
    make, loop = paper.market._make_exchange, asyncio.get_running_loop()

    def make_slowly(day: date) -> Exchange:
        loop.call_soon_threadsafe(began.set)
        assert may_go_on.wait(10)
        return make(day)

    monkeypatch.setattr(paper.market, "_make_exchange", make_slowly)
    async with asyncio.TaskGroup() as tasks:
        turning = tasks.create_task(paper.market.turn_day(at(1, day=1)))
        await began.wait()
        turning.cancel()
        may_go_on.set()
    before = paper.market.exchange
    paper.market.close_market()
    assert before.source.opens_at == at(0, day=1)


async def test_each_day_ends_with_a_line_of_the_log_after_its_last_answers(open_paper: Any) -> None:
    paper = await open_paper(latency=SLOW)
    paper.show(1, GOOD)
    await paper.broker.submit(order(kind="MARKET"))
    paper.to(1.6)  # filled at the exchange, and the answer is on its way
    await paper.market.turn_day(at(1.7))
    lines = [(line["kind"], line.get("reason")) for line in read_event_log(paper.settings.log)]
    ends = [line for line in lines if line[0] in ("fill", "session", "end")]
    assert ends == [("session", None), ("fill", None), ("end", "the day is over"), ("session", None)]


async def test_the_venues_quotes_while_the_stream_is_down_fill_orders_as_well(paper: Paper) -> None:
    paper.show(1, quote(100, bid=99.95, ask=101))
    await paper.place(order(price=100.5))
    paper.reader.quotes = frame(quote(100, bid=99.95, ask=100.05, sent_at=at(2)))
    paper.clock.now_ns += SECOND
    assert (await paper.broker.fetch_quotes(UNIVERSE)) is paper.reader.quotes
    assert await paper.fills() == [(10, D("100.05"))]


async def test_quotes_of_a_few_instruments_reach_the_orders_in_those(paper: Paper) -> None:
    # The venue is asked about silent instruments alone; the rows of its answer are numbered as they were asked for.
    paper.show(1, quote(100, bid=99.95, ask=101), quote(50, id_=1, bid=49.95, ask=51))
    await paper.place(order(price=100.5))
    await paper.place(order(2, price=50.5, symbol="TCS"))
    few = Universe([Instrument(symbol="WIPRO", token=1), UNIVERSE.instrument_of("TCS")])
    paper.reader.quotes = frame(quote(10, bid=9.95, ask=10.05), quote(50, id_=1, bid=49.95, ask=50.05))
    await paper.broker.fetch_quotes(few)
    assert [(fill.symbol, fill.price) for fill in await paper.broker.fetch_fills()] == [("TCS", D("50.05"))]


async def test_a_log_that_cannot_be_written_ends_the_account_with_a_sentence(
    open_paper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = await open_paper()
    paper.show(1, GOOD)

    def full(*args: Any, **fields: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = paper.market._log
    monkeypatch.setattr(log, "append_line", full)
    with pytest.raises(StateError, match=r"paper\.jsonl cannot be written: No space left on device"):
        await paper.broker.submit(order(kind="MARKET"))
    with pytest.raises(StateError, match=r"paper\.jsonl cannot be written"):
        paper.market.close_market()
    assert log._file is None
