"""Signals at the desk: an exit that there is nothing to do for is counted as ignored, and does nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig
from tradebot.domain.messages import Action

D = Decimal


@pytest.mark.parametrize(
    ("action", "held", "ignored"),
    [
        (Action.EXIT_LONG, "0", 1), (Action.EXIT_LONG, "-1", 1), (Action.EXIT_LONG, "1", 0),
        (Action.EXIT_SHORT, "0", 1), (Action.EXIT_SHORT, "0.5", 1), (Action.EXIT_SHORT, "1", 1),
        (Action.EXIT_SHORT, "-1", 0),
    ],
)  # fmt: skip
def test_an_exit_closes_its_own_side_and_is_ignored_where_that_is_flat(action: Action, held: str, ignored: int) -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    if D(held):
        rig.desk.book.blotter.adopt_position(rig.desk.book.position_key("AAA"), D(held), D(1000))
    outputs = rig.signal("AAA", action)
    assert (
        rig.desk.account.signal_counts["signals"],
        rig.desk.account.signal_counts["ignored"],
        rig.desk.account.signal_counts["late_signals"],
    ) == (
        1,
        ignored,
        0,
    )
    assert ((outputs == []), "AAA" in rig.desk.book.pending_exits.requested) == (bool(ignored), not ignored)
