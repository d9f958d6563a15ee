"""What was won and paid, each sum under the span it is of: this run, the market's day, the whole journal."""

from __future__ import annotations

from decimal import Decimal

from tradebot.stages.desk.desk import Desk

PAISE = Decimal("0.01")


class Results:
    """The sums of a desk; `begin` says where the run starts, after what earlier runs left was recovered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.begin()

    def begin(self) -> None:
        """Count the run from here. What earlier runs left open begins at what it cost."""
        blotter = self._desk.blotter
        self._fills, self._charges, self._realized = blotter.fills, blotter.charges, blotter.realized

    @property
    def fills(self) -> int:
        """The fills of this run."""
        return self._desk.blotter.fills - self._fills

    def render(self) -> dict[str, Decimal]:
        """Return rupees, rounded to paise for reading; `net` is after charges, with open positions at their marks."""
        blotter, worth = self._desk.blotter, self._desk.worth
        profit = worth.profit()
        found = {
            "run_charges": blotter.charges - self._charges,
            "run_realized": blotter.realized - self._realized,
            "run_pnl_net": profit - (self._realized - self._charges),
            "day_pnl_net": worth.day_profit(),
            "whole_charges": blotter.charges,
            "whole_realized": blotter.realized,
            "whole_pnl_net": profit,
        }
        return {name: value.quantize(PAISE) for name, value in found.items()}
