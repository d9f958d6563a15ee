"""People beside us in the account: what owner and risk desk do shows in the account, under their names and products."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.venues.kite.server.kite_rig import rig
from tradebot.clock import SECOND
from tradebot.domain.order import Side
from tradebot.exchange.account import DematHolding
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.faults.catalogue import FAULT_KINDS, FaultStage
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.gtt_order import GttLeg, GttTicket

HELD = DematHolding(symbol="TCS", exchange="NSE", quantity=Decimal(30), average_price=Decimal(3_000))
FROM_THE_THIRD_SECOND = "@t+3s-6s"


async def after(name: str, tmp_path: Path, **first: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The exchange's log and the net positions some seconds after one person acted once a second."""
    path = tmp_path / "exchange.jsonl"
    plan = FaultPlan.parse(f"{name}{FROM_THE_THIRD_SECOND}", 5)
    with EventLog(path) as log:
        async with rig(holdings=[HELD], log=log, faults=plan) as r:
            if first:
                await r.place(**first)
            if name.startswith("gtt-"):
                for trigger in (2_000, 1_900, 1_800, 1_700, 1_600):
                    r.exchange.gtt_book.place_gtt(sale_at(trigger))
            for _ in range(8):
                r.step()
            net = (await r.data("GET", "/portfolio/positions"))["net"]
            r.exchange.end_session("stopped")
    return list(read_event_log(path)), net


def sale_at(trigger: int) -> GttTicket:
    leg = GttLeg(trigger=Decimal(trigger), side=Side.SELL, quantity=Decimal(1), price=Decimal(trigger), product="CNC")
    return GttTicket(exchange="NSE", symbol="TCS", last_price=Decimal(3_000), legs=(leg,))


def placed(log: list[dict[str, Any]], hand: str) -> list[dict[str, Any]]:
    versions: dict[str, dict[str, Any]] = {}
    for line in log:
        if line["kind"] == "order" and line["ticket"]["hand"] == hand:
            versions[line["order_id"]] = line
    return list(versions.values())


async def test_every_person_of_the_catalogue_does_what_its_line_says(tmp_path: Path) -> None:
    told = {kind.name for kind in FAULT_KINDS if kind.stage is FaultStage.PERSON}
    for name in sorted(told):
        folder = tmp_path / name
        folder.mkdir()
        log, net = await after(name, folder, quantity="8")
        assert sum(1 for line in log if line["kind"] == "fault" and line["name"] == name) >= 2
        quantities: dict[tuple[str, str], int] = defaultdict(int)
        for row in net:
            quantities[row["exchange"], row["product"]] += row["quantity"]
        owner, broker = placed(log, "owner"), placed(log, "broker")
        match name:
            case "owner-buys":
                assert quantities["NSE", "MIS"] > 8
            case "owner-sells":
                assert quantities["NSE", "MIS"] < 8
            case "owner-buys-delivery":
                assert (quantities["NSE", "MIS"], quantities["NSE", "CNC"] > 0) == (8, True)
            case "owner-buys-elsewhere":
                assert (quantities["NSE", "MIS"], quantities["BSE", "CNC"] > 0) == (8, True)
            case "owner-sells-holdings":
                assert (quantities["NSE", "MIS"], quantities["NSE", "CNC"] < 0) == (8, True)
            case "owner-exits" | "risk-squares-off":
                assert quantities["NSE", "MIS"] == 0
            case "risk-reduces":
                assert 0 < quantities["NSE", "MIS"] < 8
            case "owner-converts":
                assert quantities["NSE", "CNC"] > 0
                assert quantities["NSE", "MIS"] + quantities["NSE", "CNC"] == 8
                assert [line["becomes"] for line in log if line["kind"] == "conversion"]
            case "owner-cancels":
                pass  # nothing works at the exchange: it did nothing, see the next test
            case "gtt-disabled" | "gtt-cancelled" | "gtt-rejected":
                ended = [line for line in log if line["kind"] == "gtt" and line["status"] != "active"]
                assert {line["status"] for line in ended} == {name.removeprefix("gtt-")}
                assert all(line["reason"] for line in ended)
            case _:
                raise AssertionError(f"{name} is not looked at")
        assert all(line["ticket"]["tag"] == "" for line in owner)
        assert bool(broker) == name.startswith("risk-")
        assert all(line["ticket"]["tag"] not in ("", "t1") for line in broker), "the broker has tags of its own"


async def test_the_owner_cancels_what_works(tmp_path: Path) -> None:
    log, _ = await after("owner-cancels", tmp_path, order_type="LIMIT", price="3500", quantity="1")
    assert [line["status"] for line in placed(log, "api")] == ["CANCELLED"]


async def test_an_order_of_the_broker_says_that_the_system_placed_it() -> None:
    plan = FaultPlan.parse(f"risk-reduces{FROM_THE_THIRD_SECOND}", 5)
    async with rig(faults=plan) as r:
        await r.place(quantity="8")
        for _ in range(8):
            r.step()
        rows = await r.data("GET", "/orders")
        assert {(row["placed_by"], row["tag"]) for row in rows} == {("SIM001", "t1"), ("SYSTEM", "squareoff")}
        assert r.clock.now_ns > 8 * SECOND
