"""Which changes of a config a running daemon takes up: limits, parameters, the log level; all else needs a restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradebot.config import Config
from tradebot.config.reload_plan import RELOADED_LIMITS, plan_reload
from tradebot.config.sections import RiskSection


def config(**sections: Any) -> Config:
    return Config(**sections)


def keys(changes: Any) -> list[str]:
    return [change.key for change in changes]


def test_the_same_config_changes_nothing() -> None:
    assert plan_reload(config(), config()) == ((), (), ())


@pytest.mark.parametrize(("now", "raised"), [("1000", []), ("3000", ["risk.max_daily_loss"])])
def test_a_limit_is_lowered_or_raised(now: str, raised: list[str]) -> None:
    plan = plan_reload(config(), config(risk={"max_daily_loss": Decimal(now)}))
    assert keys(plan.changes) == ["risk.max_daily_loss"]
    assert keys(plan.raised) == raised
    assert not plan.unsafe
    assert str(plan.changes[0]) == f"risk.max_daily_loss: 2500 -> {now}"


def test_the_log_level_is_no_limit() -> None:
    plan = plan_reload(config(), config(log={"level": "debug"}))
    assert (keys(plan.changes), plan.raised, plan.unsafe) == (["log.level"], (), ())


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ({}, {"fast": 5}, ["strategy.1.params.fast: not set -> 5"]),
        ({"fast": 5}, {}, ["strategy.1.params.fast: 5 -> not set"]),
        ({"fast": 5, "slow": 9}, {"fast": 4, "slow": 9}, ["strategy.1.params.fast: 5 -> 4"]),
    ],
)
def test_parameters_of_a_strategy_may_change(before: dict[str, int], now: dict[str, int], lines: list[str]) -> None:
    def with_params(params: dict[str, int]) -> Config:
        return config(strategy=[{"name": "ema_cross", "params": params}])

    plan = plan_reload(with_params(before), with_params(now))
    assert ([str(change) for change in plan.changes], plan.raised, plan.unsafe) == (lines, (), ())
    assert plan.has_parameters
    assert not plan_reload(config(), config(log={"level": "debug"})).has_parameters


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"app": {"symbols": ["SBIN"]}}, "app.symbols"),
        ({"risk": {"allow_short": True}}, "risk.allow_short"),
        ({"strategy": [{"name": "ema_cross", "params": {"fast": 5}, "symbols": ["TCS"]}]}, "strategy.1.symbols"),
        ({"strategy": [{"name": "ema_cross", "params": {"fast": 5}, "resting_stop": "no"}]}, "strategy.1.resting_stop"),
        ({"strategy": [{"name": "rsi_reversion", "params": {"low": 25}}]}, "strategy.1.name"),
        ({"strategy": []}, "strategy.1.name"),
        ({"strategy": [{"name": "ema_cross"}, {"name": "rsi_reversion"}]}, "strategy.2.name"),
        ({"venue": {"name": "kite"}}, "venue.name"),
        ({"protection": {"resting_stops": "always"}}, "protection.resting_stops"),
    ],
)
def test_whatever_else_differs_needs_a_restart(sections: dict[str, Any], key: str) -> None:
    assert key in keys(plan_reload(config(), config(**sections)).unsafe)


def test_every_reloaded_limit_is_a_number_of_the_risk_section() -> None:
    for key in RELOADED_LIMITS:
        assert isinstance(getattr(RiskSection(), key.removeprefix("risk.")), int | float | Decimal), key
