"""Commands at the desk: what a stop cancels, what it closes and what it leaves, by the policy of the stop."""

from __future__ import annotations

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Action, Cancel, Command
from tradebot.domain.order import OrderEventType, OrderRequest

E = OrderEventType


def working(rig: DeskRig) -> tuple[OrderRequest, OrderRequest]:
    """An exit of AAA works at the venue as V2, and an entry in BBB as V3."""
    rig.bought(stop_loss=990.0)
    (exit_,) = submitted(rig.quote("AAA", "989"))
    rig.quote("BBB", "500")
    (entry,) = submitted(rig.signal("BBB", Action.ENTER_LONG))
    for request, venue_order_id in ((exit_, "V2"), (entry, "V3")):
        rig.outcome(request, E.SENDING)
        rig.outcome(request, E.ACCEPTED, venue_order_id)
    return exit_, entry


@pytest.mark.parametrize(("policy", "cancelled"), [("cancel", {"AAA", "BBB"}), ("flatten", {"BBB"}), ("leave", set())])
def test_a_stop_that_flattens_cancels_entries_and_no_exit(policy: str, cancelled: set[str]) -> None:
    rig = DeskRig(on_stop=policy)
    orders = {request.order_id: request.symbol for request in working(rig)}
    outputs = rig.desk.apply_message(Command(verb=CommandVerb.STOP))
    assert {orders[o.order_id] for o in outputs if isinstance(o, Cancel)} == cancelled
    assert submitted(outputs) == [], "the exit that works closes all there is"


def test_a_resume_is_written_down_as_a_halt_is() -> None:
    rig = DeskRig()
    for command in (
        Command(verb=CommandVerb.HALT, reason="by hand"),
        Command(verb=CommandVerb.RESUME, reason="by hand"),
    ):
        assert rig.desk.apply_message(command) == [command]
