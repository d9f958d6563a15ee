"""The promise of resting stops on random days: what can still be sold is never more than what is held.

Each day draws fills, part fills, cancels, changes, triggers, targets, crashes and the owner's acts in any order; a held
share has a stop at the venue or an alarm once the day is calm. `prove` plays thousands.
"""

from __future__ import annotations

import pytest

from tests.trading.desk.days_of_stops import StopDay

KINDS = {"intraday": ("MIS", "off"), "gtt": ("CNC", "single"), "oco": ("CNC", "oco")}


@pytest.mark.parametrize("kind", KINDS)
def test_no_order_of_events_lets_more_be_sold_than_is_held(kind: str) -> None:
    product, gtt = KINDS[kind]
    for seed in range(150):
        StopDay(seed, product=product, gtt=gtt).run()


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(4))
def test_thousands_of_longer_days_let_no_more_be_sold_than_is_held(kind: str, block: int) -> None:
    product, gtt = KINDS[kind]
    for seed in range(1000 + block * 300, 1300 + block * 300):
        StopDay(seed, product=product, gtt=gtt).run(120)
