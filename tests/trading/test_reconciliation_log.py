"""Which polls of the venue's books get a row in the journal."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tradebot.domain.messages import ExternalPosition, ReconciliationResult, ReleasedPosition
from tradebot.domain.order import OrderState
from tradebot.domain.position_key import OWNER_EXTERNAL, PositionKey
from tradebot.trading.reconciliation_log import ReconciliationLog


class Orders:
    """A blotter with one order, which lives in `state`."""

    def __init__(self) -> None:
        self.state = OrderState.OPEN

    def all_live_orders(self) -> list[Any]:
        return [SimpleNamespace(state=self.state)]


def look(*differences: str, **more: Any) -> ReconciliationResult:
    return ReconciliationResult(at=1, differences=differences, cash=Decimal(0), **more)


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def looks(orders: Orders) -> ReconciliationLog:
    """The looks of a run that agreed with the venue at its start."""
    looks = ReconciliationLog(orders)  # type: ignore[arg-type]
    assert looks.needs_row(look(), is_stopping=False), "the first look of a run"
    return looks


def test_agreement_again_is_no_evidence_and_the_last_look_of_a_run_is(looks: ReconciliationLog) -> None:
    assert [looks.needs_row(look(), is_stopping=is_stopping) for is_stopping in (False, True)] == [False, True]


def test_differences_are_evidence_when_they_come_and_when_they_go(looks: ReconciliationLog) -> None:
    shown = [look("AAA: 5 here, 6 there"), look("AAA: 5 here, 6 there"), look()]
    assert [looks.needs_row(one, is_stopping=False) for one in shown] == [True, False, True]


def test_every_look_while_an_order_is_in_doubt_is_evidence_and_so_is_the_one_that_ended_it(
    looks: ReconciliationLog, orders: Orders
) -> None:
    orders.state = OrderState.UNKNOWN
    assert [looks.needs_row(look(), is_stopping=False) for _ in range(2)] == [True, True]
    orders.state = OrderState.OPEN
    assert [looks.needs_row(look(), is_stopping=False) for _ in range(2)] == [True, False]


def test_what_is_held_beyond_ours_and_what_is_ours_no_more_is_evidence(looks: ReconciliationLog) -> None:
    key = PositionKey("kite", "NSE", "AAA", "CNC", OWNER_EXTERNAL)
    seen = look(external=(ExternalPosition(key, Decimal(5)),))
    assert [looks.needs_row(one, is_stopping=False) for one in (seen, seen, look(), look())] == [
        True, False, True, False,
    ]  # fmt: skip
    taken = look(released=(ReleasedPosition(PositionKey("kite", "NSE", "AAA", "MIS"), Decimal(5), Decimal(100), 1),))
    assert looks.needs_row(taken, is_stopping=False)
