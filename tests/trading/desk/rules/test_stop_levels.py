"""Stop levels: what is guarded ends with the position, also where another hand ended it."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_rig import OPEN, DeskRig
from tradebot.domain.messages import ReleasedPosition
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.decisions import ForgetPosition, ReleasePosition

D = Decimal


def of_another_run() -> DeskRig:
    """A desk that still holds a symbol of an earlier run of more symbols."""
    rig = DeskRig()
    rig.desk.recover_state((), adopted=[("GONE", D(5), D(100))], halted="", opens_at=OPEN)
    return rig


def test_what_is_given_up_whole_is_not_guarded_any_more() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    key = rig.desk.book.positions.position_of("AAA").key
    for quantity, is_guarded in ((4, True), (6, False)):
        rig.desk.carry_out([ReleasePosition(ReleasedPosition(key=key, quantity=D(quantity), price=D(1000), at=rig.at))])
        assert bool(rig.desk.account.protected_mask[0]) is is_guarded, quantity
    assert rig.desk.account.protective_levels(0) is None


def test_a_position_that_is_open_stays_guarded_though_it_is_to_be_forgotten() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    rig.desk.carry_out([ForgetPosition("AAA")])
    assert rig.desk.account.protective_levels(0) is not None


def test_a_symbol_that_this_run_does_not_name_is_given_up_and_forgotten_without_a_guard() -> None:
    rig = of_another_run()
    key = PositionKey("", "NSE", "GONE", "MIS")
    rig.desk.carry_out(
        [ReleasePosition(ReleasedPosition(key=key, quantity=D(5), price=D(100), at=rig.at)), ForgetPosition("GONE")]
    )
    assert rig.desk.account.open_positions() == {}
    assert not rig.desk.account.protected_mask.any()


def test_what_the_quotes_reach_is_closed_once() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    touch = rig.desk.rules.stop_levels.judge_price
    assert touch(0, 99_005, quoted_at=1) is None
    reached = touch(0, 99_000, quoted_at=1)
    assert reached is not None
    rig.desk.carry_out([reached])
    assert touch(0, 99_000, quoted_at=2) is None, "it is being closed"
    assert touch(1, 99_000, quoted_at=2) is None, "nothing stands there"
