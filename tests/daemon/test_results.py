"""The sums of a run: what an earlier one on the same state directory won and paid is not this one's."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tradebot.daemon.results import Results


def test_the_second_run_tells_its_own_the_days_and_the_whole_apart() -> None:
    blotter = SimpleNamespace(fills=0, charges=Decimal(0), realized=Decimal(0))
    worth = SimpleNamespace(
        profit=lambda: blotter.realized - blotter.charges + Decimal("4.005"), day_profit=lambda: Decimal("-7.5")
    )
    desk: Any = SimpleNamespace(blotter=blotter, worth=worth)
    results = Results(desk)
    blotter.fills, blotter.charges, blotter.realized = 6, Decimal("30.25"), Decimal("-100")  # recovered
    results.begin()
    assert (results.fills, results.render()["run_charges"], results.render()["run_realized"]) == (0, 0, 0)
    blotter.fills, blotter.charges, blotter.realized = 8, Decimal("40.50"), Decimal("-80")
    assert results.fills == 2
    assert {name: str(value) for name, value in results.render().items()} == {
        "run_charges": "10.25", "run_realized": "20.00", "run_pnl_net": "13.76", "day_pnl_net": "-7.50",
        "whole_charges": "40.50", "whole_realized": "-80.00", "whole_pnl_net": "-116.50",
    }  # fmt: skip
