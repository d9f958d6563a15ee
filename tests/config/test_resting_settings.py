"""Which stops rest at the venue, by mode, by strategy and by venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradebot.config import Config
from tradebot.config.desk_settings import resting_settings
from tradebot.venues.venue_rules import VenueRules

RULES = VenueRules(
    name="v", tag_length=20, orders_per_second=10, orders_per_minute=400, orders_per_day=5000,
    modifications_per_order=25, needs_protection=True, stop_market=frozenset({("NSE", "equity")}), max_gtt=100,
    gtt_min_distance_pct=Decimal("0.25"),
)  # fmt: skip


def config(**sections: Any) -> Config:
    strategies = [{"name": "ema_cross"}, {"name": "rsi_reversion"}]
    return Config(**({"strategy": strategies} | sections))


@pytest.mark.parametrize(
    ("mode", "rest", "first", "expected"),
    [
        ("live", "live", "auto", ("one", "two")),
        ("paper", "live", "auto", None),
        ("paper", "live", "yes", ("one",)),
        ("paper", "always", "auto", ("one", "two")),
        ("live", "live", "no", ("two",)),
        ("live", "never", "yes", None),
    ],
)
def test_the_mode_decides_unless_a_strategy_does(
    mode: str, rest: str, first: str, expected: tuple[str, ...] | None
) -> None:
    made = config(
        app={"mode": mode},
        protection={"resting_stops": rest},
        strategy=[{"name": "ema_cross", "resting_stop": first}, {"name": "rsi_reversion"}],
    )
    found = resting_settings(made, ["one", "two"], RULES)
    assert (found and found.strategies) == expected


def test_what_the_venue_takes_and_the_owner_wants_is_handed_on() -> None:
    made = config(
        app={"mode": "live"},
        protection={"gtt": "oco", "on_refusal": "exit", "trail_step_pct": "0.5", "trail_every_s": 9},
    )
    found = resting_settings(made, ["one", "two"], RULES)
    assert found is not None
    assert (found.stop_market, found.most_changes, found.gtt_min_distance_pct) == (
        (("NSE", "equity"),), 20, Decimal("0.25"),
    )  # fmt: skip
    assert (found.gtt, found.max_gtt, found.on_refusal, found.min_step_pct, found.min_interval_s) == (
        "oco", 100, "exit", Decimal("0.5"), 9,
    )  # fmt: skip


@pytest.mark.parametrize(("gtt", "rests"), [("off", False), ("single", True)])
def test_a_position_that_stays_has_a_stop_at_the_venue_only_as_a_gtt(gtt: str, rests: bool) -> None:
    made = config(app={"mode": "live"}, execution={"product": "CNC"}, protection={"gtt": gtt})
    assert (resting_settings(made, ["one", "two"], RULES) is not None) is rests
