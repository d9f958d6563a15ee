"""The sums of a run: what an earlier one on the same state directory won and paid is not this one's."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tradebot.daemon.run_results import RunResults
from tradebot.domain.order import OrderEvent, OrderEventType, OrderState, OrderTimes


def order(begun_at: int, *, state: OrderState = OrderState.FILLED, is_external: bool = False) -> Any:
    return SimpleNamespace(times=OrderTimes(begun_at=begun_at), state=state, is_external=is_external)


def order_event(n: int, event_type: OrderEventType) -> OrderEvent:
    return OrderEvent(order_id=f"T{n}", type=event_type, at=100)


class Account:
    """What an account shows whose day began behind five fills."""

    fill_totals = 0, Decimal(0), Decimal(0)
    conditions = SimpleNamespace(times=SimpleNamespace(day_opens_at=200))

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}

    def kept_orders(self) -> dict[int, Any]:
        return self.kept

    def total_profit(self) -> Decimal:
        _, charges, realized = self.fill_totals
        return realized - charges + Decimal("4.005")

    def day_profit(self) -> Decimal:
        return Decimal("-7.5")

    @property
    def day_fill_totals(self) -> tuple[int, Decimal]:
        fills, charges, _ = self.fill_totals
        return fills - 5, charges - Decimal("20.00")


def test_the_second_run_tells_its_own_the_days_and_the_whole_apart() -> None:
    account = Account()
    results = RunResults(account)  # type: ignore[arg-type]
    account.fill_totals = 6, Decimal("30.25"), Decimal("-100")  # recovered
    before = [
        order_event(n, event_type) for n in range(4) for event_type in (OrderEventType.INTENT, OrderEventType.SENDING)
    ]
    account.kept |= {n: order(at) for n, at in enumerate((100, 199, 200, 250))}
    results.count_from(at=300, before=before)
    assert (results.run_fills, results.as_fields()["run_charges"], results.as_fields()["run_realized"]) == (0, 0, 0)
    later = (order(300), order(310), order(310, state=OrderState.DENIED), order(320, is_external=True))
    account.kept |= {10 + n: one for n, one in enumerate(later)}
    account.fill_totals = 8, Decimal("40.50"), Decimal("-80")
    assert results.run_fills == 2
    assert {name: str(value) for name, value in results.as_fields().items()} == {
        "run_orders": "2", "run_fills": "2", "day_orders": "4", "day_fills": "3", "day_charges": "20.50",
        "whole_orders": "6", "whole_fills": "8",
        "run_charges": "10.25", "run_realized": "20.00", "run_pnl_net": "13.76", "day_pnl_net": "-7.50",
        "whole_charges": "40.50", "whole_realized": "-80.00", "whole_pnl_net": "-116.50",
    }  # fmt: skip
