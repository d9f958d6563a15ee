"""The end of the day symbol by symbol: entries end, positions are closed, each before the close of its own symbol."""

from __future__ import annotations

import pytest

from tests.trading.desk.desk_rig import DeskRig, session_with_early_end
from tests.trading.desk.many_positions import ManyPositions
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import (
    Action,
    ClockOffset,
    Command,
    DiskAllowance,
    DiskSpaceState,
    FrozenSymbols,
    Submit,
)
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.trading.desk.book.conditions import Conditions
from tradebot.trading.desk.book.session_times import SessionTimes


@pytest.mark.parametrize(
    ("second", "early", "others"),
    [
        (-1, "the session is closed", "the session is closed"),
        (0, "", ""),
        (399, "", ""),
        (400, "the time for new positions is over", ""),
        (650, "the time for new positions is over", ""),
        (700, "the time for new positions is over", "the time for new positions is over"),
        (1000, "the session is closed", "the session is closed"),
    ],
)
def test_new_positions_end_at_the_time_of_their_symbol(second: int, early: str, others: str) -> None:
    conditions = Conditions()
    conditions.begin_session(session_with_early_end(0, early=("AAA",)))
    conditions.now = second * SECOND

    assert (conditions.entries_closed("AAA"), conditions.entries_closed("BBB")) == (early, others)


def test_another_session_forgets_the_endings_of_the_last() -> None:
    conditions = Conditions()
    conditions.begin_session(session_with_early_end(0, early=("AAA",)))
    conditions.begin_session(session_with_early_end(0))
    conditions.now = 650 * SECOND

    assert conditions.entries_closed("AAA") == ""
    assert conditions.times.square_off_at == 800 * SECOND


def test_an_entry_is_denied_where_its_symbol_has_ended_and_passes_where_it_has_not() -> None:
    rig = DeskRig()
    rig.desk.apply_message(session_with_early_end(rig.at, early=("AAA",)))
    rig.tick(450)
    rig.quote("AAA", "100")
    rig.quote("BBB", "100")

    (denied,) = rig.signal("AAA", Action.ENTER_LONG)
    passed = rig.signal("BBB", Action.ENTER_LONG)

    assert isinstance(denied, OrderEvent)
    assert denied.reason == "session: the time for new positions is over"
    assert any(isinstance(output, Submit) for output in passed)


def test_each_position_is_squared_off_at_the_time_of_its_symbol_and_not_after_its_close() -> None:
    many = ManyPositions(3)
    start = many.at
    many.desk.apply_message(session_with_early_end(start, early=("S000",)))

    def at(second: float) -> list[str]:
        many.at = start + int(second * SECOND) - SECOND // 20
        return [request.symbol for request in many.tick()]

    assert at(499) == []
    assert at(500) == ["S000"]
    assert at(799) == []
    assert at(800) == ["S001", "S002"]


def test_after_its_close_a_symbol_is_not_squared_off_with_the_others() -> None:
    many = ManyPositions(2)
    start = many.at
    many.desk.apply_message(session_with_early_end(start, early=("S000",)))
    many.at = start + 800 * SECOND

    assert [request.symbol for request in many.tick()] == ["S001"]


def test_an_entry_that_fills_after_a_flatten_is_closed_also_between_two_square_offs() -> None:
    rig = DeskRig()
    rig.desk.apply_message(session_with_early_end(rig.at, early=("AAA",)))
    rig.tick(390)
    rig.quote("BBB", "100")
    (entry,) = [o.request for o in rig.signal("BBB", Action.ENTER_LONG) if isinstance(o, Submit)]
    rig.outcome(entry, OrderEventType.SENDING)
    rig.outcome(entry, OrderEventType.ACCEPTED, "V1")
    rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="c1"))
    rig.tick(120)
    rig.quote("BBB", "100")
    rig.fill(entry, int(entry.quantity), "100")

    sent = [o.request for o in rig.tick() if isinstance(o, Submit)]

    assert [(request.symbol, request.purpose.is_exit) for request in sent] == [("BBB", True)]


def test_the_close_of_a_symbol_is_its_own_or_that_of_the_session() -> None:
    conditions = Conditions()
    assert conditions.times.closes_at("AAA") == 0, "before the first session"
    conditions.begin_session(session_with_early_end(0, early=("AAA",)))
    assert (conditions.times.closes_at("AAA"), conditions.times.closes_at("BBB")) == (600 * SECOND, 1000 * SECOND)


def test_a_symbol_is_squared_off_from_its_time_to_its_close() -> None:
    conditions = Conditions()
    assert not conditions.in_square_off("AAA")
    conditions.begin_session(session_with_early_end(0, early=("AAA",)))
    found = []
    for second in (499, 500, 599, 600, 799, 800, 999, 1000):
        conditions.now = second * SECOND
        found.append((conditions.in_square_off("AAA"), conditions.in_square_off("BBB")))
    no, early, late = (False, False), (True, False), (False, True)
    assert found == [no, early, early, no, no, late, late, no]


def test_without_the_books_of_a_minute_nothing_is_opened_and_it_is_said_for_how_long() -> None:
    conditions = Conditions()
    conditions.mono = 10**15
    assert conditions.blind_reason == "", "where no books come nobody waits for them"
    conditions.note_books_read(1000 * SECOND)
    conditions.mono = 1060 * SECOND
    assert conditions.blind_reason == ""
    conditions.mono += 1
    assert conditions.blind_reason == "the venue's books were not read for 60 s"
    conditions.mono = 1075 * SECOND
    assert conditions.blind_reason == "the venue's books were not read for 75 s"


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (0, ""), (70 * SECOND, "the host's clock is 70.0 s ahead of the venue's time"),
        (-SECOND // 2, "the host's clock is 0.5 s behind the venue's time"),
    ],
)  # fmt: skip
def test_a_clock_that_is_apart_is_said_with_its_seconds(offset: int, said: str) -> None:
    conditions = Conditions()
    conditions.take_clock_offset(ClockOffset(mono=0, offset_ns=offset))
    assert conditions.clock_offset_reason == said
    conditions.begin_session(session_with_early_end(0))
    assert conditions.entries_closed("AAA") == said


@pytest.mark.parametrize(
    ("allows", "short", "full"),
    [(DiskAllowance.ALL, "", ""), (DiskAllowance.EXITS, "full", ""), (DiskAllowance.CANCELS, "full", "full")],
)
def test_room_on_disk_ends_first_for_entries_and_then_for_exits(allows: DiskAllowance, short: str, full: str) -> None:
    conditions = Conditions()
    conditions.take_disk_space(DiskSpaceState(mono=0, allows=allows, reason="full"))
    assert (conditions.disk_short, conditions.disk_full) == (short, full)


def test_what_the_venue_does_not_show_is_no_evidence_while_a_link_or_the_login_is_lost() -> None:
    conditions = Conditions()
    assert not conditions.links.is_cut_off
    conditions.links.stale_sources["kite"] = "silent"
    assert conditions.links.is_cut_off
    conditions.links.stale_sources.clear()
    conditions.links.session_lost = "the login is dead"
    assert conditions.links.is_cut_off


def test_quotes_that_only_repeat_themselves_are_trouble_until_they_are_told_of_no_more() -> None:
    conditions = Conditions()
    conditions.set_frozen(FrozenSymbols(symbols=("AAA",), mono=0))
    assert (conditions.quote_trouble("AAA"), conditions.quote_trouble("BBB")) == (
        "the quotes of AAA only repeat themselves", "",
    )  # fmt: skip
    conditions.set_frozen(FrozenSymbols(symbols=(), mono=0))
    assert conditions.quote_trouble("AAA") == ""


def test_halts_of_a_scope_and_of_everything() -> None:
    conditions = Conditions()
    assert (conditions.has_halts, conditions.halt_reason, conditions.halt_reason_for("AAA", "s")) == (False, "", "")
    conditions.halts.apply_command(Command(verb=CommandVerb.HALT, reason="odd", scope=Scope.for_symbol("AAA")))
    assert (conditions.has_halts, conditions.halt_reason) == (True, "")
    assert (conditions.halt_reason_for("AAA", "s"), conditions.halt_reason_for("BBB", "s")) == ("odd", "")
    conditions.halts.apply_command(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert (conditions.halt_reason, conditions.halt_reason_for("BBB")) == ("by hand", "by hand")


def test_before_the_first_message_it_is_no_time_at_all() -> None:
    assert (Conditions().now, Conditions().mono, Conditions().times.square_off_at) == (0, 0, 0)


def test_before_the_first_session_no_day_has_begun_and_none_is_over() -> None:
    times = SessionTimes()
    assert (times.day_opens_at, times.closed_at, times.closes_at("AAA")) == (0, 0, 0)
    assert times.entries_closed("AAA", 5) == "the session is closed"
    times.end_if_over(5)
    assert times.closed_at == 0
    assert times.begin_trading_day(5)
    assert not times.begin_trading_day(5)


@pytest.mark.parametrize(("after", "closed_at"), [(-1, 0), (0, 1000 * SECOND)])
def test_a_session_is_over_at_its_close_and_an_earlier_close_is_not_taken_for_it(after: int, closed_at: int) -> None:
    times = SessionTimes()
    times.begin_session(session_with_early_end(0), 0)
    times.end_if_over(1000 * SECOND + after)
    assert times.closed_at == closed_at
    times.closed_at = 5000 * SECOND
    times.end_if_over(1000 * SECOND)
    assert times.closed_at == 5000 * SECOND
