"""The account as others read it: what is open, what lives, and what the day has cost."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_rig import DAY, OPEN, DeskRig, submitted
from tests.trading.desk.many_positions import ManyPositions
from tradebot.domain.messages import Action, SessionBegins
from tradebot.domain.order import OrderEventType

D = Decimal


def test_the_instruments_that_are_held_are_those_of_the_run_alone() -> None:
    rig = DeskRig()
    rig.desk.recover_state((), adopted=[("GONE", D(5), D(100)), ("BBB", D(5), D(100))], halted="", opens_at=OPEN)
    assert list(rig.desk.account.open_instrument_ids()) == [1]
    assert set(rig.desk.account.open_symbols) == {"GONE", "BBB"}
    assert rig.desk.account.open_quantities() == {"GONE": 5, "BBB": 5}


def test_an_order_that_lives_exposes_the_account_and_so_does_a_position() -> None:
    rig = DeskRig()
    account = rig.desk.account
    assert [account.has_live_order(), account.is_exposed()] == [False, False]
    request = rig.entered()
    assert [account.has_live_order(), account.is_exposed()] == [True, True]
    rig.fill(request, 10, "1000")
    assert [account.has_live_order(), account.is_exposed()] == [False, True]


def test_the_fills_and_charges_of_the_day_are_those_since_its_session_began() -> None:
    rig = DeskRig()
    rig.bought()
    assert rig.desk.account.day_fill_totals == (1, D(1))
    rig.tick(86_400)
    ends = OPEN + 2 * DAY
    rig.desk.apply_message(SessionBegins(opens_at=OPEN + DAY, closes_at=ends, entries_until=ends, square_off_at=ends))
    assert rig.desk.account.day_fill_totals == (0, D(0))
    assert rig.desk.account.fill_totals == (1, D(1), D(0))
    rig.quote("BBB", "100")
    (request,) = submitted(rig.signal("BBB", Action.ENTER_LONG, quantity=3))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.ACCEPTED, "V2")
    rig.fill(request, 3, "100", "V2")
    assert rig.desk.account.day_fill_totals == (1, D(1))
    assert rig.desk.account.fill_totals == (2, D(2), D(0))


def test_limits_are_used_as_the_gate_counts_them() -> None:
    rig = DeskRig()
    account = rig.desk.account
    assert account.limit_usage() == {
        "open_orders": (0, 5), "gross": (0, D(40_000)), "daily_loss": (0, D(1_000)), "orders_per_day": (0, 2_000),
    }  # fmt: skip
    request = rig.entered()
    assert account.limit_usage()["open_orders"] == (1, 5)
    assert account.limit_usage()["orders_per_day"] == (1, 2_000)
    assert account.limit_usage()["gross"] == (request.quantity * 1_000, D(40_000))
    rig.fill(request, 10, "1000")
    rig.quote("AAA", "950")
    assert account.limit_usage()["open_orders"] == (0, 5)
    assert account.limit_usage()["gross"] == (D(9_500), D(40_000))
    assert account.limit_usage()["daily_loss"] == (-account.day_profit(), D(1_000))
    assert account.day_profit() == -501


def test_a_gate_without_a_limit_tells_none() -> None:
    assert ManyPositions(3).desk.account.limit_usage() == {}


def test_the_controls_are_named_in_the_order_in_which_they_are_asked() -> None:
    assert DeskRig().desk.account.control_names[:3] == ("halt", "session", "permitted")
