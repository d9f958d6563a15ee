"""The engine, driven through its feed, its venue and its journal: what it does, in which order, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.trading.engine_by_hand import EngineRig, on_virtual_time
from tradebot.clock import SECOND, LoopClock
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Cancel, Command, LinkDown, LinkUp
from tradebot.domain.order import OrderEvent, OrderEventType, VenueOrderStatus
from tradebot.errors import InvariantBroken, LinkLost, LoginLost
from tradebot.trading.drain import DRAIN_WITHIN_S

HALT = Command(verb=CommandVerb.HALT, reason="by hand")
LOOK = ["orders", "executions"]  # what a look at the books asks, of what the venue notes


# ---- the start


@on_virtual_time
async def test_a_start_looks_at_the_books_sends_nothing_and_has_its_rows_on_disk(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    rig.journal.disk.clear()
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(rig.engine.reconcile_at_start())
        await clock.sleep(1.0)
        assert rig.did == LOOK
        assert len(rig.journal.of("reconciled")) == 1
        assert not starting.done()
        rig.journal.disk.set()
    assert rig.did == LOOK
    assert rig.feed.again == []


@on_virtual_time
async def test_a_start_that_cannot_read_the_books_says_so_and_nothing_runs(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    rig.venue.error = LinkLost("no route")
    with pytest.raises(LinkLost, match="no route"):
        await rig.engine.reconcile_at_start()
    assert rig.did == ["orders"]
    assert rig.journal.of("reconciled") == []


@on_virtual_time
async def test_what_the_first_tick_of_a_start_leads_to_is_written_down_at_once_and_leaves_when_all_runs(
    clock: LoopClock,
) -> None:
    # given an entry that rests at the venue when its process is killed
    before = EngineRig(clock)
    await before.engine.reconcile_at_start()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(before.engine.run(before.stop))
        await clock.sleep(1.0)
        await before.enter()
        running.cancel()
    events = [event for event in before.journal.of("order") if isinstance(event, OrderEvent)]
    assert events[-1].type is OrderEventType.ACCEPTED
    # when a later process finds it
    await clock.sleep(600)
    rig = EngineRig(clock, venue=before.venue)
    rig.did.clear()
    rig.desk.recover_state(events, adopted=(), halted="", opens_at=clock.wall_offset_ns)
    await rig.engine.reconcile_at_start()
    # then it is taken back, and not before the engine runs
    assert rig.did == ["row cancel_sent", *LOOK, "row link_lost", "row seen_open"]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rig.engine.run(rig.stop))
        await clock.sleep(1.0)
        assert rig.did[5:] == ["cancel AAA"]
        rig.stop.set()


# ---- orders


@on_virtual_time
async def test_the_rows_of_an_order_come_before_it_and_it_leaves_when_they_are_on_disk(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading():
        rig.did.clear()
        rig.journal.disk.clear()
        await rig.enter()
        assert rig.did == ["row intent", "row sending"]
        rig.journal.disk.set()
        await clock.sleep(0.1)
        assert rig.did == ["row intent", "row sending", "submit AAA", "row accepted"]


@on_virtual_time
async def test_a_fill_that_the_stream_hints_at_is_fetched_and_booked_at_once(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading():
        await rig.enter()
        rig.did.clear()
        rig.feed.tells(rig.venue.fill("V1", "100"))
        await clock.sleep(0.1)
        assert sorted(rig.did) == ["executions", "row executed", "row seen_filled"]
        assert [quantity for quantity, _ in rig.desk.account.open_positions().values()] == [100]


@on_virtual_time
async def test_until_the_past_is_there_quotes_reach_the_desk_and_closes_wait_their_turn(clock: LoopClock) -> None:
    rig = EngineRig(clock, interval_s=1)
    async with rig.trading(is_warm=False):
        for n in range(100):  # more than the lane of closes holds
            rig.feed.says(rig.quotes(AAA=f"{100 + n / 100:.2f}"))
            await clock.sleep(1.0)
        assert rig.analysis.asked == []
        assert str(rig.desk.book.marks.last_price("AAA")) == "100.99"
        rig.engine.warmup_done.set()
        await clock.sleep(0.5)
        ends = [batch.ends_at for batch in rig.analysis.asked]
        assert ends == [close.ends_at for close in rig.journal.of("close")]
        assert len(ends) == 100


# ---- commands


@on_virtual_time
async def test_a_command_is_answered_when_it_was_applied_and_its_row_is_on_disk(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading(), asyncio.TaskGroup() as tasks:
        rig.journal.disk.clear()
        asked = tasks.create_task(rig.engine.execute_command(HALT))
        await clock.sleep(1.0)
        assert rig.desk.book.conditions.halt_reason == "by hand"
        assert rig.journal.of("halt") == [HALT]
        assert not asked.done()
        rig.journal.disk.set()
        await clock.sleep(0.1)
        assert asked.done()


@on_virtual_time
async def test_a_command_that_the_desk_has_not_come_to_yet_is_not_answered(clock: LoopClock) -> None:
    rig = EngineRig(clock, shards=1)
    async with rig.trading(), asyncio.TaskGroup() as tasks:
        await stuck_desk(rig)
        asked = tasks.create_task(rig.engine.execute_command(HALT))
        await clock.sleep(5.0)
        assert not asked.done()
        rig.venue.answers.set()
        await clock.sleep(5.0)
        assert asked.done()


@on_virtual_time
async def test_a_command_before_anything_runs_is_applied_at_once_and_journaled(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    await rig.engine.reconcile_at_start()
    await rig.engine.execute_command(HALT)
    assert rig.desk.book.conditions.halt_reason == "by hand"
    assert rig.journal.of("halt") == [HALT]


@on_virtual_time
async def test_commands_given_while_it_stops_are_applied_and_answered(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running, asyncio.TaskGroup() as tasks:
        await rig.enter()
        rig.venue.answers.clear()  # the cancel of the stop hangs, so that stopping lasts
        rig.stop.set()
        await clock.sleep(0.5)
        asked = tasks.create_task(rig.engine.execute_command(HALT))
        await clock.sleep(0.1)
        assert asked.done()
        assert not running.done()
    assert rig.journal.of("halt") == [HALT]


# ---- what is watched


@on_virtual_time
async def test_the_watchdog_hears_a_beat_of_each_tick_and_none_while_the_bars_stand(clock: LoopClock) -> None:
    rig = EngineRig(clock, interval_s=1)
    async with rig.trading():
        rig.beats.clear()
        for n in range(100):  # messages that are no ticks
            rig.feed.says(rig.quotes(AAA=str(100 + n % 2)))
            await clock.sleep(0.1)
        assert 190 <= len(rig.beats) <= 230
        # given an analysis that never answers: its lane is full after 64 closes, and the bars wait for it
        rig.analysis.thinks.clear()
        for n in range(80):
            rig.feed.says(rig.quotes(AAA=str(100 + n % 2)))
            await clock.sleep(1.0)
        assert rig.engine.queues.closes.full()
        rig.beats.clear()
        await clock.sleep(10.0)
        assert rig.beats == []
        rig.analysis.thinks.set()
        await clock.sleep(10.0)
        assert rig.beats != []


@on_virtual_time
async def test_the_watchdog_hears_no_beat_while_the_desk_stands_and_the_bars_go_on(clock: LoopClock) -> None:
    rig = EngineRig(clock, shards=1)
    async with rig.trading():
        await stuck_desk(rig)
        rig.beats.clear()
        await clock.sleep(10.0)
        assert rig.beats == []
        assert rig.engine.queues.quotes.qsize() > 150  # ticks that came through the bars
        rig.venue.answers.set()
        await clock.sleep(1.0)
        assert rig.beats != []


@on_virtual_time
async def test_quotes_that_came_after_their_bar_are_told_with_the_next_tick(clock: LoopClock) -> None:
    rig = EngineRig(clock, interval_s=1)
    async with rig.trading():
        late = rig.quotes(BBB="50")
        rig.feed.says(rig.quotes(AAA="100"))
        await clock.sleep(2.0)
        rig.feed.says(late)
        await clock.sleep(0.2)
    assert [fields["worst"] for event, fields in rig.told if event == "quotes_delayed"] == [{"BBB": 1}]


# ---- lanes that are full


@on_virtual_time
async def test_a_full_lane_of_updates_ends_the_process_and_no_update_is_dropped(clock: LoopClock) -> None:
    async def trade_and_tell(updates: int) -> None:
        async with rig.trading():
            await rig.enter(symbol="BBB")
            await stuck_desk(rig)
            for _ in range(updates - rig.engine.queues.updates.qsize()):
                rig.feed.tells(rig.venue.book["V1"])
            await clock.sleep(1.0)

    rig = EngineRig(clock, shards=1)
    with pytest.raises(ExceptionGroup) as caught:
        await trade_and_tell(10_001)
    (error,) = leaves(caught.value)
    assert isinstance(error, InvariantBroken)
    assert "queue updates is full at 10000" in str(error)
    assert rig.engine.queues.updates.qsize() == 10_000


@on_virtual_time
async def test_quotes_merge_to_the_newest_of_each_symbol_while_the_lane_is_full_and_all_come_through(
    clock: LoopClock,
) -> None:
    rig = EngineRig(clock, shards=1)
    async with rig.trading():
        await stuck_desk(rig)
        for n in range(5_000):  # the lane to the desk is full first, then the bars wait and their own lane is
            rig.feed.says(rig.quotes(**{"AAA" if n % 2 else "BBB": f"{100 + n / 2000:.2f}"}))
            await clock.sleep(0.001)
        queues = rig.engine.queues
        assert queues.quotes.qsize() == queues.market.qsize() == 2_000
        assert queues.market.merged_count > 0
        rig.venue.answers.set()
        await clock.sleep(5.0)
        assert str(rig.desk.book.marks.last_price("BBB")) == "102.50"
        assert str(rig.desk.book.marks.last_price("AAA")) == "102.50"


# ---- the stream


@on_virtual_time
async def test_quotes_are_fetched_while_the_stream_is_down_and_the_books_are_read_when_it_is_back(
    clock: LoopClock,
) -> None:
    rig = EngineRig(clock)
    rig.venue.polled = lambda: rig.quotes(AAA="101")
    async with rig.trading():
        rig.feed.says(rig.quotes(AAA="100"))
        await clock.sleep(0.1)
        rig.did.clear()
        rig.link(LinkDown)
        await clock.sleep(4.5)
        assert [asked for asked in rig.did if asked == "quotes"] == ["quotes"] * 5  # one a second, the first at once
        assert "orders" not in rig.did
        assert str(rig.desk.book.marks.last_price("AAA")) == "101.00"
        rig.link(LinkUp)
        await clock.sleep(1.0)
        rig.did.clear()
        await clock.sleep(5.0)
        assert "quotes" not in rig.did
    assert rig.events().count("feed_lost") == 1
    assert rig.events().count("feed_connected") == 1
    assert [type(message) for message in rig.journal.of("link")] == [LinkDown, LinkUp]


@on_virtual_time
async def test_a_link_that_comes_back_leads_to_a_look_at_the_books_and_one_that_breaks_does_not(
    clock: LoopClock,
) -> None:
    rig = EngineRig(clock)
    rig.venue.polled = lambda: rig.quotes(AAA="100")
    async with rig.trading():
        rig.did.clear()
        rig.link(LinkDown)
        await clock.sleep(2.0)
        assert "orders" not in rig.did
        rig.link(LinkUp)
        await clock.sleep(0.2)
        assert "orders" in rig.did


@on_virtual_time
async def test_a_login_that_is_dead_is_found_out_by_the_quotes_that_are_fetched(clock: LoopClock) -> None:
    rig = EngineRig(clock)

    def refused() -> None:
        raise LoginLost("token")

    rig.venue.polled = refused  # type: ignore[assignment]
    async with rig.trading():
        rig.did.clear()
        rig.link(LinkDown)
        await clock.sleep(3.0)
        assert rig.did.count("login") >= 2  # asked because of the stream, and again because of the route
        assert rig.did.count("quotes") >= 3  # and fetching goes on


# ---- tasks that die


def the_feed(rig: EngineRig) -> None:
    rig.feed.breaks(RuntimeError("the feed broke"))


def the_venue(rig: EngineRig) -> None:
    rig.venue.error = RuntimeError("the venue broke")
    rig.link(LinkUp)  # which leads to a look at its books


def the_journal(rig: EngineRig) -> None:
    rig.journal.error = RuntimeError("the journal broke")
    rig.link(LinkUp)


def the_workers(rig: EngineRig) -> None:
    rig.analysis.dies.set()


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (the_feed, "the feed broke"),
        (the_venue, "the venue broke"),
        (the_journal, "the journal broke"),
        (the_workers, "a worker broke"),
    ],
)
def test_a_task_that_dies_ends_the_run_with_its_error_and_every_other_task(
    breaks: Callable[[EngineRig], None], says: str
) -> None:
    @on_virtual_time
    async def run(clock: LoopClock) -> None:
        async def trade() -> None:
            async with rig.trading():
                breaks(rig)
                await clock.sleep(10.0)

        rig, before = EngineRig(clock), asyncio.all_tasks()
        with pytest.raises(ExceptionGroup) as caught:
            await trade()
        assert [str(error) for error in leaves(caught.value)] == [says]
        assert asyncio.all_tasks() == before
        assert rig.feed.is_over

    run()


# ---- the stop


@on_virtual_time
async def test_what_was_given_is_carried_out_at_a_stop_resting_orders_are_taken_back_and_the_venue_is_asked_last(
    clock: LoopClock,
) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running:
        await rig.enter()
        rig.did.clear()
        rig.stop.set()
        await running
    assert rig.did == ["row cancel_sent", "cancel AAA", *LOOK, "row seen_canceled"]
    assert rig.venue.book["V1"].status is VenueOrderStatus.CANCELED
    assert rig.journal.rows[-1][0] == "reconciled"
    assert rig.feed.is_over


@on_virtual_time
async def test_an_order_on_its_way_at_a_stop_is_sent_answered_and_taken_back(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running:
        rig.journal.disk.clear()
        await rig.enter()
        rig.stop.set()
        await clock.sleep(1.5)
        rig.journal.disk.set()
        await running
    assert "shutdown_unreconciled" not in rig.events()  # the looks come when nothing is on its way any more
    assert [asked for asked in rig.did if "AAA" in asked] == ["submit AAA", "cancel AAA"]
    assert rig.venue.book["V1"].status is VenueOrderStatus.CANCELED


@on_virtual_time
async def test_nothing_is_opened_by_a_signal_that_still_waited_at_the_stop(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running:
        rig.feed.says(rig.quotes(AAA="100"))
        await clock.sleep(0.2)
        rig.did.clear()
        rig.stop.set()
        await clock.sleep(0)
        await rig.engine.queues.signals.put(rig.wish("AAA"))
        await running
    assert rig.did == ["row denied", *LOOK]


@on_virtual_time
async def test_a_bar_that_closes_while_it_stops_is_journaled_and_nothing_is_decided_on_it(clock: LoopClock) -> None:
    rig = EngineRig(clock, interval_s=10)
    async with rig.trading() as running:
        await rig.enter()
        await clock.sleep(8.1 - clock.monotonic_ns() / SECOND)
        rig.venue.answers.clear()  # the cancel hangs
        rig.stop.set()
        await running
    assert len(rig.journal.of("close")) == 1
    assert rig.analysis.asked == []


@on_virtual_time
async def test_a_venue_that_is_silent_holds_up_a_stop_for_seconds_and_it_is_said(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running:
        await rig.enter()
        rig.venue.answers.clear()
        rig.stop.set()
        began = clock.monotonic_ns()
        await running
        assert DRAIN_WITHIN_S * SECOND <= clock.monotonic_ns() - began <= 7 * SECOND
    assert "shutdown_unreconciled" in rig.events()


@on_virtual_time
async def test_a_last_look_that_leads_to_a_cancel_is_followed_by_another(clock: LoopClock) -> None:
    rig = EngineRig(clock)
    async with rig.trading() as running:
        rig.venue.answers.clear()  # of the order, which is in doubt until a look shows it
        await rig.enter()
        rig.stop.set()
        await clock.sleep(DRAIN_WITHIN_S + 0.5)
        rig.venue.answers.set()
        await running
    assert rig.venue.book["V1"].status is VenueOrderStatus.CANCELED
    last = rig.did[rig.did.index("cancel AAA") :]
    assert "orders" in last
    assert rig.journal.event_types()[-1] is OrderEventType.SEEN_CANCELED


async def stuck_desk(rig: EngineRig) -> None:
    """Let the desk wait: the one lane of execution is full, and its first cancel waits for a silent venue."""
    rig.feed.says(rig.quotes(AAA="100"))
    await rig.clock.sleep(0.2)
    rig.venue.answers.clear()
    for n in range(1_001):
        await rig.engine.order_sender.queue.enqueue_message(
            Cancel(order_id=f"X{n}", venue_order_id=f"X{n}", reason="test")
        )
    await rig.engine.queues.signals.put(rig.wish("AAA"))
    await rig.clock.sleep(0.2)


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
