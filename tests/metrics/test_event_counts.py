"""Events are counted by name and level, those of orders by purpose, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.metrics.metrics_rig import MetricsRig, scraped
from tests.trading.desk.desk_rig import DeskRig
from tradebot.ops.events.analysis import WorkerLost
from tradebot.ops.events.catalogue import EVENTS
from tradebot.ops.events.event import INFO, Event
from tradebot.ops.events.market import FeedLost
from tradebot.ops.events.orders import ExternalOrderSeen, OrderFilled, OrderRejected, OrderSubmitted


class EventOfATest(Event, frozen=True):
    """An event that no catalogue has."""

    level = INFO
    do = "Nothing."


def test_every_declared_event_is_there_from_the_beginning_so_that_its_first_one_is_an_increase() -> None:
    found = scraped(MetricsRig().metrics.render_text())
    for name, event in EVENTS.items():
        assert found["tradebot_events_total", (("event", name), ("level", event.level))] == 0


def test_an_event_counts_once_under_its_name_and_level() -> None:
    rig = MetricsRig()
    rig.counts.count_event(FeedLost(source="a", reason="1006"))
    rig.counts.count_event(WorkerLost(worker=1, symbols=5, reason="died"))
    assert rig.read("tradebot_events_total", event="feed_lost", level=FeedLost.level) == 1
    assert rig.read("tradebot_worker_restarts_total") == 1


def test_an_event_that_is_not_declared_is_left_out() -> None:
    rig = MetricsRig()
    before = rig.metrics.render_text().count(b"\n")
    rig.counts.count_event(EventOfATest())
    assert rig.metrics.render_text().count(b"\n") == before


def test_orders_fills_and_rejects_are_counted_by_the_purpose_of_their_order() -> None:
    rig, desk = MetricsRig(), DeskRig()
    rig.attach(desk.desk.account)
    order_id = desk.bought().order_id
    rig.counts.count_event(OrderSubmitted(order_id=order_id))
    rig.counts.count_event(OrderFilled(order_id=order_id))
    rig.counts.count_event(OrderFilled(order_id="of-earlier"))
    rig.counts.count_event(OrderRejected(order_id=order_id))
    rig.counts.count_event(ExternalOrderSeen(order_id="X1"))
    assert rig.read("tradebot_orders_sent_total", purpose="entry") == 1
    assert rig.read("tradebot_fills_total", purpose="entry") == 1
    assert rig.read("tradebot_fills_total", purpose="forgotten") == 1
    assert rig.read("tradebot_fills_total", purpose="external") == 0
    assert rig.read("tradebot_rejects_total", purpose="entry") == 1
    assert rig.read("tradebot_external_orders_total") == 1


def test_no_event_is_lost_between_threads() -> None:
    rig = MetricsRig()

    def told(_: int) -> None:
        for _ in range(2_000):
            rig.counts.count_event(FeedLost(source="a", reason="b"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(told, range(8)))
    assert rig.read("tradebot_events_total", event="feed_lost", level=FeedLost.level) == 16_000
