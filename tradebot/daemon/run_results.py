"""What was ordered, filled, paid and won, each under the span it is of: this run, the day, the whole journal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderState
from tradebot.trading.desk.account_view import AccountView

PAISE = Decimal("0.01")


class RunResults:
    """The sums of an account; `count_from` says where the run starts, after what earlier runs left was recovered."""

    def __init__(self, account: AccountView) -> None:
        self._account = account
        self.count_from(at=0)

    def count_from(self, *, at: int, before: Iterable[object] = ()) -> None:
        """Count the run from market ns `at`, behind the facts of runs `before`.

        What they left open begins at what it cost.
        """
        self._at = at
        self._sent = sum(1 for fact in before if isinstance(fact, OrderEvent) and fact.type is OrderEventType.SENDING)
        self._fills, self._charges, self._realized = self._account.fill_totals

    @property
    def run_fills(self) -> int:
        """The fills of this run."""
        return self._account.fill_totals[0] - self._fills

    def run_orders(self) -> list[Order]:
        """Return the orders of this run, those that the gate denied included."""
        return self._since(self._at)

    def as_fields(self) -> dict[str, Any]:
        """Return counts, and money rounded for reading; `net` is after charges, what is open at its marks.

        Orders are those that the gate let through.
        """
        account, profit, run = self._account, self._account.total_profit(), _passed(self.run_orders())
        (fills, charges, realized), (day_fills, day_charges) = account.fill_totals, account.day_fill_totals
        sums = {
            "run_charges": charges - self._charges,
            "run_realized": realized - self._realized,
            "run_pnl_net": profit - (self._realized - self._charges),
            "day_charges": day_charges,
            "day_pnl_net": account.day_profit(),
            "whole_charges": charges,
            "whole_realized": realized,
            "whole_pnl_net": profit,
        }
        return {
            "run_orders": run,
            "run_fills": self.run_fills,
            "day_orders": _passed(self._since(account.conditions.times.day_opens_at)),
            "day_fills": day_fills,
            "whole_orders": self._sent + run,
            "whole_fills": fills,
        } | {name: value.quantize(PAISE) for name, value in sums.items()}

    def _since(self, at: int) -> list[Order]:
        return [o for o in self._account.kept_orders().values() if o.times.begun_at >= at and not o.is_external]


def _passed(orders: Iterable[Order]) -> int:
    return sum(1 for order in orders if order.state is not OrderState.DENIED)
