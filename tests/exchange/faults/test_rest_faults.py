"""Faults of the REST counter on real sockets: what a client sees, and whether the order is in the book behind it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.venues.kite.server.kite_rig import Rig, order, rig
from tradebot.clock import SECOND, WallClock
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.catalogue import FAULT_KINDS, NEEDS_LOGIN, FaultStage
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.faults.rest_faults import PAGE_STATUSES
from tradebot.venues.kite.server.dialect import BODIES, REFUSALS

CREATE = ("POST", "/orders/regular")


def faults(text: str) -> FaultPlan:
    return FaultPlan.parse(text, 7)


async def create(market: Rig, **kw: Any) -> tuple[int, bytes, str]:
    """Send one order and return status, body, and the name of what went wrong on the way, "" for nothing."""
    market.step()
    try:
        async with market.client.post(
            market.at.rest + "/orders/regular", data=order(**kw), headers=market.headers, allow_redirects=False
        ) as response:
            return response.status, await response.read(), ""
    except aiohttp.ClientError as error:
        return 0, b"", type(error).__name__


def booked(exchange: Exchange) -> int:
    return len(exchange.latest_orders())


@pytest.mark.parametrize(
    ("name", "status", "taken"),
    [
        ("unavailable", 503, 0),
        ("429", 429, 0),
        ("firewall-403", 403, 0),
        ("redirect-307", 307, 0),
        ("unknown-refusal-text", 400, 0),
        ("lost-timeout", 408, 0),
        ("definite-reject", 400, 0),
        ("closed-market-reject", 400, 0),
        ("address-refused", 403, 0),
        ("late-accept", 504, 0),
        ("token-death", 403, 0),
        ("token-replaced", 403, 0),
        ("accept-then-5xx", 500, 1),
        ("half-json", 200, 1),
        ("html", 200, 1),
        ("empty-body", 200, 1),
        ("wrong-type", 200, 1),
        ("wrong-charset", 200, 1),
        ("deep-json", 200, 1),
        ("slow-bytes", 200, 1),
        ("slow-reply", 200, 1),
        ("408-after-accept", 408, 1),
        ("429-after-accept", 429, 1),
        ("error-200", 200, 1),
        ("wrong-order-id", 200, 1),
        ("accept-then-unknown-text", 400, 1),
        ("refuse-then-fill", 400, 1),
        ("fill-before-reply", 200, 1),
    ],
)
async def test_an_answer_may_hide_whether_the_order_was_taken(name: str, status: int, taken: int) -> None:
    async with rig(faults=faults(f"{name}:orders.create@1")) as market:
        said, _, error = await create(market)
        assert (error, booked(market.exchange)) == ("", taken)
        assert said in (500, 502, 503, 504) if name == "accept-then-5xx" else said == status


@pytest.mark.parametrize(
    ("name", "errors", "taken"),
    [
        ("lost-before", {"ClientOSError"}, 0),
        ("dropped-before", {"ServerDisconnectedError"}, 0),
        ("hang-before", {"ClientOSError"}, 0),
        ("accept-then-reset", {"ClientOSError"}, 1),
        ("accept-then-close", {"ServerDisconnectedError"}, 1),
        ("accept-then-hang", {"ClientOSError"}, 1),
        ("reset-at-byte", {"ClientOSError", "ClientPayloadError", "ServerDisconnectedError"}, 1),
    ],
)
async def test_a_connection_may_break_before_or_after_the_order_was_taken(
    name: str, errors: set[str], taken: int
) -> None:
    async with rig(faults=faults(f"{name}:orders.create@1")) as market:
        began = market.clock.now_ns
        _, _, error = await create(market)
        assert error in errors
        assert booked(market.exchange) == taken
        assert (market.clock.now_ns - began > 50 * SECOND) is name.endswith("hang-before" if not taken else "hang")
        assert (await create(market))[0] == 200  # the next one finds a sound exchange


async def test_a_reset_is_a_reset_and_a_close_is_a_close() -> None:
    for name, resets in (("accept-then-reset", True), ("accept-then-close", False)):
        async with rig(faults=faults(f"{name}:profile@1")) as market:
            host, port = market.at.rest.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            head = "".join(f"{k}: {v}\r\n" for k, v in market.headers.items())
            writer.write(f"GET /user/profile HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
            try:
                got: bytes | None = await reader.read()
            except ConnectionResetError:
                got = None
            writer.close()
            assert (got is None) is resets
            assert got in (None, b"")


async def test_slow_bytes_arrive_one_at_a_time() -> None:
    async with rig(faults=faults("slow-bytes:profile@1")) as market:
        host, port = market.at.rest.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = "".join(f"{k}: {v}\r\n" for k, v in market.headers.items())
        writer.write(f"GET /user/profile HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        pieces = []
        while piece := await reader.read(65_536):
            pieces.append(piece)
        writer.close()
        text = b"".join(pieces)
        assert text.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(text.partition(b"\r\n\r\n")[2])["data"]["user_id"] == "SIM001"
        assert len(pieces) > len(text) / 2


async def test_who_follows_the_redirect_sends_the_order_twice(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(faults=faults("redirect-307:orders.create@1"), log=log) as market:
            market.step()
            async with market.client.post(
                market.at.rest + "/orders/regular", data=order(), headers=market.headers
            ) as response:
                assert response.status == 200
    requests = [row for row in read_event_log(path) if row["kind"] == "request"]
    assert [row["status"] for row in requests] == [0, 200]


async def test_a_late_order_appears_after_the_answer_said_it_timed_out() -> None:
    async with rig(faults=faults("late-accept:orders.create@1")) as market:
        assert (await create(market))[0] == 504
        assert booked(market.exchange) == 0
        market.step(10)
        assert booked(market.exchange) == 1


async def test_an_answer_is_held_back_until_the_order_has_filled() -> None:
    async with rig(faults=faults("fill-before-reply:orders.create@1")) as market:

        async def stepping(_: float) -> None:
            market.exchange.advance_to(market.clock.now_ns)
            await asyncio.sleep(0)

        market.clock.on_sleep = stepping
        status, body, _ = await create(market)
        (done,) = market.exchange.latest_orders()
        assert status == 200
        assert json.loads(body)["data"]["order_id"] == done.order_id
        assert done.is_ended


async def test_a_refused_cancel_and_a_cancel_without_an_answer_differ_only_in_the_book() -> None:
    async with rig(faults=faults("cancel-unknown@1, accept-then-5xx:orders.cancel@2")) as market:
        resting = await market.place(order_type="LIMIT", price="3500", market_protection=None)
        for expected, status in (("open", 400), ("cancelled", 500)):
            async with market.client.delete(
                f"{market.at.rest}/orders/regular/{resting}", headers=market.headers
            ) as response:
                assert response.status // 100 == status // 100
            market.step()
            assert market.exchange.order_history(resting)[-1].status == expected


async def test_a_dead_token_is_refused_everywhere_until_it_lives_again() -> None:
    async with rig(faults=faults("token-death:orders.list@1")) as market:
        assert (await market.refusal("GET", "/orders"))[:2] == (403, "TokenException")
        assert (await market.refusal("GET", "/user/profile"))[:2] == (403, "TokenException")
        market.clock.now_ns += 6 * SECOND
        assert (await market.data("GET", "/user/profile"))["user_id"] == "SIM001"


async def test_books_lie_once_and_are_true_again() -> None:
    text = (
        "empty-orders@1, stale-orders@2, truncated-list@3, shuffled-list@4, text-numbers@5, rewritten-order@6,"
        "empty-trades@1, lagging-trades@2, duplicate-trades@3, changed-trade@4, twin-trade@5,"
        "empty-positions@1, stale-positions@2, zero-cash@1"
    )
    async with rig(faults=faults(text)) as market:
        ids = [await market.place(quantity=1) for _ in range(2)]
        market.step()
        orders = [await market.data("GET", "/orders") for _ in range(7)]
        trades = [await market.data("GET", "/trades") for _ in range(6)]
        positions = [(await market.data("GET", "/portfolio/positions"))["net"] for _ in range(3)]
        cash = [(await market.data("GET", "/user/margins"))["equity"]["net"] for _ in range(2)]
    assert [[row["order_id"] for row in rows] for rows in orders] == [[], ids, ids[:1], ids[::-1], ids, ids, ids]
    assert orders[4][0]["quantity"] == "1"
    assert [rows[0]["order_type"] for rows in orders[5:]] == ["LIMIT", "MARKET"]
    assert [len(rows) for rows in trades] == [0, 1, 4, 2, 3, 2]
    assert trades[3][1]["average_price"] != trades[5][1]["average_price"]
    assert len({row["trade_id"] for row in trades[2]}) == 2
    assert len({row["trade_id"] for row in trades[4]}) == 3
    assert [len(rows) for rows in positions] == [0, 1, 1]
    assert (cash[0], cash[1] > 0) == (0, True)


async def test_market_data_over_rest_lies_once_and_is_true_again() -> None:
    text = "zero-rest-quotes@1, missing-quotes@2, missing-candles@1, duplicate-candles@2, no-candles@3"
    async with rig(faults=faults(text)) as market:
        names = [("i", "NSE:TCS"), ("i", "NSE:RELIANCE")]
        quotes = [await market.data("GET", "/quote", params=names) for _ in range(3)]
        span = {"from": "2026-11-20 09:15:00", "to": "2026-11-20 10:14:00"}
        token = quotes[0]["NSE:TCS"]["instrument_token"]
        path = f"/instruments/historical/{token}/minute"
        candles = [len((await market.data("GET", path, params=span))["candles"]) for _ in range(4)]
    assert [len(q) for q in quotes] == [2, 1, 2]
    assert [q["NSE:TCS"]["last_price"] > 0 for q in quotes] == [False, True, True]
    assert candles == [40, 120, 0, 60]


async def test_each_strike_stands_in_the_log_before_the_request_it_struck(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(faults=faults("accept-then-reset:orders.create@2"), log=log) as market:
            await create(market, tag="A1")
            await create(market, tag="A2")
    rows = [row for row in read_event_log(path) if row["kind"] in ("fault", "request")]
    assert [row["kind"] for row in rows] == ["request", "fault", "request"]
    assert {k: rows[1][k] for k in ("name", "where", "n", "tag", "symbol")} == {
        "name": "accept-then-reset",
        "where": "orders.create",
        "n": 2,
        "tag": "A2",
        "symbol": "TCS",
    }
    assert rows[1]["at"] > 0


@pytest.mark.parametrize(
    "kind",
    [k for k in FAULT_KINDS if k.stage in (FaultStage.BEFORE, FaultStage.AFTER) and k.name not in NEEDS_LOGIN],
    ids=lambda k: k.name,
)
async def test_no_fault_of_the_counter_breaks_the_exchange(kind: Any) -> None:
    async with rig(faults=faults(f"{kind.name}@1-2")) as market:
        loud: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loud.append(str(context)))
        await create(market)
        resting = order(order_type="LIMIT", price="3000", market_protection=None)
        for _ in range(3):
            await create(market, **resting)
        market.clock.now_ns += 10 * SECOND
        market.step()
        assert (await create(market))[0] == 200
    assert loud == []


def test_every_answer_of_the_tables_belongs_to_a_fault() -> None:
    names = {kind.name for kind in FAULT_KINDS}
    assert set(REFUSALS) | {name.partition(":")[0] for name in BODIES} <= names
    assert set(PAGE_STATUSES) <= names


async def test_a_client_that_gives_up_ends_the_silence_of_the_server() -> None:
    clock, waited = WallClock(), list[float]()

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        await clock.sleep(seconds)

    async with rig(faults=faults("accept-then-hang:profile@1")) as market:
        market.clock.on_sleep = wait  # let it wait for real
        with pytest.raises(TimeoutError):
            await market.ask("GET", "/user/profile", timeout=aiohttp.ClientTimeout(total=0.3))
        assert waited  # it was silent, not slow to answer
        assert (await market.ask("GET", "/user/profile"))[0] == 200
