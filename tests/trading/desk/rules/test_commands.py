"""Commands at the desk: what a stop cancels, closes and leaves by its policy, and the cancel of one order."""

from __future__ import annotations

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Action, Cancel, Command
from tradebot.domain.order import OrderEvent, OrderEventType, OrderRequest

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


def test_a_cancel_cancels_the_order_that_it_names_once_and_no_other() -> None:
    rig = DeskRig()
    exit_, entry = working(rig)
    command = Command(verb=CommandVerb.CANCEL, reason="by hand", id=entry.order_id)
    outputs = rig.desk.apply_message(command)
    assert [(o.order_id, o.reason) for o in outputs if isinstance(o, Cancel)] == [(entry.order_id, "by hand")]
    assert [(o.type, o.reason) for o in outputs if isinstance(o, OrderEvent)] == [(E.CANCEL_SENT, "by hand")]
    assert command not in outputs, "the row of the cancel says it"
    assert rig.desk.apply_message(command) == [], "its cancel is on its way"
    assert rig.desk.book.blotter.orders[exit_.order_id].cancel.tries == 0
    assert not rig.desk.account.conditions.halts.active_commands


def test_a_cancel_of_an_unknown_or_an_ended_order_does_nothing() -> None:
    rig = DeskRig()
    ended = rig.bought()
    for id_ in (ended.order_id, "T9"):
        assert rig.desk.apply_message(Command(verb=CommandVerb.CANCEL, id=id_)) == []
