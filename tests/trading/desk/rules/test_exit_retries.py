"""Exits that the venue refuses: the pause before the next one, and what ends it."""

from __future__ import annotations

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.messages import Action
from tradebot.domain.order import OrderEventType

E = OrderEventType


def test_a_fill_ends_the_pauses_between_exits_that_the_venue_refuses() -> None:
    rig = DeskRig()
    request = rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.REFUSED)
    refused = rig.desk.rules.exits.refusals
    assert list(refused) == ["AAA"]

    rig.fill(request, 1, "1000")  # of the entry, and late

    assert refused == {}
