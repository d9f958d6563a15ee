"""Events of the log: each is declared once, with all that an operator needs, and reaches everyone who listens."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from tests.told import Told
from tradebot.cli.events import events
from tradebot.clock import ManualClock
from tradebot.domain.order import Fill, OrderEvent, OrderEventType, OrderKind, OrderRequest, Side
from tradebot.domain.order_reducer import FILL_EVENTS
from tradebot.ops.events import event
from tradebot.ops.events.bus import EventBus
from tradebot.ops.events.catalogue import EVENTS, SECTION_TITLES, declared_events, render_page
from tradebot.ops.events.event import Event, LogLevel, field_meanings, meaning_of
from tradebot.ops.events.market import FeedConnected, FeedLost, FramesDropped
from tradebot.ops.events.rehearsal import FaultStruck
from tradebot.ops.journal_logger import EVENT_TYPES, JournalLogger

ROOT = Path(__file__).parents[2]
IRREGULAR = {"known", "unknown", "lost", "sent", "seen", "read", "shown", "kept", "cut", "set", "grown", "chosen",
             "withheld", "struck", "fallen", "broken", "rebuilt", "frozen", "uncaught", "found"}  # fmt: skip
OF_EVERY_LINE = {"event", "level", "timestamp", "logger", "run_id", "mode", "exception"}


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_an_event_says_what_happened_how_bad_it_is_what_it_means_and_what_to_do(event: type[Event]) -> None:
    subject, _, participle = event.name.rpartition("_")
    assert subject
    assert participle in IRREGULAR or participle.endswith("ed"), "subject first, then what happened to it"
    assert event.level in get_args(LogLevel)
    for sentence in (meaning_of(event), event.do):
        assert sentence[:1].isupper() or sentence.startswith("`")
        assert sentence.endswith(".")
    assert all(field_meanings(event).values()), f"what its fields hold, with units: {field_meanings(event)}"
    assert not OF_EVERY_LINE & set(field_meanings(event))


def test_no_two_events_share_a_name_and_none_is_declared_elsewhere() -> None:
    names = Counter(event.name for module in SECTION_TITLES for event in declared_events(module))
    assert [name for name, count in names.items() if count > 1] == []
    known = {str(module.__file__) for module in SECTION_TITLES} | {str(event.__file__)}
    elsewhere = [
        path.name
        for path in (ROOT / "tradebot").rglob("*.py")
        if str(path) not in known and re.search(r"^class \w+\(.*\bEvent\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert elsewhere == []


def test_each_declared_event_is_told_somewhere() -> None:
    folder = ROOT / "tradebot" / "ops" / "events"
    told = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tradebot").rglob("*.py") if path.parent != folder
    )
    assert [event.name for event in EVENTS.values() if event.__name__ not in told] == []


def test_nothing_reaches_the_log_but_events() -> None:
    using = [
        path.name
        for path in (ROOT / "tradebot").rglob("*.py")
        if "import structlog" in (text := path.read_text(encoding="utf-8")) or "getLogger" in text
    ]
    quiet = "the server's logger says nothing, and what apprise logs of an address is kept out of the log"
    assert sorted(using) == ["apprise_receiver.py", "connection_places.py", "logs.py"], quiet


def test_a_field_that_is_missing_or_unknown_is_an_error() -> None:
    with pytest.raises(TypeError):
        FeedLost(source="kite")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        FeedLost(source="kite", reason="gone", because="?")  # type: ignore[call-arg]


def test_fields_without_a_value_are_left_out_and_open_ones_stand_beside_the_others() -> None:
    assert FramesDropped(malformed=3).log_fields() == {"malformed": 3}
    assert FaultStruck(strike={"name": "429", "n": 2}).log_fields() == {"name": "429", "n": 2}


def test_listeners_hear_each_event_of_their_kinds_in_the_order_of_subscribing() -> None:
    heard: list[tuple[str, Event]] = []
    bus = EventBus()
    bus.subscribe(lambda event: heard.append(("all", event)))
    bus.subscribe(lambda event: heard.append(("lost", event)), FeedLost)

    up, down = FeedConnected(source="kite"), FeedLost(source="kite", reason="1006")
    bus.emit_event(up)
    bus.emit_event(down)

    assert heard == [("all", up), ("all", down), ("lost", down)]


@pytest.mark.parametrize(
    "event", [event_type for event_type in OrderEventType if event_type is not OrderEventType.INTENT]
)
def test_every_fact_of_an_order_has_its_event(event: OrderEventType) -> None:
    told = Told()
    request = OrderRequest(
        order_id="R1-1", symbol="INFY", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=Decimal(5),
        price=Decimal(1500), strategy="mine",
    )  # fmt: skip
    fill = Fill("7", "V1", "INFY", "NSE", Side.BUY, Decimal(5), Decimal(1500), 1) if event in FILL_EVENTS else None

    JournalLogger(told, ManualClock(0)).log_rows([
        (1, "order", OrderEvent("R1-1", OrderEventType.INTENT, 1, request=request)),
        (2, "order", OrderEvent("R1-1", event, 2, reason="so", venue_order_id="V1", fill=fill)),
    ])  # fmt: skip

    ((name, fields),) = told
    assert name == EVENT_TYPES[event].name
    expected = {"order_id": "R1-1", "symbol": "INFY", "side": Side.BUY, "strategy": "mine", "reason": "so"}
    assert expected.items() <= fields.items()
    assert fields["broker_order_id"] == "V1"


def test_the_page_is_made_from_the_declarations() -> None:
    text = (ROOT / "tradebot" / "docs" / "events.md").read_text(encoding="utf-8")
    assert text == render_page(), "tradebot events --page > tradebot/docs/events.md"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["feed"], "feed_lost\twarning\t"),
        (["feed_lost"], "Do: Nothing at first"),
        (["halted"], "halt_raised (error, before: halted)"),
        (["feed_lost", "--json"], '"reason": "why'),
        (["feed_lots"], "Did you mean 'feed_lost'?"),
    ],
)
def test_the_operator_finds_an_event_by_its_name_a_part_of_it_or_its_old_name(args: list[str], said: str) -> None:
    result: Any = CliRunner().invoke(events, args)
    assert said in result.output
    assert (result.exit_code == 0) is ("Did you" not in said)
