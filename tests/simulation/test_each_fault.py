"""Every fault of the catalogue by itself, early and often: no promise breaks; the books agree or a halt says why."""

from __future__ import annotations

import pytest

from tradebot.exchange.faults.catalogue import CATALOGUE, WRITES, Kind, Stage
from tradebot.simulation.play import play
from tradebot.simulation.scenario import USUAL, draw

RARE = {"cancel-unknown", "ignored-cancel", "fill-after-cancel"}  # not every seed cancels an order that still works
STREAM_DOWN = "connect-503:ticker.connect@1-4"


def script(kind: Kind) -> str:
    """Return a script in which the kind strikes: some things are asked for at the start alone, or without a stream."""
    if kind.points == ("quotes",):
        return f"{kind.name}@1-3,{STREAM_DOWN}"
    if kind.points == ("history",) or kind.stage is Stage.CONNECT:
        return f"{kind.name}@1-2"
    if "orders.create" in kind.points and len(kind.points) <= len(WRITES):
        return f"{kind.name}:orders.create@1-4"
    return f"{kind.name}@t+15s-90s"


def seed_of(kind: Kind) -> int:
    """Return a seed for a kind, with a past to ask for where it strikes at that."""
    first = 7_000 + 100 * CATALOGUE.index(kind)
    wants_past = kind.points == ("history",)
    return next(s for s in range(first, first + 100) if not wants_past or draw(s).interval == USUAL[1])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stage", Stage, ids=lambda stage: stage.value)
def test_each_fault_alone_breaks_nothing(stage: Stage) -> None:
    kinds = [kind for kind in CATALOGUE if kind.stage is stage]
    assert kinds
    silent = []
    for kind in kinds:
        outcome = play(seed_of(kind), faults=script(kind))
        again = f"tradebot simulate {outcome.seed} --faults '{script(kind)}'"
        assert outcome.verdict != "broken", f"{again}: {'; '.join(outcome.why)}"
        if kind.name not in outcome.faults and kind.name not in RARE:
            silent.append(again)
    assert not silent, "a fault that never strikes shows nothing"
