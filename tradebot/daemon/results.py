"""What was ordered, filled, paid and won, each under the span it is of: this run, the day, the whole journal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tradebot.domain.order import Order, OrderEvent, OrderFact, OrderState
from tradebot.trading.desk.desk import Desk

PAISE = Decimal("0.01")


class Results:
    """The sums of a desk; `begin` says where the run starts, after what earlier runs left was recovered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.begin(at=0)

    def begin(self, *, at: int, before: Iterable[object] = ()) -> None:
        """Count the run from market ns `at`, behind the facts of runs `before`.

        What they left open begins at what it cost.
        """
        blotter = self._desk.blotter
        self._at = at
        self._sent = sum(1 for fact in before if isinstance(fact, OrderFact) and fact.event is OrderEvent.SENDING)
        self._fills, self._charges, self._realized = blotter.fills, blotter.charges, blotter.realized

    @property
    def fills(self) -> int:
        """The fills of this run."""
        return self._desk.blotter.fills - self._fills

    def orders(self) -> list[Order]:
        """Return the orders of this run, those that the gate denied included."""
        return self._since(self._at)

    def render(self) -> dict[str, Any]:
        """Return counts, and rupees rounded to paise for reading; `net` is after charges, what is open at its marks.

        Orders are those that the gate let through.
        """
        blotter, worth = self._desk.blotter, self._desk.worth
        profit, run, (fills, charges) = worth.profit(), _passed(self.orders()), worth.day_base
        sums = {
            "run_charges": blotter.charges - self._charges,
            "run_realized": blotter.realized - self._realized,
            "run_pnl_net": profit - (self._realized - self._charges),
            "day_charges": blotter.charges - charges,
            "day_pnl_net": worth.day_profit(),
            "whole_charges": blotter.charges,
            "whole_realized": blotter.realized,
            "whole_pnl_net": profit,
        }
        return {
            "run_orders": run,
            "run_fills": self.fills,
            "day_orders": _passed(self._since(self._desk.day_end.opens_at)),
            "day_fills": blotter.fills - fills,
            "whole_orders": self._sent + run,
            "whole_fills": blotter.fills,
        } | {name: value.quantize(PAISE) for name, value in sums.items()}

    def _since(self, at: int) -> list[Order]:
        return [o for o in self._desk.blotter.orders.values() if o.times.begun_at >= at and not o.is_external]


def _passed(orders: Iterable[Order]) -> int:
    return sum(1 for order in orders if order.state is not OrderState.DENIED)
