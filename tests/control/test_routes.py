"""The routes of the API: what each answers, that the document of the API is true of it, and what a start answers."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from tests.control.api_rig import RUN_ID, ApiRig, fetch_json, head_of, post_json, send_bytes, serving
from tests.control.schema_check import differences
from tradebot.control.answers import ReadyPart
from tradebot.control.api_paths import PREFIX
from tradebot.control.client import send_request
from tradebot.control.openapi import openapi_document
from tradebot.control.routes import ROUTES
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Action, Cancel, Command, LimitsReloaded, OrderReport, Signal, Signals
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderRequest,
    Side,
    VenueOrderStatus,
)
from tradebot.errors import ConfigError, DataError, RequestRefused, TradebotError

COLUMNS = ("ids", "open", "high", "low", "close", "volume", "ticks")


def signals_of(*names: str) -> Signals:
    def made(name: str) -> Signal:
        return Signal(signal_id=name, strategy="s", symbol="AAA", action=Action.ENTER_LONG, bar_at=5, quoted_at=1)

    return Signals(at=5, interval=60_000_000_000, signals=tuple(map(made, names)))


def filled(number: int, event_type: OrderEventType = OrderEventType.EXECUTED) -> OrderEvent:
    fill = Fill(
        execution_id=f"e{number}", venue_order_id="V1", symbol="AAA", exchange="NSE", side=Side.BUY,
        quantity=Decimal(3), price=Decimal("10.50"), traded_at=number,
    )  # fmt: skip
    return OrderEvent("T1-1", event_type, at=number, fill=fill)


def bars_at(end: int, close: int) -> BarBatch:
    row = {name: np.array([close], dtype=np.int64) for name in COLUMNS} | {"ids": np.array([0], dtype=np.int64)}
    return BarBatch(interval=60_000_000_000, ends_at=end, seen_at=1, quoted_at=1, **row)


@pytest.fixture
async def rig(tmp_path: Path) -> ApiRig:
    """A run that holds AAA behind a stop, has an entry of BBB at work, and a journal with something of each kind."""
    rig = ApiRig(tmp_path)
    rig.begin_trading()
    await rig.write_journal(
        ("order", filled(1)), ("signals", signals_of("a", "b")), ("signals", signals_of()),
        ("close", bars_at(60, 1000)), ("order", filled(2)), ("order", filled(2, OrderEventType.QUARANTINED)),
        ("repaired", bars_at(60, 1005)),
        ("signals", signals_of("c")), ("close", bars_at(120, 1010)),
    )  # fmt: skip
    return rig


def working_order(rig: ApiRig) -> str:
    return next(o.order_id for o in rig.desk_rig.desk.account.live_orders() if o.symbol == "BBB")


def said_by_document(method: str, path: str, status: int = 200) -> dict[str, Any]:
    operation = openapi_document()["paths"][path][method.lower()]
    schema: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return schema


async def test_every_answer_is_what_the_document_says(rig: ApiRig) -> None:
    bodies = {
        "halt": {"scope": "symbol:AAA"}, "resume": {}, "flatten": {"id": "f1"}, "stop": {}, "login": {"text": "x"},
        "cancel": {"order_id": working_order(rig)}, "pause": {"strategy": "s"}, "unpause": {"strategy": "s"},
        "reload": {"confirm": True},
    }  # fmt: skip
    answered = 0

    async def reload(*, is_confirmed: bool, is_trial: bool) -> dict[str, Any]:
        return {"changed": {"risk.max_daily_loss": ["2500", "900"]}, "would_change": {}, "raised": []}

    rig.apis.reload_config = reload
    async with serving(rig) as port:
        for route in ROUTES:
            if route.method == "GET":
                query = "?symbol=AAA" if route.name == "bars" else ""
                answer = await send_bytes(port, head_of("GET", route.path + query, port))
            else:
                answer = await post_json(port, route.name, bodies[route.name])
            status = 409 if route.name == "login" else 200
            assert answer.status == status, (route.path, answer)
            wrong = list(
                differences(answer.json, said_by_document(route.method, route.path, status), openapi_document())
            )
            assert not wrong, (route.path, wrong)
            answered += 1
        for path in ("/healthz", "/readyz", "/openapi.json"):
            found = await fetch_json(port, path)
            assert not list(differences(found, said_by_document("GET", path), openapi_document())), path
    assert answered == len(ROUTES)


@pytest.mark.parametrize("error", [ConfigError, DataError, RequestRefused])
async def test_a_reload_that_is_refused_says_why(rig: ApiRig, error: type[TradebotError]) -> None:
    async def reload(**_: bool) -> dict[str, Any]:
        raise error("nothing was taken up")

    rig.apis.reload_config = reload
    async with serving(rig) as port:
        answer = await post_json(port, "reload", {})
    assert (answer.status, answer.json["error"]) == (409, "nothing was taken up")


async def test_the_document_has_every_route_and_no_other(rig: ApiRig) -> None:
    paths = openapi_document()["paths"]
    assert {route.path for route in ROUTES} <= paths.keys()
    async with serving(rig) as port:
        for path, operations in paths.items():
            for method in operations:
                answer = await send_bytes(port, head_of("PUT" if method == "get" else "GET", path, port))
                assert answer.status == 405 or len(operations) > 1, path


def test_a_value_that_differs_from_its_schema_is_noticed() -> None:
    document = openapi_document()
    schema = said_by_document("GET", f"{PREFIX}/positions")
    row = {"exchange": "NSE", "symbol": "A", "product": "MIS", "owner": "", "quantity": "1", "average_price": "1",
           "last": None, "profit": None}  # fmt: skip
    assert not list(differences({"positions": [row]}, schema, document))
    for bad in ({"positions": [row | {"more": 1}]}, {"positions": [row | {"quantity": 1}]}, {"positions": {}}, {},
                {"positions": [{"symbol": "A"}]}):  # fmt: skip
        assert list(differences(bad, schema, document)), bad


async def test_positions_and_orders_are_those_of_the_desk(rig: ApiRig) -> None:
    async with serving(rig) as port:
        (position,) = (await fetch_json(port, "/api/v1/positions"))["positions"]
        orders = (await fetch_json(port, "/api/v1/orders"))["orders"]
        live = (await fetch_json(port, "/api/v1/orders?live=true"))["orders"]
        first = await fetch_json(port, "/api/v1/orders?limit=1")
        second = await fetch_json(port, f"/api/v1/orders?limit=1&before={first['before']}")
    assert (position["symbol"], position["quantity"], position["last"]) == ("AAA", "10", "1000.00")
    assert [order["symbol"] for order in orders] == ["BBB", "AAA"], "the newest first"
    assert [order["symbol"] for order in live] == ["BBB"]
    assert first["orders"] + second["orders"] == orders
    assert second["before"] == ""


async def test_trades_signals_and_bars_come_from_the_journal_newest_first_and_page_by_page(rig: ApiRig) -> None:
    async with serving(rig) as port:
        trades = (await fetch_json(port, "/api/v1/trades"))["trades"]
        signals = await fetch_json(port, "/api/v1/signals?limit=2")
        bars = (await fetch_json(port, "/api/v1/bars?symbol=AAA"))["bars"]
        first = await fetch_json(port, "/api/v1/trades?limit=1")
        rest = await fetch_json(port, f"/api/v1/trades?limit=5&before={first['before']}")
    assert [(t["execution_id"], t["price"], t["run_id"]) for t in trades] == [
        ("e2", "10.50", RUN_ID), ("e1", "10.50", RUN_ID),
    ]  # fmt: skip
    assert [one["signal_id"] for one in signals["signals"]] == ["c", "a", "b"], "those of a close stay together"
    assert [(b["ends_at"], b["close"], b["repaired"]) for b in bars] == [
        (120, "10.10", False), (60, "10.05", True), (60, "10.00", False),
    ]  # fmt: skip
    assert first["trades"] + rest["trades"] == trades
    assert rest["before"] == 0


async def test_a_halt_of_a_strategy_is_its_pause_and_shows_with_strategies_and_risk(rig: ApiRig) -> None:
    async with serving(rig) as port:
        assert (await post_json(port, "pause", {"strategy": "s", "reason": "lunch"})).json == {
            "halted": "lunch", "scope": "strategy:s",
        }  # fmt: skip
        (strategy,) = (await fetch_json(port, "/api/v1/strategies"))["strategies"]
        halts = (await fetch_json(port, "/api/v1/risk"))["halts"]
        assert (await post_json(port, "unpause", {"strategy": "s"})).json["resumed"] == "strategy:s"
        (after,) = (await fetch_json(port, "/api/v1/strategies"))["strategies"]
        unknown = await post_json(port, "pause", {"strategy": "nope"})
    assert rig.commands[0] == Command(verb=CommandVerb.HALT, reason="lunch", scope=Scope.for_strategy("s"))
    assert (strategy["paused"], [halt["scope"] for halt in halts], after["paused"]) == ("lunch", ["strategy:s"], "")
    assert (unknown.status, "no strategy 'nope'" in unknown.json["error"]) == (400, True)


async def test_the_limits_are_those_of_now(rig: ApiRig) -> None:
    async with serving(rig) as port:
        before, desk = (await fetch_json(port, "/api/v1/risk"))["limits"], rig.desk_rig.desk
        lowered = msgspec.to_builtins(desk.account.limits) | {"max_daily_loss": "900"}
        desk.apply_message(LimitsReloaded(limits=lowered, order_notional=Decimal(500)))
        after = (await fetch_json(port, "/api/v1/risk"))["limits"]
    assert [(one, other) for one, other in zip(before, after, strict=True) if one != other] == [
        ({"name": "max_daily_loss", "value": "2500"}, {"name": "max_daily_loss", "value": "900"}),
    ]  # fmt: skip


async def test_a_cancel_is_of_an_order_of_ours_and_goes_to_the_desk_as_a_command(rig: ApiRig) -> None:
    id_ = working_order(rig)
    async with serving(rig) as port:
        first = await post_json(port, "cancel", {"order_id": id_, "reason": "by hand"})
        again = await post_json(port, "cancel", {"order_id": id_})
        unknown = await post_json(port, "cancel", {"order_id": id_[:-1] + "9"})
        ended = await post_json(port, "cancel", {"order_id": rig_order_of(rig, "AAA")})
    assert (first.json["already"], again.json["already"]) == (False, True)
    assert rig.commands[0] == Command(verb=CommandVerb.CANCEL, reason="cancelled by the operator: by hand", id=id_)
    assert [o.order_id for o in rig.outputs if isinstance(o, Cancel)] == [id_]
    asked = [o for o in rig.outputs if isinstance(o, OrderEvent)]
    assert [(o.type, o.reason) for o in asked] == [(OrderEventType.CANCEL_ASKED, "cancelled by the operator: by hand")]
    assert (unknown.status, f"did you mean {id_}?" in unknown.json["error"]) == (404, True)
    assert (ended.status, "has ended: FILLED" in ended.json["error"]) == (409, True)


async def test_an_order_that_was_placed_elsewhere_is_not_ours_to_cancel(rig: ApiRig) -> None:
    elsewhere = OrderRequest(
        order_id="", symbol="AAA", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=Decimal(3)
    )  # fmt: skip
    seen = replace(rig.desk_rig.venue_order(elsewhere, VenueOrderStatus.OPEN), venue_order_id="X9")
    rig.desk_rig.desk.apply_message(OrderReport(order=seen, mono=rig.desk_rig.mono))
    (id_,) = (o.order_id for o in rig.desk_rig.desk.account.all_live_orders() if o.is_external)
    async with serving(rig) as port:
        answer = await post_json(port, "cancel", {"order_id": id_})
    assert (answer.status, "placed elsewhere" in answer.json["error"], rig.commands) == (409, True, [])


def rig_order_of(rig: ApiRig, symbol: str) -> str:
    return next(o.order_id for o in rig.desk_rig.desk.account.kept_orders().values() if o.symbol == symbol)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("orders?limit=0", 400, ">= 1"), ("orders?limit=x", 400, "int"), ("trades?limit=1001", 400, "<= 1000"),
        ("positions?a=1", 400, "unknown field `a`"), ("signals?limit=1&limit=2", 400, "given twice"),
        ("bars", 400, "missing required field `symbol`"), ("bars?symbol=NOPE", 404, "no symbol 'NOPE'"),
        ("trades?before=99999999999999999999", 400, "before"), ("nothing", 404, "Not Found"),
    ],
)  # fmt: skip
async def test_parameters_that_make_no_sense_are_refused(rig: ApiRig, path: str, status: int, sentence: str) -> None:
    async with serving(rig) as port:
        answer = await send_bytes(port, head_of("GET", f"/api/v1/{path}", port))
    assert (answer.status, sentence in answer.json["error"]) == (status, True), answer


async def test_a_start_has_a_status_and_nothing_to_list(tmp_path: Path) -> None:
    rig = ApiRig(tmp_path)
    async with serving(rig) as port:
        status = await fetch_json(port, "/api/v1/status")
        assert not list(differences(status, said_by_document("GET", "/api/v1/status"), openapi_document()))
        for route in ROUTES:
            if route.method == "GET" and route.name not in ("status", "login"):
                query = "?symbol=AAA" if route.name == "bars" else ""
                answer = await send_bytes(port, head_of("GET", route.path + query, port))
                assert (answer.status, "not trading yet" in answer.json["error"]) == (409, True)
        assert (await post_json(port, "cancel", {"order_id": "x"})).status == 409
        assert (await send_bytes(port, head_of("GET", "/readyz", port))).status == 503
    assert status["state"] == "starting"


async def test_a_part_that_is_not_fit_makes_the_run_not_ready(rig: ApiRig) -> None:
    async with serving(rig) as port:
        assert (await fetch_json(port, "/readyz"))["ready"]
        rig.ready.append(ReadyPart("feed", False, "silent"))
        answer = await send_bytes(port, head_of("GET", "/readyz", port))
    assert (answer.status, answer.json["ready"], answer.json["parts"][1]["reason"]) == (503, False, "silent")


async def test_metrics_are_those_that_were_handed_in(rig: ApiRig) -> None:
    async with serving(rig) as port:
        none = await send_bytes(port, head_of("GET", "/metrics", port))
        rig.apis.metrics = lambda: b"tradebot_up 1\n"
        some = await send_bytes(port, head_of("GET", "/metrics", port))
    assert (none.status, none.json) == (404, {"error": "this run has no metrics"})
    assert (some.status, some.body, some.headers["content-type"].split(";")[0]) == (
        200,
        b"tradebot_up 1\n",
        "text/plain",
    )


async def test_older_command_lines_reach_the_routes_by_their_bare_names(rig: ApiRig) -> None:
    async with serving(rig):
        assert (await asyncio.to_thread(send_request, rig.folder, "GET", "/status?x=1"))["run_id"] == RUN_ID
        assert (await asyncio.to_thread(send_request, rig.folder, "POST", "/halt", {}))["scope"] == "all"
