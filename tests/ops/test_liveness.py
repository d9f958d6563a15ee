"""The watchdog's honesty: a part that does not get on is named, one that has nothing to do is not."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.ops.liveness import Liveness, Probe


def test_a_part_that_gets_on_or_has_nothing_to_do_is_not_stuck() -> None:
    mark: list[int | None] = [0]
    liveness = Liveness({"journal": Probe(lambda: mark[0], 5.0)})
    for second in range(0, 60, 4):
        mark[0] = second if second % 8 else None
        assert liveness.stalled_parts(second * SECOND) == []


def test_a_part_whose_mark_stays_for_longer_than_it_may_is_named_until_it_gets_on() -> None:
    mark = [7]
    liveness = Liveness({"journal": Probe(lambda: mark[0], 5.0), "orders": Probe(lambda: None, 1.0)})
    assert liveness.stalled_parts(100 * SECOND) == []
    assert liveness.stalled_parts(104 * SECOND) == []
    assert liveness.stalled_parts(106 * SECOND) == ["journal"]
    assert liveness.stalled_parts(200 * SECOND) == ["journal"]
    mark[0] = 8
    assert liveness.stalled_parts(201 * SECOND) == []
