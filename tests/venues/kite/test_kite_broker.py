"""The broker against a server on loopback: what it asks, in which form, and what it makes of the answers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from aiohttp import web

from tests.venues.kite.kite_on_loopback import NOW, REQUEST, Kite, broker_at, success
from tradebot import __version__
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.errors import DataError, LinkLost
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.rules import RestOffer
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.venue import Accepted, NotSent

pytestmark = pytest.mark.both_loops
MINUTE = 60 * SECOND


async def test_an_order_leaves_with_headers_form_and_tag_and_is_accepted(kite: Kite) -> None:
    kite.answer = success({"order_id": "151220000000000"})
    async with broker_at(kite.address) as broker:
        assert await broker.submit(REQUEST) == Accepted(venue_order_id="151220000000000")
    ((method, path, query, form, headers),) = kite.got
    assert (method, path, query) == ("POST", "/orders/regular", {})
    assert (form["tag"], form["price"], form["quantity"]) == ("tb26abc0001", "1573.70", "5")
    assert (headers["X-Kite-Version"], headers["Authorization"]) == ("3", "token key:secret")
    assert headers["User-Agent"] == f"tradebot/{__version__}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_a_cancel_leaves_as_delete_and_is_accepted(kite: Kite) -> None:
    kite.answer = success({"order_id": "151220000000000"})
    async with broker_at(kite.address, offer=RestOffer(prefix="/oms")) as broker:
        reply = await broker.cancel(order_id="tb1", venue_order_id="151220000000000")
    assert reply == Accepted(venue_order_id="151220000000000")
    assert kite.got[0][:2] == ("DELETE", "/oms/orders/regular/151220000000000")


async def test_an_order_that_kite_could_not_read_is_not_sent(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        reply = await broker.submit(
            OrderRequest(
                order_id="tb1", symbol="A", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=Decimal(1)
            )
        )
        assert isinstance(reply, NotSent)
        assert isinstance(await broker.cancel(order_id="tb1", venue_order_id="7/../8"), NotSent)
    assert kite.got == []


async def test_books_of_a_healthy_server_are_read(kite: Kite) -> None:
    books = {
        "/user/profile": {"user_id": "AB1234"},
        "/orders": [],
        "/gtt/triggers": [],
        "/trades": [],
        "/portfolio/positions": {"net": [], "day": []},
    }
    text = '{"status":"success","data":{"equity":{"net":99725.05000000002}}}'
    kite.says(
        lambda request: (
            web.Response(text=text, content_type="application/json")
            if request.path == "/user/margins"
            else success(books[request.path])
        )
    )
    async with broker_at(kite.address) as broker:
        assert await broker.fetch_account_id() == "AB1234"
        assert (await broker.fetch_orders(), await broker.fetch_fills(), await broker.fetch_positions()) == ([], [], [])
        assert await broker.fetch_cash() == Decimal("99725.05000000002")


CSV = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    "tick_size,lot_size,instrument_type,segment,exchange\n"
)
DUMPS = {
    "/instruments/NSE": CSV + "1,1,TCS,T,0,,0,0.1,1,EQ,NSE,NSE\n2,2,INFY,I,0,,0,0.05,1,EQ,NSE,NSE\n",
    "/instruments/BSE": CSV + "3,3,INFY,I,0,,0,0.05,1,EQ,BSE,BSE\n",
    "/instruments/NFO": CSV + "9,9,INFY26DECFUT,INFY,0,2026-12-29,0,0.05,400,FUT,NFO-FUT,NFO\n"
    "10,10,TCS26DEC3000CE,TCS,0,2026-12-29,3000,0.05,175,CE,NFO-OPT,NFO\n",
}


async def test_instruments_come_in_the_order_asked_one_dump_an_exchange(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address, offer=RestOffer(prefix="/oms")) as broker:
        found = await broker.fetch_instruments(["INFY", "TCS", "BSE:INFY"])
    assert [(i.exchange, i.symbol, i.token) for i in found] == [
        ("NSE", "INFY", 2),
        ("NSE", "TCS", 1),
        ("BSE", "INFY", 3),
    ]
    assert [got[1] for got in kite.got] == ["/instruments/NSE", "/instruments/BSE", "/instruments/NFO"]


async def test_the_list_of_contracts_says_which_shares_have_futures(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        found = await broker.fetch_instruments(["INFY", "TCS", "BSE:INFY", "NFO:INFY26DECFUT"])
    assert [i.has_derivatives for i in found] == [True, False, True, None]


async def test_a_list_of_contracts_without_futures_says_nothing_of_the_shares(kite: Kite) -> None:
    dumps = DUMPS | {"/instruments/NFO": CSV}
    kite.says(lambda request: web.Response(text=dumps[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        found = await broker.fetch_instruments(["INFY", "TCS"])
    assert [i.has_derivatives for i in found] == [None, None]


async def test_contracts_alone_need_no_second_list(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        await broker.fetch_instruments(["NFO:INFY26DECFUT"])
    assert [got[1] for got in kite.got] == ["/instruments/NFO"]


async def test_every_unknown_symbol_is_named_with_a_hint(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        with pytest.raises(DataError, match=r"NSE:INFYY is not listed \(did you mean INFY\?\); NSE:ZZZ is not listed$"):
            await broker.fetch_instruments(["TCS", "INFYY", "ZZZ"])


def with_rows(*rows: str) -> dict[str, str]:
    return DUMPS | {"/instruments/NSE": DUMPS["/instruments/NSE"] + "".join(f"{row}\n" for row in rows)}


async def test_a_row_that_cannot_be_read_refuses_its_own_symbol_by_name_and_no_other(kite: Kite) -> None:
    dumps = with_rows("7,7,ACME,ACME, INC,0,,0,0.05,1,EQ,NSE,NSE", "8,8,ODD,O,0,,0,x,1,EQ,NSE,NSE")
    kite.says(lambda request: web.Response(text=dumps[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        found = await broker.fetch_instruments(["INFY", "TCS"])
        assert [i.symbol for i in found] == ["INFY", "TCS"]
        assert [row.symbol for row in found.unread] == ["ACME"], "what is not asked for is not looked into"
        with pytest.raises(DataError, match="NSE:ACME cannot be read: line 4: 13 fields, the header has 12"):
            await broker.fetch_instruments(["INFY", "ACME"])
        with pytest.raises(DataError, match="NSE:ODD cannot be read: line 5: instrument_token, tick_size or lot_size"):
            await broker.fetch_instruments(["ODD"])
        with pytest.raises(DataError, match="NSE:ZZZ is not listed; 1 of its rows cannot be read"):
            await broker.fetch_instruments(["ZZZ"])


async def test_a_symbol_that_is_listed_twice_is_refused_by_name_unless_both_say_the_same(kite: Kite) -> None:
    again = "2,2,INFY,I,0,,0,0.05,1,EQ,NSE,NSE"
    for rows, is_refused in (((again,), False), (("4,4,INFY,I,0,,0,0.05,1,EQ,NSE,NSE",), True)):
        dumps = with_rows(*rows)
        kite.says(lambda request, dumps=dumps: web.Response(text=dumps[request.path], content_type="text/csv"))
        async with broker_at(kite.address) as broker:
            if not is_refused:
                assert [i.token for i in await broker.fetch_instruments(["INFY"])] == [2]
                continue
            with pytest.raises(DataError, match="NSE:INFY is listed twice, with the tokens 2 and 4"):
                await broker.fetch_instruments(["INFY", "TCS"])


@pytest.mark.parametrize("text", ["", "<html>", "x,y\n"])
async def test_a_broken_dump_is_a_lost_link(kite: Kite, text: str) -> None:
    kite.says(lambda _: web.Response(text=text))
    async with broker_at(kite.address) as broker:
        with pytest.raises(LinkLost):
            await broker.fetch_instruments(["INFY"])


INFY = Instrument(symbol="INFY", token=408065)


def candle(text: str) -> list[object]:
    return [f"{text}:00+0530", 10.05, 11, 9.95, 10, 100]


async def test_history_asks_in_indian_time_and_drops_the_unfinished_candle(kite: Kite) -> None:
    days = ["2026-01-05T09:57", "2026-01-05T09:58", "2026-01-05T09:59", "2026-01-05T10:00"]
    kite.says(lambda _: success({"candles": [candle(text) for text in days]}))
    async with broker_at(kite.address, clock=ManualClock(NOW + 30 * SECOND)) as broker:
        series = await broker.fetch_history(INFY, interval=MINUTE, start=NOW - 3 * MINUTE, end=NOW + 10 * MINUTE)
    assert series.starts.tolist() == [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]
    assert series.close.tolist() == [1000, 1000, 1000]
    _, path, query, _, _ = kite.got[0]
    assert path == "/instruments/historical/408065/minute"
    assert (query["from"], query["to"]) == ("2026-01-05 09:57:00", "2026-01-05 10:09:59")


async def test_a_long_history_is_asked_in_pieces_of_the_longest_span(kite: Kite) -> None:
    kite.says(lambda request: success({"candles": [candle(request.query["from"].replace(" ", "T")[:16])]}))
    async with broker_at(kite.address) as broker:
        series = await broker.fetch_history(INFY, interval=MINUTE, start=NOW - 150 * 1440 * MINUTE, end=NOW)
    assert len(kite.got) == 3
    assert len(series) == 3
    assert all(early < late for early, late in zip(series.starts, series.starts[1:], strict=False))


async def test_an_interval_kite_does_not_have_is_refused_with_those_it_has(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        with pytest.raises(DataError, match="7 s; it has minute"):
            await broker.fetch_history(INFY, interval=7 * SECOND, start=0, end=NOW)
    assert kite.got == []


async def test_no_history_at_all_is_an_empty_series(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        assert len(await broker.fetch_history(INFY, interval=MINUTE, start=NOW, end=NOW)) == 0


async def test_rest_quotes_come_in_batches_one_a_second_with_symbols_escaped(kite: Kite) -> None:
    clock = ManualClock(NOW)
    universe = Universe(
        [Instrument(symbol="M&M", token=1), *(Instrument(symbol=f"S{i}", token=i + 2) for i in range(1100))]
    )
    kite.says(
        lambda request: success(
            {
                k: {"last_price": 10.5, "timestamp": "2026-01-05 10:00:00"}
                for k in request.query.getall("i")
                if k != "NSE:S5"
            }
        )
    )
    async with broker_at(kite.address, clock=clock) as broker:
        quotes = await broker.fetch_quotes(universe)
    assert quotes.ids.tolist() == [i for i in range(1101) if i != 6]
    assert set(quotes.last.tolist()) == {1050}
    assert quotes.sent_at[0] == NOW
    assert len(kite.got) == 3
    assert clock.now_ns - NOW >= 2 * SECOND


async def test_quotes_of_nothing_ask_nothing(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        assert len(await broker.fetch_quotes(Universe([]))) == 0
    assert kite.got == []


async def test_a_venue_opens_a_feed_and_closes_its_broker(kite: Kite) -> None:
    kite.answer = success({"user_id": "AB1234"})
    async with KiteVenue(
        rest=kite.address,
        ticker="ws://127.0.0.1:1",
        credentials=Credentials(api_key="key", access_token="secret"),
        clock=WallClock(),
    ) as venue:
        assert await venue.broker.fetch_account_id() == "AB1234"
        assert venue.create_feed(Universe([INFY])).source_names == ("kite",)
        assert venue.venue_rules.tag_length == 20
