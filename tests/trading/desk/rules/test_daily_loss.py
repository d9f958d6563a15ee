"""The daily loss by itself: the exact sums at which it halts and closes, and what it asks for next."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command

D = Decimal


@pytest.mark.parametrize(
    ("price", "verbs"),
    [
        ("980.15", []),  # ten shares bought at 1,000 for a charge of one
        ("980.10", [CommandVerb.HALT]),
        ("970.15", [CommandVerb.HALT]),
        ("970.10", [CommandVerb.HALT, CommandVerb.FLATTEN]),
    ],
)
def test_a_loss_that_is_the_limit_to_the_paisa_is_beyond_it(price: str, verbs: list[CommandVerb]) -> None:
    rig = DeskRig(max_daily_loss=D("200.00"))
    rig.bought()
    rig.quote("AAA", price)
    outputs = rig.tick()
    assert [o.verb for o in outputs if isinstance(o, Command)] == verbs
    assert len(submitted(outputs)) == (CommandVerb.FLATTEN in verbs)


def test_the_next_loss_is_the_limit_and_then_the_one_that_closes_while_something_is_open() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    loss = rig.desk.rules.daily_loss
    entry = rig.bought()
    assert loss.next_threshold == 200
    rig.quote("AAA", "975")
    rig.tick()
    assert loss.next_threshold == 300
    rig.quote("AAA", "960")
    (exit_,) = submitted(rig.tick())
    assert exit_.quantity == entry.quantity
    assert loss.next_threshold is None, "the flatten stands"


def test_once_entries_are_halted_and_nothing_is_open_no_loss_is_waited_for() -> None:
    rig = DeskRig(max_daily_loss=D(200))
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert rig.desk.rules.daily_loss.next_threshold is None
