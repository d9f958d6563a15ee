"""An order of another tradebot halts everything, once; a person's orders and our own never do."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import OPEN, DeskRig, enter_and_send, poll_account, submitted
from tradebot.domain.commands import EVERYTHING, CommandVerb, HaltExpiry, Scope
from tradebot.domain.messages import Action, Command, Incident, OrderReport
from tradebot.domain.order import OrderEvent, OrderKind, Side, VenueOrder, VenueOrderStatus
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.decisions import DeskOutput

OURS, THEIRS = "Tmh1k2v9x", "Tzzzzzzzz"


def rig(*, watches: bool = True) -> DeskRig:
    made = DeskRig(id_prefix=OURS, watches_other_daemons=watches)
    made.quote("AAA", "1000")
    poll_account(made)
    return made


def order(tag: str, *, symbol: str = "AAA", number: str = "9", status: str = "OPEN") -> VenueOrder:
    return VenueOrder(
        venue_order_id=number, tag=tag, symbol=symbol, exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
        status=VenueOrderStatus[status], quantity=Decimal(3), filled=Decimal(0), price=Decimal(900),
    )  # fmt: skip


def report(rig: DeskRig, shown: VenueOrder) -> list[DeskOutput]:
    return rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))


def halts(outputs: list[DeskOutput]) -> list[Command]:
    return [one for one in outputs if isinstance(one, Command)]


def incidents(outputs: list[DeskOutput]) -> list[Incident]:
    return [one for one in outputs if isinstance(one, Incident)]


def resume(rig: DeskRig) -> None:
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, reason="the other is off"))


@pytest.mark.parametrize("status", ["OPEN", "FILLED", "CANCELED", "REJECTED", "PENDING_TRIGGER"])
@pytest.mark.parametrize("symbol", ["AAA", "ELSEWHERE"])
def test_an_order_of_another_tradebot_halts_everything_until_a_resume(symbol: str, status: str) -> None:
    desk = rig()
    told = report(desk, order(f"{THEIRS}00001", symbol=symbol, status=status))
    (halt,), (incident,) = halts(told), incidents(told)
    assert (halt.scope, halt.control, halt.until) == (EVERYTHING, "two_daemons", HaltExpiry.RESUME)
    assert f"BUY 3 {symbol}, tag {THEIRS}00001" in incident.text
    assert told.index(incident) < told.index(halt)
    assert not submitted(desk.signal("AAA", Action.ENTER_LONG)), "nothing is opened"
    resume(desk)
    assert not desk.desk.book.conditions.has_halts


def test_the_list_of_a_start_and_of_a_poll_shows_it_too() -> None:
    desk = rig()
    told = poll_account(desk, orders=(order(f"{THEIRS}00001"), order(f"{THEIRS}00002", number="10", symbol="XYZ")))
    assert [one.control for one in halts(told)] == ["two_daemons"]
    (incident,) = incidents(told)
    assert f"{THEIRS}00001" in incident.text
    assert f"{THEIRS}00002" in incident.text


def test_a_row_that_cannot_be_read_shows_it_by_its_tag() -> None:
    row = UnreadRow(book="orders", reason="no price", venue_order_id="9", tag=f"{THEIRS}00001", symbol="AAA")
    assert halts(poll_account(rig(), row))


@pytest.mark.parametrize("symbol", ["AAA", "ELSEWHERE"])
def test_each_order_halts_once_and_a_new_one_halts_again(symbol: str) -> None:
    desk, first = rig(), order(f"{THEIRS}00001", symbol=symbol)
    assert halts(report(desk, first))
    resume(desk)
    for told in (report(desk, first), poll_account(desk, orders=(first,))):
        assert not halts(told)
        assert not incidents(told)
    assert halts(report(desk, order(f"{THEIRS}00002", number="10")))


def test_an_order_that_halted_an_earlier_run_and_was_resumed_halts_no_later_one() -> None:
    before, later = rig(), rig()
    told = report(before, order(f"{THEIRS}00001"))
    journaled = [one for one in told if isinstance(one, OrderEvent)]
    later.desk.recover_state(journaled, adopted=(), halted="", opens_at=OPEN)
    assert not halts(poll_account(later, orders=(order(f"{THEIRS}00001"),)))
    assert halts(poll_account(later, orders=(order(f"{THEIRS}00002", number="10"),)))


def test_an_order_of_an_earlier_run_that_this_journal_lacks_is_of_another_box() -> None:
    # A restored journal has the runs of the old box; what that one sent afterwards has the same beginning.
    desk = rig()
    mine = enter_and_send(desk)
    assert not halts(report(desk, desk.venue_order(mine, VenueOrderStatus.OPEN)))
    assert halts(report(desk, order(f"{OURS}00099", number="10")))


@pytest.mark.parametrize("tag", ["", "mine", "TB1", "algo-7"])
def test_an_order_of_a_person_or_of_another_program_halts_nothing(tag: str) -> None:
    desk = rig()
    assert not halts(report(desk, order(tag)))
    assert not halts(poll_account(desk, orders=(order(tag),)))


def test_a_standing_halt_of_a_person_stays_and_one_of_the_session_does_not_suffice() -> None:
    for until, count in ((HaltExpiry.RESUME, 0), (HaltExpiry.SESSION, 1)):
        desk = rig()
        desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", until=until))
        told = report(desk, order(f"{THEIRS}00001"))
        assert len(incidents(told)) == 1
        assert len(halts(told)) == count
    desk = rig()
    desk.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("AAA")))
    assert halts(report(desk, order(f"{THEIRS}00001")))


def test_where_nothing_else_reaches_the_account_no_order_is_taken_for_one_of_another() -> None:
    desk = rig(watches=False)
    assert not halts(report(desk, order(f"{THEIRS}00001")))
    assert not halts(poll_account(desk, orders=(order(f"{THEIRS}00002", number="10"),)))
