"""Square-off: what a run that stops leaves as it is, and what it closes before."""

from __future__ import annotations

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command
from tradebot.domain.order import OrderPurpose


@pytest.mark.parametrize(("is_stopping", "purposes"), [(False, [OrderPurpose.FLATTEN]), (True, [])])
def test_at_its_time_everything_is_closed_unless_the_run_stops_and_leaves_it(
    is_stopping: bool, purposes: list[OrderPurpose]
) -> None:
    rig = DeskRig(on_stop="leave")
    rig.bought()
    if is_stopping:
        rig.desk.apply_message(Command(verb=CommandVerb.STOP))

    rig.tick(20_995)
    rig.quote("AAA", "1000")
    out = rig.tick(10)

    assert [request.purpose for request in submitted(out)] == purposes
    assert ("AAA" in rig.desk.book.pending_exits.requested) is not is_stopping
