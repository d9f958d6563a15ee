"""Which worker does what: symbols are distributed, strategies that compare symbols stay whole in one worker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.indicators.expressions import Bars
from tradebot.indicators.plan import ExpressionPlan
from tradebot.strategies.loading import StrategySpec

Assignment = tuple[Ints, tuple[StrategySpec, ...]]  # symbol ids, and the strategies over them


def partition_symbols(
    universe: Universe, strategies: Sequence[StrategySpec], interval_ns: int, count: int
) -> list[list[Assignment]]:
    """Return the assignments of each of `count` workers. Raises ConfigError or DataError of a strategy.

    A strategy that compares symbols runs whole in one worker, together with others like it over the same symbols. The
    symbols of all other strategies are distributed over the workers, id modulo `count`.
    """
    distributed: list[StrategySpec] = []
    whole: dict[tuple[str, ...], list[StrategySpec]] = {}
    for spec in strategies:
        is_whole = compares_symbols(spec, interval_ns)
        (whole.setdefault(spec.symbols, []) if is_whole else distributed).append(spec)
    size = len(universe)
    assignments: list[list[Assignment]] = [
        [(np.arange(n, size, count), tuple(distributed))] if distributed else [] for n in range(count)
    ]
    # From the last worker backwards: the first ones have one symbol more each.
    for n, (symbols, specs) in enumerate(whole.items()):
        assignments[(count - 1 - n) % count].append((traded_ids(universe, symbols), tuple(specs)))
    return assignments


def compares_symbols(spec: StrategySpec, interval_ns: int) -> bool:
    """Return whether the rules of a strategy compare symbols. Raises ConfigError or DataError of a strategy."""
    rules = spec.create_strategy().rules(Bars())
    return rules is not None and ExpressionPlan(rules.root_nodes, interval_ns=interval_ns).is_cross_sectional


def traded_ids(universe: Universe, symbols: Sequence[str]) -> Ints:
    """Return the ids of the `symbols` of a strategy, ascending; of all where it names none."""
    ids = [universe.id_of(symbol) for symbol in symbols if symbol in universe] if symbols else range(len(universe))
    return np.array(sorted(ids), dtype=np.int64)
