"""Which looks at the venue's books get a row in the journal."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tradebot.domain.messages import Reconciled
from tradebot.domain.order import OrderState
from tradebot.stages.looks import Looks


class Orders:
    """A blotter with one order, which lives in `state`."""

    def __init__(self) -> None:
        self.state = OrderState.OPEN

    def live(self) -> list[Any]:
        return [SimpleNamespace(state=self.state)]


def look(*differences: str, **more: Any) -> Reconciled:
    return Reconciled(at=1, differences=differences, cash=Decimal(0), **more)


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def looks(orders: Orders) -> Looks:
    """The looks of a run that agreed with the venue at its start."""
    looks = Looks(orders)  # type: ignore[arg-type]
    assert looks.is_evidence(look(), is_stopping=False), "the first look of a run"
    return looks


def test_agreement_again_is_no_evidence_and_the_last_look_of_a_run_is(looks: Looks) -> None:
    assert [looks.is_evidence(look(), is_stopping=is_stopping) for is_stopping in (False, True)] == [False, True]


def test_differences_are_evidence_when_they_come_and_when_they_go(looks: Looks) -> None:
    shown = [look("AAA: 5 here, 6 there"), look("AAA: 5 here, 6 there"), look()]
    assert [looks.is_evidence(one, is_stopping=False) for one in shown] == [True, False, True]


def test_every_look_while_an_order_is_in_doubt_is_evidence_and_so_is_the_one_that_ended_it(
    looks: Looks, orders: Orders
) -> None:
    orders.state = OrderState.UNKNOWN
    assert [looks.is_evidence(look(), is_stopping=False) for _ in range(2)] == [True, True]
    orders.state = OrderState.OPEN
    assert [looks.is_evidence(look(), is_stopping=False) for _ in range(2)] == [True, False]


def test_a_position_taken_over_from_the_venue_is_evidence(looks: Looks) -> None:
    taken = look(adopted=(("AAA", Decimal(5), Decimal(100)),))
    assert looks.is_evidence(taken, is_stopping=False)
