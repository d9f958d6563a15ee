"""The GTT routes over real sockets: Kite's forms and rows, its refusals, its limits, the log, and injected faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.venues.kite.server.kite_rig import Rig, rig
from tradebot.clock import DAY
from tradebot.exchange.account import DematHolding
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.order_rules import OrderRules

HELD = DematHolding(symbol="TCS", exchange="NSE", quantity=Decimal(5), average_price=Decimal(2400))
PATH = "/gtt/triggers"


def form(*triggers: float, last: float, kind: str = "", price: float | None = None, **order: Any) -> dict[str, str]:
    """Return the form of a sale of TCS shares at the triggers; keywords change its orders."""
    sale = {
        "exchange": "NSE",
        "tradingsymbol": "TCS",
        "transaction_type": "SELL",
        "quantity": 1,
        "order_type": "LIMIT",
        "product": "CNC",
    }
    condition = {"exchange": "NSE", "tradingsymbol": "TCS", "trigger_values": list(triggers), "last_price": last}
    orders = [sale | {"price": trigger if price is None else price} | order for trigger in triggers]
    word = kind or ("single" if len(triggers) == 1 else "two-leg")
    return {"type": word, "condition": json.dumps(condition), "orders": json.dumps(orders)}


async def last_price(r: Rig) -> float:
    return float((await r.data("GET", "/quote/ltp?i=NSE:TCS"))["NSE:TCS"]["last_price"])


async def place(r: Rig, *triggers: float, **order: Any) -> int:
    answer = await r.data("POST", PATH, data=form(*triggers, last=await last_price(r), **order))
    return int(answer["trigger_id"])


async def test_a_gtt_is_placed_shown_modified_and_deleted() -> None:
    async with rig(holdings=[HELD]) as r:
        last = await last_price(r)
        low, high = float(round(last * 0.9)), float(round(last * 1.1))
        trigger_id = await place(r, low, high)
        (row,) = await r.data("GET", PATH)
        assert row == await r.data("GET", f"{PATH}/{trigger_id}")
        assert (row["id"], row["type"], row["status"], row["user_id"]) == (trigger_id, "two-leg", "active", "SIM001")
        assert row["condition"]["trigger_values"] == [low, high]
        assert [order["price"] for order in row["orders"]] == [low, high]
        assert row["orders"][0]["result"] is None
        assert row["expires_at"] == row["created_at"].replace("2026", "2027")
        changed = form(low - 1, high + 1, last=last, quantity=2)
        assert await r.data("PUT", f"{PATH}/{trigger_id}", data=changed) == {"trigger_id": trigger_id}
        (row,) = await r.data("GET", PATH)
        assert row["condition"]["trigger_values"] == [low - 1, high + 1]
        assert [order["quantity"] for order in row["orders"]] == [2, 2]
        assert row["updated_at"] > row["created_at"]
        assert await r.data("DELETE", f"{PATH}/{trigger_id}") == {"trigger_id": trigger_id}
        assert [row["status"] for row in await r.data("GET", PATH)] == ["deleted"]
        assert await r.data("GET", "/orders") == []


async def test_rows_have_the_keys_of_the_official_bodies_before_and_after_a_trigger(conformance: Path) -> None:
    official = json.loads((conformance / "kiteconnect-mocks/gtt_get_orders.json").read_text())["data"]
    for name in ("place", "modify", "delete"):
        body = json.loads((conformance / f"kiteconnect-mocks/gtt_{name}_order.json").read_text())
        assert body["data"].keys() == {"trigger_id"}
    async with rig(holdings=[HELD]) as r:
        trigger_id = await place(r, float(round(await last_price(r) * 0.995)), price=1)
        await _until(r, lambda: not r.exchange.gtt_book.gtt_of(trigger_id).is_active)
        await place(r, float(round(await last_price(r) * 0.9)))
        triggered, active = await r.data("GET", PATH)
        for ours, theirs in ((active, official[0]), (triggered, official[1])):
            assert ours.keys() == theirs.keys()
            assert ours["condition"].keys() == theirs["condition"].keys()
            assert ours["orders"][0].keys() == theirs["orders"][0].keys()
        failed = official[1]["orders"][1]["result"]
        result = triggered["orders"][0]["result"]
        assert result.keys() == failed.keys()
        assert {name: type(value) for name, value in result["order_result"].items()} == {
            name: type(value) for name, value in failed["order_result"].items()
        }
        # As in the official body: the limit is below the day's band, which the broker finds when it triggers.
        assert (triggered["status"], result["order_result"]["status"]) == ("triggered", "failed")
        assert "lower than the current lower circuit limit" in result["order_result"]["rejection_reason"]
        assert json.loads(result["meta"])["gtt"] == trigger_id


async def _until(r: Rig, is_done: Callable[[], bool]) -> None:
    for _ in range(22_000):
        if is_done():
            return
        r.step()
    raise AssertionError("the day is over")


async def test_the_order_of_a_trigger_is_in_the_order_book_under_the_id_of_the_result() -> None:
    async with rig(holdings=[HELD]) as r:
        last = await last_price(r)
        legs = float(round(last * 0.995)), float(round(last * 1.2))
        trigger_id = await place(r, *legs, price=float(round(last * 0.98)))
        await _until(r, lambda: not r.exchange.gtt_book.gtt_of(trigger_id).is_active)
        r.step(5)
        row = await r.data("GET", f"{PATH}/{trigger_id}")
        assert row["orders"][1]["result"] is None
        answer = row["orders"][0]["result"]["order_result"]
        assert (answer["status"], answer["rejection_reason"]) == ("success", "")
        (order,) = await r.data("GET", "/orders")
        assert (order["order_id"], order["tag"], order["status"]) == (answer["order_id"], None, "COMPLETE")
        assert (order["order_type"], order["product"], order["price"]) == ("LIMIT", "CNC", round(last * 0.98))
        assert row["orders"][0]["result"]["triggered_at"] <= round(last * 0.995)


async def test_without_authorisation_the_result_says_so_in_the_words_of_kite() -> None:
    async with rig(holdings=[HELD], rules=OrderRules(debits_holdings=False)) as r:
        last = await last_price(r)
        trigger_id = await place(r, float(round(last * 0.995)), price=float(round(last * 0.98)))
        await _until(r, lambda: not r.exchange.gtt_book.gtt_of(trigger_id).is_active)
        row = await r.data("GET", f"{PATH}/{trigger_id}")
        assert row["orders"][0]["result"]["order_result"] == {
            "status": "failed",
            "order_id": "",
            "rejection_reason": "1 quantity needs authorisation at depository.",
        }


BAD_FORMS: list[tuple[Callable[[float], dict[str, str]], str]] = [
    (
        lambda last: form(last - 1, last=last),
        "Trigger price was too close to the last price. (difference should be more",
    ),
    (
        lambda last: form(round(last * 1.1), round(last * 1.2), last=last),
        "first trigger price more than the last price",
    ),
    (lambda last: form(round(last * 0.8), round(last * 0.9), last=last), "second trigger price less than the last"),
    (lambda last: form(round(last * 1.1), last=last * 1.2), "Trigger already met"),
    (lambda last: form(round(last * 0.9), last=last, order_type="SL"), "Invalid `order_type`"),
    (lambda last: form(round(last * 0.9), last=last, product="MIS"), "Invalid `product`"),
    (lambda last: form(round(last * 0.9), last=last, product="XX"), "Invalid `product`"),
    (lambda last: form(round(last * 0.9), last=last, quantity=0), "Invalid `quantity`"),
    (lambda last: form(round(last * 0.9), last=last, quantity=1.5), "Invalid `quantity`"),
    (lambda last: form(round(last * 0.9), last=last, transaction_type="LEND"), "Invalid `transaction_type`"),
    (lambda last: form(round(last * 0.9), last=last, tradingsymbol="RELIANCE"), "Invalid `tradingsymbol`"),
    (lambda last: form(round(last * 0.9), last=last, price=-1), "Invalid `price`"),
    (lambda last: form(round(last * 0.9), last=last, price=100.033), "Tick size for this script"),
    (lambda last: form(round(last * 0.9), last=last, kind="two-leg"), "Invalid `trigger_values`"),
    (lambda last: form(round(last * 0.9), last=last, kind="three-leg"), "Invalid `type`"),
    (lambda last: form(float("nan"), last=last), "JSON"),
    (lambda last: form(round(last * 0.9), last=last) | {"orders": "[]"}, "Invalid `orders`"),
    (lambda last: form(round(last * 0.9), last=last) | {"orders": "[1]"}, "Invalid `orders`"),
    (lambda last: form(round(last * 0.9), last=last) | {"orders": "{}"}, "Invalid `orders`"),
    (lambda last: form(round(last * 0.9), last=last) | {"condition": "["}, "JSON"),
    (lambda last: form(round(last * 0.9), last=last) | {"condition": "[" * 90_000}, "JSON"),
    (lambda last: form(round(last * 0.9), last=last) | {"condition": ""}, "Missing or empty field `condition`"),
    (lambda last: form(round(last * 0.9), last=last) | {"condition": '{"exchange":"NSE"}'}, "`tradingsymbol`"),
]


@pytest.mark.parametrize(("bad", "words"), BAD_FORMS)
async def test_what_kite_refuses_is_an_input_error_and_is_not_kept(
    bad: Callable[[float], dict[str, str]], words: str
) -> None:
    async with rig() as r:
        status, kind, message = await r.refusal("POST", PATH, data=bad(await last_price(r)))
        assert (status, kind) == (400, "InputException")
        assert words in message
        assert await r.data("GET", PATH) == []


async def test_an_unknown_and_an_ended_trigger_are_refused() -> None:
    async with rig() as r:
        for text in ("7", "abc", "9" * 40, "-1"):
            assert (await r.refusal("GET", f"{PATH}/{text}"))[2] == "Couldn't find that `trigger_id`."
        trigger_id = await place(r, float(round(await last_price(r) * 0.9)))
        await r.data("DELETE", f"{PATH}/{trigger_id}")
        assert "already deleted" in (await r.refusal("DELETE", f"{PATH}/{trigger_id}"))[2]


async def test_placing_counts_toward_the_ten_a_second_of_all_requests_and_not_toward_orders() -> None:
    async with rig() as r:
        r.step()
        last = await last_price(r)
        r.step()
        answers = [
            (await r.ask("POST", PATH, data=form(round(last * 0.9), last=last), patient=False))[0] for _ in range(11)
        ]
        assert answers == [200] * 10 + [429]
        status, _ = await r.ask("POST", "/orders/regular", data={"exchange": "NSE"}, patient=False)
        assert status == 400  # it is read, and not refused for its number


async def test_a_gtt_may_be_placed_outside_the_session() -> None:
    async with rig(early=DAY // 2) as r:
        last = r.exchange.latest_columns["previous_close"][r.exchange.universe.id_of("TCS")] / 100
        answer = await r.data("POST", PATH, data=form(round(last * 0.9), last=last))
        assert r.exchange.gtt_book.gtt_of(answer["trigger_id"]).is_active


async def test_requests_and_gtts_stand_in_the_log_and_a_restart_goes_on_with_them(tmp_path: Path) -> None:
    path = tmp_path / "exchange.log"
    with EventLog(path) as log:
        async with rig(holdings=[HELD], log=log) as r:
            trigger_id = await place(r, float(round(await last_price(r) * 0.5)))
            r.exchange.end_session("stopped")
    lines = list(read_event_log(path))
    (request,) = [line for line in lines if line["kind"] == "request" and line["method"] == "POST"]
    assert (request["path"], request["order_id"], request["status"]) == (PATH, str(trigger_id), 200)
    assert [line["status"] for line in lines if line["kind"] == "gtt"] == ["active"]
    with EventLog(path) as log:
        async with rig(log=log, resume=path, later=2 * DAY) as r:  # the day between is a holiday
            assert [(row["id"], row["status"]) for row in await r.data("GET", PATH)] == [(trigger_id, "active")]


async def test_an_answer_that_is_lost_after_accepting_leaves_a_gtt_that_the_list_shows() -> None:
    plan = FaultPlan.parse("accept-then-reset:gtt.create@1,accept-then-5xx:gtt.cancel@1,unavailable:gtt.modify@1", 1)
    async with rig(faults=plan) as r:
        last = await last_price(r)
        ticket = form(round(last * 0.9), last=last)
        with pytest.raises(aiohttp.ClientError):
            await r.ask("POST", PATH, data=ticket)
        (row,) = await r.data("GET", PATH)
        assert row["status"] == "active"
        address, change = f"{r.at.rest}{PATH}/{row['id']}", form(round(last * 0.8), last=last)
        async with r.client.put(address, headers=r.headers, data=change) as answer:
            assert answer.status == 503
        assert await r.data("GET", f"{PATH}/{row['id']}") == row
        async with r.client.delete(address, headers=r.headers) as answer:
            assert answer.status >= 500
        assert [row["status"] for row in await r.data("GET", PATH)] == ["deleted"]
        assert plan.strike_counts == {"accept-then-reset": 1, "accept-then-5xx": 1, "unavailable": 1}


async def test_a_false_answer_names_another_trigger_and_the_broker_may_disable_one() -> None:
    plan = FaultPlan.parse("wrong-order-id:gtt.create@1,gtt-disabled@4-9", 1)
    async with rig(faults=plan) as r:
        assert await place(r, float(round(await last_price(r) * 0.9))) == 990101
        for _ in range(5):
            r.step()
        (row,) = await r.data("GET", PATH)
        assert row["id"] != 990101
        assert (row["status"], row["meta"]) == ("disabled", {"rejection_reason": "disabled after a corporate action"})
