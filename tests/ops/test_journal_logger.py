"""What the log says of the rows of the journal."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

from tests.told import Told
from tradebot.clock import IST, SECOND, ManualClock, parse_iso
from tradebot.domain.commands import CommandVerb, HaltExpiry, Scope
from tradebot.domain.messages import Command, EarlySessionEnd, SessionBegins
from tradebot.domain.order import Fill, OrderEvent, OrderEventType, OrderKind, OrderRequest, Side
from tradebot.markets.market import market_of
from tradebot.ops.journal_logger import JournalLogger


def at(clock: str) -> int:
    return parse_iso(f"2026-11-23T{clock}", IST)


def test_the_hours_of_a_day_are_told_and_how_many_symbols_end_earlier() -> None:
    told = Told()
    journal_logger = JournalLogger(told, ManualClock(0))
    early = EarlySessionEnd(
        entries_until=at("15:00"), square_off_at=at("15:05"), closes_at=at("15:15"), symbols=("BIG",)
    )
    session = SessionBegins(
        opens_at=at("09:15"), entries_until=at("15:00"), square_off_at=at("15:10"), closes_at=at("15:30"),
        early_ends=(early,),
    )  # fmt: skip

    journal_logger.log_rows([(1, "session", session)])

    hours = {"day": "2026-11-23", "opens": "09:15", "entries_until": "15:00", "square_off_at": "15:10"}
    earlier = {"symbols": 1, "entries_until": "15:00", "square_off_at": "15:05", "closes": "15:15"}
    assert told == [("day_started", {"level": "info"} | hours | {"closes": "15:30", "earlier": [earlier]})]


def test_the_hours_are_those_of_the_market_that_is_traded() -> None:
    told = Told()
    journal_logger = JournalLogger(told, ManualClock(0))
    journal_logger.market = market_of("NASDAQ")
    opens_at, closes_at = (journal_logger.market.to_ns(date(2026, 11, 23), time(hour)) for hour in (9, 16))
    session = SessionBegins(
        opens_at=opens_at, entries_until=closes_at, square_off_at=closes_at, closes_at=closes_at
    )  # fmt: skip

    journal_logger.log_rows([(1, "session", session)])

    ((_, fields),) = told
    assert (fields["day"], fields["opens"], fields["closes"]) == ("2026-11-23", "09:00", "16:00")


def test_the_end_of_a_halt_with_its_session_is_told_and_that_of_a_person_stands() -> None:
    told = Told()
    journal_logger = JournalLogger(told, ManualClock(0))
    times = {"entries_until": at("15:00"), "square_off_at": at("15:10"), "closes_at": at("15:30")}
    rows = [
        SessionBegins(opens_at=at("09:15"), **times),
        Command(verb=CommandVerb.HALT, reason="the day's loss", until=HaltExpiry.SESSION, control="daily_loss"),
        Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("INFY")),
        SessionBegins(opens_at=at("09:15"), **times),
        SessionBegins(opens_at=at("09:15") + 86_400 * SECOND, **times),
        SessionBegins(opens_at=at("09:15") + 2 * 86_400 * SECOND, **times),
    ]

    journal_logger.log_rows([(n, "", row) for n, row in enumerate(rows)])

    ended = [(n, fields) for n, (event, fields) in enumerate(told) if event == "halt_ended"]
    assert ended == [
        (4, {"level": "info", "scope": "all", "reason": "the day's loss", "because": "its session is over"})
    ]


def test_a_fill_of_an_order_that_an_earlier_run_began_says_what_was_traded() -> None:
    told = Told()
    journal_logger = JournalLogger(told, ManualClock(0))
    fill = Fill("7", "V1", "INFY", "NSE", Side.SELL, Decimal(3), Decimal("1500.05"), at("10:00"))

    journal_logger.log_rows([(9, "order", OrderEvent("R1-00001", OrderEventType.EXECUTED, at("10:00"), fill=fill))])

    ((event, fields),) = told
    assert event == "order_filled"
    assert {"symbol": "INFY", "side": Side.SELL, "qty": 3, "order_id": "R1-00001"}.items() <= fields.items()


def test_a_control_that_denies_on_and_on_is_told_once_a_minute_with_the_count() -> None:
    told = Told()
    clock = ManualClock(0)
    journal_logger = JournalLogger(told, clock)

    def deny(n: int, control: str = "halt", strategy: str = "eager") -> None:
        request = OrderRequest(
            order_id=f"R1-{n:05}", symbol="INFY", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET,
            quantity=Decimal(n), strategy=strategy,
        )  # fmt: skip
        reason = f"{control}: figures of order {n}"
        event = OrderEvent(request.order_id, OrderEventType.DENIED, n, reason=reason, request=request, control=control)
        journal_logger.log_rows([(n, "order", event)])

    for n in range(5_150):
        deny(n)
        clock.now_ns += SECOND // 200
    deny(6_000, strategy="other")
    deny(6_001, control="daily_loss")
    clock.now_ns += 60 * SECOND
    deny(6_002)

    assert [(event, fields["order_id"], fields.get("times")) for event, fields in told] == [
        ("order_denied", "R1-00000", None),
        ("order_denied", "R1-06000", None),
        ("order_denied", "R1-06001", None),
        ("order_denied", "R1-06002", 5_150),
    ]
