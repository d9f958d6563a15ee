"""What a run says of itself, to the log and to its supervisor."""

from __future__ import annotations

import asyncio
from datetime import date, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tests.told import Told
from tests.trading.desk.desk_rig import DeskRig
from tests.trading.desk.venue_model import VenueModel
from tradebot.clock import ManualClock
from tradebot.config import Config
from tradebot.daemon import status_reporter
from tradebot.daemon.status_reporter import StatusReporter
from tradebot.markets.calendar import ist_to_ns
from tradebot.markets.market import HOME_MARKET
from tradebot.trading.desk.settings import RestingSettings


class Heard:
    """The bulletins of a run of three symbols, and what log and supervisor heard of them."""

    def __init__(self, *, halted: str = "", **conditions: Any) -> None:
        self.events = Told()
        self.supervisor: list[str] = []
        self.ready, self.was_shown = asyncio.Event(), asyncio.Event()
        self.clock = ManualClock(ist_to_ns(date(2025, 6, 5), time(10)))
        notifier = SimpleNamespace(
            notify_ready=lambda text: self.supervisor.append(f"READY {text}"),
            notify_status=self._show,
            notify_stopping=lambda: self.supervisor.append("STOPPING"),
        )
        links = {"session_lost": "", "orders_refused": False}
        links |= {name: conditions.pop(name) for name in links if name in conditions}
        quiet = {"halt_reason": halted, "blind_reason": "", "disk_short": "", "links": SimpleNamespace(**links)}
        account: Any = SimpleNamespace(
            conditions=SimpleNamespace(**quiet | conditions), day_profit=lambda: Decimal("-12.5"), open_symbols={"AAA"}
        )
        venue_session: Any = SimpleNamespace(
            clock=self.clock,
            universe=range(3),
            venue_name="exchange",
            account="SIM001",
            traded_market=HOME_MARKET,
            login=None,
        )
        engine: Any = SimpleNamespace(quotes_ready=self.ready)
        self.status_reporter = StatusReporter(
            Config(), venue_session, engine=engine, account=account,
            notifier=notifier,  # type: ignore[arg-type]
            tell=self.events,
        )  # fmt: skip

    def _show(self, text: str) -> None:
        self.supervisor.append(text)
        self.was_shown.set()


@pytest.mark.parametrize(("came", "quotes"), [(True, "flowing"), (False, "none yet")])
async def test_ready_is_said_once_a_quote_came_or_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, came: bool, quotes: str
) -> None:
    monkeypatch.setattr(status_reporter, "FIRST_QUOTE_S", 30.0 if came else 0.0)
    heard = Heard()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        saying = tasks.create_task(heard.status_reporter.announce_ready())
        await asyncio.sleep(0)
        if came:
            assert heard.events == []
            heard.ready.set()
        await saying
    ((event, fields),) = heard.events
    assert (event, fields["symbols"], fields["venue"], fields["quotes"]) == ("trading_started", 3, "exchange", quotes)
    assert heard.supervisor == ["READY PAPER 3 symbols, day PnL -12.50, 1 positions"]


@pytest.mark.parametrize("moment", [time(8, 30), time(16, 0)])
async def test_outside_of_a_session_ready_waits_for_no_quote(moment: time) -> None:
    heard = Heard()
    heard.clock.now_ns = ist_to_ns(date(2025, 6, 5), moment)
    async with asyncio.timeout(10):
        await heard.status_reporter.announce_ready()
    assert [fields["quotes"] for _, fields in heard.events] == ["none yet"]


@pytest.mark.parametrize(
    ("conditions", "shown"),
    [
        ({"session_lost": "dead", "orders_refused": False}, "NEED LOGIN: log in again"),
        ({"session_lost": "dead", "orders_refused": True}, "NEED LOGIN: no order leaves"),
        ({"blind_reason": "the venue's books were not read for 61 s"}, "NO BOOKS"),
    ],
)
def test_the_supervisor_sees_that_the_session_is_lost_or_that_no_books_come(
    conditions: dict[str, Any], shown: str
) -> None:
    assert shown in Heard(**conditions).status_reporter._status()


async def test_the_supervisor_sees_every_few_seconds_how_the_run_stands_and_why_it_is_halted() -> None:
    heard = Heard(halted="by hand")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        reporting = tasks.create_task(heard.status_reporter.report_status())
        await heard.was_shown.wait()
        reporting.cancel()
    assert heard.supervisor[0] == "PAPER 3 symbols, day PnL -12.50, 1 positions, HALTED: by hand"


async def test_the_end_is_said_with_its_first_reason() -> None:
    heard, stop, reasons = Heard(), asyncio.Event(), list[str]()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(heard.status_reporter.announce_stop(stop, reasons))
        await asyncio.sleep(0)
        assert heard.events == []
        reasons += ["SIGTERM", "SIGINT"]
        stop.set()
    assert [(event, fields["reason"]) for event, fields in heard.events] == [("stop_requested", "SIGTERM")]
    assert heard.supervisor == ["STOPPING"]


def test_positions_whose_stops_end_with_the_process_are_named_with_them() -> None:
    heard, rig = Heard(), DeskRig()
    heard.status_reporter._account, heard.status_reporter._venue_session.universe = rig.desk.account, rig.universe  # type: ignore[attr-defined]
    heard.status_reporter.warn_open_positions()
    assert heard.events == []

    rig.bought(stop_loss=990.0, trail_by=20.0, target=1100.0)
    rig.quote("AAA", "1050")
    heard.status_reporter.warn_open_positions()

    ((event, fields),) = heard.events
    assert (event, fields["level"]) == ("stops_ended", "warning")
    assert fields["positions"] == {"AAA": {"qty": "10", "stop": "990.0", "trail": "1030.00", "target": "1100.0"}}
    assert "end with it" in fields["reason"]


@pytest.mark.parametrize(
    ("held_more", "event", "level"), [(0, "stops_retained", "info"), (5, "stops_ended", "warning")]
)
def test_a_position_whose_stop_rests_at_the_venue_is_guarded_only_if_all_of_it_is(
    held_more: int, event: str, level: str
) -> None:
    heard, venue = Heard(), VenueModel(DeskRig(resting=RestingSettings(strategies=("s",))))
    account, universe = venue.rig.desk.account, venue.rig.universe
    heard.status_reporter._account, heard.status_reporter._venue_session.universe = account, universe  # type: ignore[attr-defined]
    bought = venue.buy(quantity=10 - held_more)
    venue.run(1)
    if held_more:
        venue.trade(next(o for o in venue.orders.values() if o.request.order_id == bought.order_id), Decimal(held_more))
        venue.deliver_all()

    heard.status_reporter.warn_open_positions()

    ((said, fields),) = heard.events
    assert (said, fields["level"]) == (event, level)
    row = {"qty": "10", "stop": "990.0", "resting": f"{10 - held_more}", "rests_at": "990.0"}
    assert fields["positions"] == {"AAA": row}
