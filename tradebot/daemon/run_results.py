"""The results of a run: orders, fills, charges and profit, each for this run, for the day and for the whole journal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderState
from tradebot.trading.desk.account_view import AccountView

PAISE = Decimal("0.01")


class RunResults:
    """The sums of an account. `count_from` marks where the run starts, after earlier runs were recovered."""

    def __init__(self, account: AccountView) -> None:
        self._account = account
        self.count_from(at=0)

    def count_from(self, *, at: int, before: Iterable[object] = ()) -> None:
        """Count the run from market ns `at`; `before` are the events of earlier runs.

        Positions of earlier runs start at their cost.
        """
        self._at = at
        self._sent = sum(
            1 for event in before if isinstance(event, OrderEvent) and event.type is OrderEventType.SENDING
        )
        self._fills, self._charges, self._realized = self._account.fill_totals

    @property
    def run_fills(self) -> int:
        """Return the number of fills of this run."""
        return self._account.fill_totals[0] - self._fills

    def run_orders(self) -> list[Order]:
        """Return the orders of this run, including those that the gate denied."""
        return self._since(self._at)

    def as_fields(self) -> dict[str, Any]:
        """Return counts, and money rounded to paise for people.

        Names with `net` are after charges, with open positions at their marks. Counts of orders leave out those that
        the gate denied.
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
