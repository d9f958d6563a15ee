"""Sessions open when their exchange does, summer and winter, in everything that counts from there."""

from __future__ import annotations

from datetime import time, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from tradebot.clock import SECOND
from tradebot.indicators.expressions import Bars, opening_range, resample, session_vwap
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.indicators.session_opens import HOME_OPENS, SessionOpens
from tradebot.indicators.streaming import StreamingIndicators

MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
NEW_YORK = SessionOpens("America/New_York", time(9, 30))
BARS = Bars()


def ns(*stamps: str, zone: str) -> np.ndarray:
    return pd.DatetimeIndex(stamps, tz=zone).as_unit("ns").asi8


def test_a_session_begins_a_day_of_its_own_clock_whatever_the_season() -> None:
    opens = ns("2024-03-08 09:30", "2024-03-11 09:30", "2024-11-01 09:30", "2024-11-04 09:30", zone="America/New_York")
    closes = opens + 390 * MINUTE
    assert (NEW_YORK.session_clock(opens) % DAY == 0).all()
    assert (NEW_YORK.session_clock(closes) % DAY == 390 * MINUTE).all()
    assert [NEW_YORK.session_clock(int(at)) for at in opens] == NEW_YORK.session_clock(opens).tolist()
    assert (np.diff(NEW_YORK.session_clock(opens)) > 0).all()
    assert HOME_OPENS.session_clock(ns("2024-06-03 09:15", zone="Asia/Kolkata")) % DAY == 0


def days_around_the_change(zone: str, opens: str, count: int = 390) -> tuple[np.ndarray, np.ndarray]:
    """Minutes of whole sessions around the change of New York's clocks; a price is 100 and the minutes since then."""
    days = ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12"]
    starts = np.concatenate([ns(f"{day} {opens}", zone=zone) + np.arange(count) * MINUTE for day in days])
    minute = np.tile(np.arange(count, dtype=np.float64), len(days))
    return np.array([minute + 100, minute + 101, minute + 99, minute + 100, np.ones(len(minute))]), starts


@pytest.mark.parametrize(
    ("zone", "opens", "place"), [("America/New_York", "09:30", NEW_YORK), ("Asia/Kolkata", "09:15", HOME_OPENS)]
)
def test_longer_bars_ranges_and_averages_count_from_the_open(zone: str, opens: str, place: SessionOpens) -> None:
    # given
    hour, first, vwap = resample(BARS, "1h"), opening_range(BARS, 30), session_vwap(BARS)
    roots = [hour.open, hour.close, first.high, first.low, vwap]
    plan = ExpressionPlan(roots, interval_ns=MINUTE, opens=place)
    bars, starts = days_around_the_change(zone, opens)

    # when
    whole = evaluate_history(plan, bars, starts)
    live = StreamingIndicators(plan, 1)
    steps = [live.step_bars(np.array([0]), bars[:, t : t + 1], int(starts[t])) for t in range(len(starts))]

    # then every day is like the others
    for root in roots:
        assert np.array_equal(np.concatenate([step[root] for step in steps]), whole[root], equal_nan=True)
    for day in whole[hour.open].reshape(4, 390):
        known = np.flatnonzero(~np.isnan(day))
        assert known[known >= 59].tolist() == [59, 119, 179, 239, 299, 359]
        assert day[59:360:60].tolist() == [100.0, 160.0, 220.0, 280.0, 340.0, 400.0]
    for high, low in zip(whole[first.high].reshape(4, 390), whole[first.low].reshape(4, 390), strict=True):
        assert np.isnan(high[:30]).all()
        assert set(high[30:].tolist()) == {130.0}
        assert set(low[30:].tolist()) == {99.0}
    assert whole[vwap].reshape(4, 390)[:, 0].tolist() == [100.0] * 4


def test_another_opening_is_in_the_zone_of_the_exchange_or_in_a_fixed_one() -> None:
    bars, starts = days_around_the_change("America/New_York", "09:30")
    plain, local = opening_range(BARS, 30).high, opening_range(BARS, 30, opens_at=time(9, 30)).high
    fixed = opening_range(BARS, 30, opens_at=time(9, 30), zone=timezone(timedelta(hours=-5))).high
    found = evaluate_history(ExpressionPlan([plain, local, fixed], interval_ns=MINUTE, opens=NEW_YORK), bars, starts)
    assert np.array_equal(found[plain], found[local], equal_nan=True)
    assert found[fixed].reshape(4, 390)[0, 30] == 130
    assert found[fixed].reshape(4, 390)[2, 100] != 130  # an hour late once the clocks have changed
    with pytest.raises(ValueError, match="opens_at"):
        session_vwap(BARS, zone=timezone(timedelta(hours=-5)))
