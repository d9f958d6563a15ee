"""The REST counter over real sockets: envelope, errors, official shapes, limits, sessions, the log."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.venues.kite.server.kite_rig import CASH, SYMBOLS, order, rig
from tradebot.clock import IST, SECOND, parse_iso
from tradebot.errors import VenueUnavailable
from tradebot.exchange.access import AccessKeys, RegisteredApp
from tradebot.exchange.account import DematHolding
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.latency import Latency
from tradebot.exchange.order_rules import OrderRules
from tradebot.venues.kite.rules import STOP_MARKET

HELD = DematHolding(symbol="RELIANCE", exchange="NSE", quantity=Decimal(5), average_price=Decimal(2400))
ANY_PRICE = {"order_type": "LIMIT", "market_protection": None}


async def test_an_order_is_placed_filled_and_shown_in_every_book() -> None:
    async with rig() as r:
        order_id = await r.place(quantity=2)
        r.step()
        (row,) = await r.data("GET", "/orders")
        history = await r.data("GET", f"/orders/{order_id}")
        (trade,) = await r.data("GET", "/trades")
        assert await r.data("GET", f"/orders/{order_id}/trades") == [trade]
        positions = await r.data("GET", "/portfolio/positions")
        assert (row["order_id"], row["status"], row["tag"], row["filled_quantity"]) == (order_id, "COMPLETE", "t1", 2)
        assert row["market_protection"] == 0.5
        assert history[0]["status"] == "PUT ORDER REQ RECEIVED"
        assert history[0]["exchange_order_id"] is None
        assert history[-1] == row
        assert (trade["quantity"], trade["average_price"]) == (2, row["average_price"])
        assert [p["quantity"] for p in positions["net"]] == [p["quantity"] for p in positions["day"]] == [2]
        assert positions["net"][0]["buy_value"] == pytest.approx(2 * trade["average_price"])
        (exact,) = r.exchange.trade_rows()
        assert Decimal(str(trade["average_price"])) == exact.price


async def test_a_limit_order_is_modified_and_cancelled() -> None:
    async with rig() as r:
        low = (await r.data("GET", "/quote?i=NSE:TCS"))["NSE:TCS"]["lower_circuit_limit"]
        order_id = await r.place(**ANY_PRICE, price=low)
        r.step()
        body = {"price": str(low + 1), "quantity": "3", "variety": "regular", "order_id": order_id}
        assert await r.data("PUT", f"/orders/regular/{order_id}", data=body) == {"order_id": order_id}
        r.step()
        (row,) = await r.data("GET", "/orders")
        assert (row["status"], row["price"], row["quantity"], row["modified"]) == ("OPEN", low + 1, 3, True)
        assert await r.data("DELETE", f"/orders/regular/{order_id}") == {"order_id": order_id}
        r.step()
        (row,) = await r.data("GET", "/orders")
        assert (row["status"], row["cancelled_quantity"]) == ("CANCELLED", 3)


async def test_a_stop_waits_for_its_trigger_and_its_trigger_is_moved() -> None:
    async with rig(rules=OrderRules(stop_market=STOP_MARKET)) as r:
        last = (await r.data("GET", "/quote/ltp?i=NSE:TCS"))["NSE:TCS"]["last_price"]
        low = float(round(last * 0.95))
        stop = {"order_type": "SL-M", "transaction_type": "SELL", "trigger_price": low}
        order_id = await r.place(**stop)
        r.step()
        (row,) = await r.data("GET", "/orders")
        assert (row["status"], row["order_type"], row["trigger_price"], row["price"]) == (
            "TRIGGER PENDING",
            "SL-M",
            low,
            0,
        )
        await r.data("PUT", f"/orders/regular/{order_id}", data={"trigger_price": str(low + 1)})
        r.step()
        (row,) = await r.data("GET", "/orders")
        assert (row["status"], row["trigger_price"], row["modified"]) == ("TRIGGER PENDING", low + 1, True)
        too_high = {"trigger_price": str(round(last * 1.01))}
        status, kind, words = await r.refusal("PUT", f"/orders/regular/{order_id}", data=too_high)
        assert (status, kind) == (400, "InputException")
        assert words.startswith("Trigger price for stoploss SELL orders should be lower than the last traded price")
    async with rig(rules=OrderRules(stop_market=frozenset())) as r:
        assert (await r.refusal("POST", "/orders/regular", data=order(**stop)))[1:] == (
            "InputException",
            "SL-M orders are blocked for equity instruments on NSE.",
        )


async def test_an_answer_comes_before_the_order_is_live() -> None:
    async with rig(latency=Latency(to_exchange_s=5)) as r:
        await r.place()
        (row,) = await r.data("GET", "/orders")
        assert row["status"] == "PUT ORDER REQ RECEIVED"
        r.step(6)
        (row,) = await r.data("GET", "/orders")
        assert row["status"] == "COMPLETE"


@pytest.mark.parametrize(
    ("changed", "status", "error_type", "words"),
    [
        ({"market_protection": None}, 400, "InputException", "without market protection are not allowed via API"),
        ({"tradingsymbol": "NOPE"}, 400, "InputException", "expired or does not exist"),
        ({"exchange": "BSE"}, 400, "InputException", "expired or does not exist"),
        ({"exchange": "XETRA"}, 400, "InputException", "Invalid `exchange`"),
        ({"tradingsymbol": "NIFTY 50"}, 400, None, ""),
        ({"quantity": "0"}, 400, "InputException", ""),
        ({**ANY_PRICE, "price": "3000.033"}, 400, "InputException", "tick"),
        ({**ANY_PRICE, "price": "99999"}, 400, None, "circuit"),
        ({"product": "CNC", "transaction_type": "SELL"}, 400, "HoldingException", ""),
    ],
)
async def test_what_the_exchange_refuses_books_nothing(
    changed: dict[str, Any], status: int, error_type: str | None, words: str
) -> None:
    async with rig() as r:
        code, kind, message = await r.refusal("POST", "/orders/regular", data=order(**changed))
        assert code == status
        assert kind == error_type or (error_type is None and kind in ("InputException", "OrderException"))
        assert words in message
        assert await r.data("GET", "/orders") == []


async def test_an_unknown_order_and_another_variety_are_refused() -> None:
    async with rig() as r:
        for method, path in (("GET", "/orders/77"), ("GET", "/orders/77/trades"), ("DELETE", "/orders/regular/77")):
            status, kind, _ = await r.refusal(method, path)
            assert (status, kind) in ((400, "OrderException"), (400, "InputException"))
        assert (await r.refusal("POST", "/orders/amo", data=order()))[:2] == (400, "InputException")


async def test_every_route_answers_with_the_keys_of_the_official_bodies(conformance: Path) -> None:
    async with rig(holdings=[HELD]) as r:
        await r.place()
        r.step()
        routes = {
            "profile": "/user/profile",
            "margins": "/user/margins",
            "margin_commodity": "/user/margins/commodity",
            "orders": "/orders",
            "trades": "/trades",
            "positions": "/portfolio/positions",
            "holdings_compact": "/portfolio/holdings",
        }
        for name, path in routes.items():
            official = json.loads((conformance / f"kiteconnect-mocks/{name}.json").read_text())
            _assert_shape(official["data"], await r.data("GET", path), name)
        for name in ("ohlc", "ltp"):
            official = json.loads((conformance / f"kiteconnect-mocks/{name}.json").read_text())
            (theirs,), ours = official["data"].values(), await r.data("GET", f"/quote/{name}?i=NSE:TCS")
            _assert_shape(theirs, ours["NSE:TCS"], name)
        body = [order(price="0")]
        official = json.loads((conformance / "kiteconnect-mocks/order_margins.json").read_text())
        _assert_shape(official["data"], await r.data("POST", "/margins/orders", json=body), "order_margins")


def _assert_shape(theirs: Any, ours: Any, where: str) -> None:
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert theirs.keys() <= ours.keys(), f"{where}: missing {theirs.keys() - ours.keys()}"
        for name, value in theirs.items():
            _assert_shape(value, ours[name], f"{where}.{name}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert ours or not theirs, where
        if theirs and ours:
            _assert_shape(theirs[0], ours[0], f"{where}[0]")
    elif isinstance(theirs, bool) or not isinstance(theirs, int | float):
        assert ours is None or theirs is None or type(ours) is type(theirs), where
    else:
        assert isinstance(ours, int | float), where


async def test_a_quote_shows_the_exchange_to_the_paisa() -> None:
    async with rig() as r:
        r.step(30)
        data = await r.data("GET", "/quote?i=NSE:TCS&i=NSE:NIFTY 50&i=NSE:NOPE&i=2953217")
        row, state = r.exchange.universe.id_of("TCS"), r.exchange.latest_columns
        quote = data["NSE:TCS"]
        assert data.keys() == {"NSE:TCS", "NSE:NIFTY 50", "2953217"}
        assert round(quote["last_price"] * 100) == state["last"][row]
        assert quote["volume"] == state["volume"][row]
        assert [round(level["price"] * 100) for level in quote["depth"]["buy"]] == state["bids"][row].tolist()
        assert [level["quantity"] for level in quote["depth"]["sell"]] == state["ask_quantities"][row].tolist()
        assert parse_iso(quote["timestamp"], IST) == state["stamps"][row] // SECOND * SECOND
        assert round(quote["ohlc"]["close"] * 100) == state["previous_close"][row]


async def test_candles_include_both_ends_and_carry_indian_time() -> None:
    async with rig() as r:
        r.step(300)
        token = r.exchange.universe.instrument_of("TCS").token
        path = f"/instruments/historical/{token}/minute"
        span = {"from": "2026-11-23 09:15:00", "to": "2026-11-23 09:17:00"}
        candles = (await r.data("GET", path, params=span))["candles"]
        assert [c[0] for c in candles] == [f"2026-11-23T09:{m}:00+0530" for m in (15, 16, 17)]
        series = r.exchange.source.bar_series(
            r.exchange.universe.id_of("TCS"),
            interval_ns=60 * SECOND,
            start_at=parse_iso("2026-11-23T09:15:00", IST),
            end_at=parse_iso("2026-11-23T09:18:00", IST),
        )
        assert [round(c[4] * 100) for c in candles] == series.close.tolist()
        assert [c[5] for c in candles] == series.volume.tolist()
        with_oi = (await r.data("GET", path, params=span | {"oi": "1"}))["candles"]
        assert [len(c) for c in with_oi] == [7, 7, 7]


async def test_day_candles_are_stamped_at_midnight_and_found_by_their_date() -> None:
    async with rig() as r:
        token = r.exchange.universe.instrument_of("TCS").token
        data = await r.data(
            "GET", f"/instruments/historical/{token}/day", params={"from": "2026-11-19 12:00:00", "to": "2026-11-20"}
        )
        assert [c[0] for c in data["candles"]] == ["2026-11-19T00:00:00+0530", "2026-11-20T00:00:00+0530"]


@pytest.mark.parametrize(
    ("path", "span", "words"),
    [
        ("2953217/minute", ("2026-09-01", "2026-11-23"), "interval exceeds max limit: 60 days"),
        ("2953217/2minute", ("2026-11-20", "2026-11-23"), "Invalid `interval`"),
        ("1/minute", ("2026-11-20", "2026-11-23"), "Invalid `instrument_token`"),
        ("2953217/minute", ("2026-11-23", "2026-11-20"), "`from` is after `to`"),
        ("2953217/minute", ("2026-11-20", "soon"), "Invalid `to` date"),
    ],
)
async def test_a_bad_range_of_candles_is_refused(path: str, span: tuple[str, str], words: str) -> None:
    async with rig() as r:
        params = dict(zip(("from", "to"), span, strict=True))
        status, kind, message = await r.refusal("GET", f"/instruments/historical/{path}", params=params)
        assert (status, kind) == (400, "InputException")
        assert words in message


async def test_the_instrument_list_is_csv_with_the_official_header(conformance: Path) -> None:
    async with rig() as r, r.client.get(f"{r.at.rest}/oms/instruments/NSE", headers=r.headers) as response:
        assert response.content_type == "text/csv"
        text = await response.text()
    with (conformance / "kiteconnect-mocks/instruments_all.csv").open() as file:
        assert text.splitlines()[0] == file.readline().strip()
    rows = {row["tradingsymbol"]: row for row in csv.DictReader(io.StringIO(text))}
    assert tuple(rows) == SYMBOLS
    assert (rows["TCS"]["instrument_token"], rows["TCS"]["exchange_token"]) == ("2953217", str(2953217 >> 8))
    assert (rows["NIFTY 50"]["segment"], rows["TCS"]["segment"]) == ("INDICES", "NSE")


async def test_a_login_with_checksum_opens_a_new_session_and_a_logout_ends_it() -> None:
    async with rig(keys=AccessKeys(api_key="simkey", api_secret="s3", access_token="simtoken")) as r:
        request_token = (await r.data("GET", "/connect/login?v=3&api_key=simkey"))["request_token"]
        good = hashlib.sha256(f"simkey{request_token}s3".encode()).hexdigest()
        form = {"api_key": "simkey", "request_token": request_token, "checksum": good}
        session = await r.data("POST", "/session/token", data=form, headers={"X-Kite-Version": "3"})
        assert (await r.refusal("GET", "/user/profile"))[:2] == (403, "TokenException")
        token = session["access_token"]
        r.headers["Authorization"] = f"token simkey:{token}"
        assert (await r.data("GET", "/user/profile"))["user_id"] == session["user_id"] == "SIM001"
        assert await r.data("DELETE", f"/session/token?api_key=simkey&access_token={token}") is True
        assert (await r.refusal("GET", "/user/profile"))[:2] == (403, "TokenException")


async def test_a_browser_login_is_sent_to_the_registered_address() -> None:
    async with rig(app=RegisteredApp(redirect_url="http://127.0.0.1:9/callback?a=1")) as r:
        url = f"{r.at.rest}/connect/login?v=3&api_key=simkey&redirect_params=run%3D7"
        async with r.client.get(url, allow_redirects=False) as response:
            target = urlsplit(response.headers["Location"])
        query = parse_qs(target.query)
        assert (response.status, target.path) == (302, "/callback")
        assert (query["a"], query["action"], query["status"], query["run"]) == (["1"], ["login"], ["success"], ["7"])
        assert len(query["request_token"][0]) == 32


async def test_the_session_dies_at_six_and_every_call_says_so() -> None:
    async with rig() as r:
        r.clock.now_ns = parse_iso("2026-11-24T06:00:00", IST)
        assert await r.refusal("GET", "/orders") == (403, "TokenException", "Incorrect `api_key` or `access_token`.")


async def test_a_missing_version_header_is_an_input_exception() -> None:
    async with rig() as r:
        headers = {"Authorization": r.headers["Authorization"]}
        assert (await r.refusal("GET", "/orders", headers=headers))[:2] == (400, "InputException")


async def test_the_eleventh_order_of_a_second_is_throttled_and_not_booked() -> None:
    async with rig() as r:
        r.step()
        answers = [await r.ask("POST", "/orders/regular", data=order(quantity=1), patient=False) for _ in range(11)]
        assert [status for status, _ in answers] == [200] * 10 + [429]
        assert (answers[-1][1]["status"], answers[-1][1]["error_type"]) == ("error", "NetworkException")
        assert answers[-1][1]["message"].startswith("Too many requests")
        assert len(r.exchange.latest_orders()) == 10


async def test_a_second_quote_within_the_second_is_throttled() -> None:
    async with rig() as r:
        await r.data("GET", "/quote/ltp?i=NSE:TCS")
        assert (await r.refusal("GET", "/quote/ohlc?i=NSE:TCS", patient=False))[0] == 429


async def test_unknown_routes_and_methods_answer_in_the_envelope() -> None:
    async with rig() as r:
        assert (await r.refusal("GET", "/gtt/nonsense"))[:2] == (404, "GeneralException")
        assert (await r.refusal("PUT", "/trades"))[:2] == (405, "GeneralException")


async def test_the_sandbox_prefix_is_accepted() -> None:
    async with rig() as r:
        assert await r.data("GET", "/oms/orders") == []


async def test_too_many_quotes_at_once_are_refused() -> None:
    async with rig() as r:
        query = "&".join(f"i=NSE:S{k}" for k in range(501))
        assert (await r.refusal("GET", f"/quote?{query}"))[:2] == (400, "InputException")
        assert await r.data("GET", f"/quote/ltp?{query}") == {}


async def test_funds_shrink_by_the_margin_of_a_position() -> None:
    async with rig() as r:
        before = await r.data("GET", "/user/margins/equity")
        await r.place(quantity=10)
        r.step()
        after = await r.data("GET", "/user/margins/equity")
        value = sum(t.price * t.quantity for t in r.exchange.trade_rows())
        assert before["net"] == before["available"]["cash"] == CASH
        assert after["net"] == float(r.exchange.account.margin_summary().net)
        assert after["net"] == pytest.approx(float(CASH - value / 5), abs=30)
        assert after["net"] == pytest.approx(after["available"]["cash"] - after["utilised"]["debits"])
        assert (await r.data("GET", "/user/margins/commodity"))["enabled"] is False


async def test_estimates_of_margin_and_charges_come_from_the_rules() -> None:
    async with rig() as r:
        limit = order(order_type="LIMIT", price="1000", quantity="10")
        mis, cnc = await r.data("POST", "/margins/orders", json=[limit, limit | {"product": "CNC"}])
        assert (mis["total"], mis["leverage"], cnc["total"], cnc["leverage"]) == (2000, 5, 10000, 1)
        sell = limit | {"transaction_type": "SELL", "average_price": 1000}
        (bill,) = await r.data("POST", "/charges/orders", json=[sell])
        assert (bill["charges"]["transaction_tax"], bill["charges"]["brokerage"]) == (2.5, 3)
        assert (await r.refusal("POST", "/margins/orders", data={"a": "1"}))[:2] == (400, "InputException")
        assert (await r.refusal("POST", "/margins/orders", data=b"{", headers=r.headers | JSON))[:2] == (
            400,
            "InputException",
        )


JSON = {"Content-Type": "application/json"}


async def test_holdings_are_listed_with_their_gain() -> None:
    async with rig(holdings=[HELD]) as r:
        (row,) = await r.data("GET", "/portfolio/holdings")
        last = r.exchange.latest_columns["last"][r.exchange.universe.id_of("RELIANCE")] / 100
        assert (row["tradingsymbol"], row["quantity"], row["average_price"], row["last_price"]) == (
            "RELIANCE",
            5,
            2400,
            last,
        )
        assert row["pnl"] == pytest.approx(5 * (last - 2400))


async def test_every_request_is_in_the_log_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(log=log) as r:
            order_id = await r.place()
            await r.refusal("POST", "/orders/regular", data=order(quantity=0, tag="bad"))
            await r.refusal("POST", "/session/token", data={"api_key": "k", "request_token": "hidden", "checksum": "c"})
            await r.refusal("GET", "/nowhere")
    rows = [row for row in read_event_log(path) if row["kind"] == "request"]
    assert [(row["method"], row["path"], row["status"], row["tag"], row["order_id"]) for row in rows] == [
        ("POST", "/orders/regular", 200, "t1", order_id),
        ("POST", "/orders/regular", 400, "bad", ""),
        ("POST", "/session/token", 403, "", ""),
        ("GET", "/nowhere", 404, "", ""),
    ]
    assert "hidden" not in path.read_text()
    assert "simtoken" not in path.read_text()


async def test_a_port_in_use_is_one_clear_sentence() -> None:
    async with rig() as r:
        port = urlsplit(r.at.rest).port
        with pytest.raises(VenueUnavailable, match=f"127.0.0.1:{port}: the port is in use"):
            async with rig(port=port):
                pass


async def test_the_clock_is_readable_without_a_session() -> None:
    async with rig() as r, r.client.get(f"{r.at.rest}/clock") as response:
        assert await response.json() == {"market_ns": r.clock.now_ns, "monotonic_ns": r.clock.now_ns, "speed": 1.0}
        assert r.at.render()["clock"]["iso"] == "2026-11-23T09:15:00.000000+05:30"


CONVERT = {
    "exchange": "NSE",
    "tradingsymbol": "TCS",
    "transaction_type": "BUY",
    "position_type": "day",
    "quantity": "1",
    "old_product": "MIS",
    "new_product": "CNC",
}


async def test_the_owner_converts_a_position_and_only_what_is_there(conformance: Path) -> None:
    async with rig() as r:
        await r.place(quantity="3")
        r.step(5)
        official = json.loads((conformance / "kiteconnect-mocks/convert_position.json").read_text())
        assert await r.data("PUT", "/portfolio/positions", data=CONVERT) is official["data"] is True
        net = (await r.data("GET", "/portfolio/positions"))["net"]
        assert [(row["product"], row["quantity"]) for row in net] == [("MIS", 2), ("CNC", 1)]
        for wrong in (
            {"quantity": "3"},
            {"quantity": "0"},
            {"position_type": "overnight"},
            {"transaction_type": "SELL"},
            {"new_product": "NRML"},
            {"new_product": "MIS"},
            {"tradingsymbol": "NOPE"},
            {"exchange": "MOON"},
        ):
            refusal = await r.refusal("PUT", "/portfolio/positions", data=CONVERT | wrong)
            assert refusal[:2] == (400, "InputException"), wrong
        after = (await r.data("GET", "/portfolio/positions"))["net"]
        assert [(row["product"], row["quantity"]) for row in after] == [("MIS", 2), ("CNC", 1)]


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("GET", "/instruments/trigger_range/BUY?i=NSE:TCS", "Trigger ranges"),
        ("POST", "/margins/basket?consider_positions=true", "Margins of a basket"),
        ("POST", "/portfolio/holdings/authorise", "Authorisations of holdings"),
        ("GET", "/alerts", "Alerts"),
    ],
)
async def test_routes_that_an_official_client_knows_are_refused_by_name(method: str, path: str, what: str) -> None:
    async with rig() as r:
        status, kind, message = await r.refusal(method, path, json=[])
        assert (status, kind) == (400, "InputException")
        assert message.startswith(what)


@pytest.mark.parametrize(("later", "listed"), [(0, 1), (2 * 86_400 * SECOND, 0)])
async def test_the_books_of_a_day_hold_the_orders_and_fills_of_that_day(
    later: int, listed: int, tmp_path: Path
) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(log=log) as market:
            order_id = await market.place(product="CNC")
            market.step()
    with EventLog(path) as log:
        async with rig(log=log, resume=path, later=later) as market:
            for of_one in (f"/orders/{order_id}", f"/orders/{order_id}/trades"):
                status, answer = await market.ask("GET", of_one)
                assert (status == 200) is bool(listed), "an order of an earlier day is unknown"
                assert listed or answer["message"] == "Couldn't find that `order_id`."
            assert [len(await market.data("GET", f"/{book}")) for book in ("orders", "trades")] == [listed, listed]
            (held,) = await market.data("GET", "/portfolio/holdings") if later else ({"t1_quantity": 1},)
            assert held["t1_quantity"] == 1
            assert len(market.exchange.latest_orders()) == 1


async def test_what_an_earlier_day_left_working_ends_no_later_than_the_new_day_begins(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(log=log) as market:
            low = (await market.data("GET", "/quote?i=NSE:TCS"))["NSE:TCS"]["lower_circuit_limit"]
            await market.place(**ANY_PRICE, price=low)
            market.step()
    with EventLog(path) as log:
        async with rig(log=log, resume=path, later=2 * 86_400 * SECOND, early=3_600 * SECOND) as market:
            (left,) = market.exchange.latest_orders()
            assert left.is_ended
            assert left.changed_at == market.clock.now_ns
