"""What the log says of the rows of the journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradebot.clock import IST, from_iso
from tradebot.domain.messages import Ending, SessionBegins
from tradebot.domain.order import Execution, OrderEvent, OrderFact, Side
from tradebot.ops.narrator import Narrator


def at(clock: str) -> int:
    return from_iso(f"2026-11-23T{clock}", IST)


def test_the_hours_of_a_day_are_told_and_how_many_symbols_end_earlier() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    narrator = Narrator(lambda event, **fields: told.append((event, fields)))
    early = Ending(entries_until=at("15:00"), square_off_at=at("15:05"), closes_at=at("15:15"), symbols=("BIG",))
    session = SessionBegins(
        opens_at=at("09:15"), entries_until=at("15:00"), square_off_at=at("15:10"), closes_at=at("15:30"),
        endings=(early,),
    )  # fmt: skip

    narrator.on_durable([(1, "session", session)])

    hours = {"day": "2026-11-23", "opens": "09:15", "entries_until": "15:00", "square_off_at": "15:10"}
    earlier = {"symbols": 1, "entries_until": "15:00", "square_off_at": "15:05", "closes": "15:15"}
    assert told == [("session_begins", hours | {"closes": "15:30", "earlier": [earlier]})]


def test_a_fill_of_an_order_that_an_earlier_run_began_says_what_was_traded() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    narrator = Narrator(lambda event, **fields: told.append((event, fields)))
    fill = Execution("7", "V1", "INFY", "NSE", Side.SELL, Decimal(3), Decimal("1500.05"), at("10:00"))

    narrator.on_durable([(9, "order", OrderFact("R1-00001", OrderEvent.EXECUTED, at("10:00"), execution=fill))])

    ((event, fields),) = told
    assert event == "order_filled"
    assert {"symbol": "INFY", "side": Side.SELL, "qty": 3, "order_id": "R1-00001"}.items() <= fields.items()
