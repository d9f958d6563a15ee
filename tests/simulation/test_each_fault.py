"""Every fault of the catalogue by itself, early and often: no promise breaks; the books agree or a halt says why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from zlib import crc32

import pytest

from tradebot.exchange.faults.catalogue import FAULT_KINDS, NEEDS_LOGIN, FaultKind, FaultStage
from tradebot.exchange.faults.points import WRITE_POINTS
from tradebot.simulation.scenario import USUAL_PACE, draw_scenario
from tradebot.simulation.seed_run import run_seed

RARE = {"cancel-unknown", "ignored-cancel", "fill-after-cancel"}  # not every seed cancels an order that still works
TRIES = 3  # seeds on which a kind may find nothing to strike at
STREAM_DOWN = "connect-503:ticker.connect@1-4"


def script(kind: FaultKind) -> str:
    """Return a script in which the kind strikes: some things are asked for at the start alone, or without a stream."""
    if kind.points == ("quotes",):
        return f"{kind.name}@1-3,{STREAM_DOWN}"
    if kind.points == ("history",) or kind.stage is FaultStage.CONNECT:
        return f"{kind.name}@1-2"
    if "orders.create" in kind.points and len(kind.points) <= len(WRITE_POINTS):
        return f"{kind.name}:orders.create@1-4"
    return f"{kind.name}@t+15s-90s"


def seeds_of(kind: FaultKind) -> Iterator[int]:
    """Yield seeds for a kind, with a past to ask for where it strikes at that; they are its own whatever the others."""
    first = 100 * (crc32(kind.name.encode()) % 10_000)
    wants_past = kind.points == ("history",)
    return (s for s in range(first, first + 100) if not wants_past or draw_scenario(s).interval == USUAL_PACE[1])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stage", FaultStage, ids=lambda stage: stage.value)
def test_each_fault_alone_breaks_nothing(stage: FaultStage) -> None:
    kinds = [kind for kind in FAULT_KINDS if kind.stage is stage and kind.name not in NEEDS_LOGIN]
    assert kinds
    silent = []
    for kind in kinds:
        for seed in islice(seeds_of(kind), TRIES):
            outcome = run_seed(seed, faults=script(kind))
            again = f"tradebot simulate {outcome.seed} --faults '{script(kind)}'"
            assert outcome.verdict != "broken", f"{again}: {'; '.join(outcome.why)}"
            if kind.name in outcome.faults or kind.name in RARE:
                break
        else:
            silent.append(again)
    assert not silent, "a fault that never strikes shows nothing"
