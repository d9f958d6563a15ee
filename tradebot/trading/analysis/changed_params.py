"""Changed parameters of strategies that run: which changes the analysis takes up, and the message about them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tradebot.errors import ConfigError
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.partitioning import compares_symbols


class ChangedParams(NamedTuple):
    """All strategies of the run, in order, some with other parameters from now on."""

    strategies: tuple[StrategySpec, ...]


def check_only_params(running: Sequence[StrategySpec], wanted: Sequence[StrategySpec], interval_ns: int) -> None:
    """Raise ConfigError when more than parameters differ, or parameters that decide which worker runs a strategy."""
    if [spec.name for spec in running] != [spec.name for spec in wanted]:
        raise ConfigError(_refusal("the strategies", "they are others"))
    for before, now in zip(running, wanted, strict=True):
        if before.code != now.code:
            raise ConfigError(_refusal(now.name, "its file has changed since the start"))
        if before != msgspec.structs.replace(now, params=before.params):
            raise ConfigError(_refusal(now.name, "more than its parameters changed"))
        if compares_symbols(before, interval_ns) != compares_symbols(now, interval_ns):
            raise ConfigError(_refusal(now.name, "with these parameters it begins or ends to compare symbols"))


def with_params(running: Sequence[StrategySpec], params: Mapping[str, dict[str, Any]]) -> tuple[StrategySpec, ...]:
    """Return the strategies with the parameters of their names."""
    return tuple(msgspec.structs.replace(spec, params=params[spec.name]) for spec in running)


def _refusal(what: str, why: str) -> str:
    return f"a restart is needed for {what}: {why}; nothing was taken up"
