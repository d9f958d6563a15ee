"""The account as others read it: what is open, what lives, and what the day has cost."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_room import DAY, OPEN, Room, submitted
from tradebot.domain.messages import Action, SessionBegins
from tradebot.domain.order import OrderEventType

D = Decimal


def test_the_instruments_that_are_held_are_those_of_the_run_alone() -> None:
    room = Room()
    room.desk.recover_state((), adopted=[("GONE", D(5), D(100)), ("BBB", D(5), D(100))], halted="", opens_at=OPEN)
    assert list(room.desk.account.open_instrument_ids()) == [1]
    assert set(room.desk.account.open_symbols) == {"GONE", "BBB"}
    assert room.desk.account.open_quantities() == {"GONE": 5, "BBB": 5}


def test_an_order_that_lives_exposes_the_account_and_so_does_a_position() -> None:
    room = Room()
    account = room.desk.account
    assert [account.has_live_order(), account.is_exposed()] == [False, False]
    request = room.entered()
    assert [account.has_live_order(), account.is_exposed()] == [True, True]
    room.fill(request, 10, "1000")
    assert [account.has_live_order(), account.is_exposed()] == [False, True]


def test_the_fills_and_charges_of_the_day_are_those_since_its_session_began() -> None:
    room = Room()
    room.bought()
    assert room.desk.account.day_fill_totals == (1, D(1))
    room.tick(86_400)
    ends = OPEN + 2 * DAY
    room.desk.apply_message(SessionBegins(opens_at=OPEN + DAY, closes_at=ends, entries_until=ends, square_off_at=ends))
    assert room.desk.account.day_fill_totals == (0, D(0))
    assert room.desk.account.fill_totals == (1, D(1), D(0))
    room.quote("BBB", "100")
    (request,) = submitted(room.signal("BBB", Action.ENTER_LONG, quantity=3))
    room.outcome(request, OrderEventType.SENDING)
    room.outcome(request, OrderEventType.ACCEPTED, "V2")
    room.fill(request, 3, "100", "V2")
    assert room.desk.account.day_fill_totals == (1, D(1))
    assert room.desk.account.fill_totals == (2, D(2), D(0))
