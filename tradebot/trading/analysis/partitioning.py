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
        rules = spec.create_strategy().rules(Bars())
        is_whole = rules is not None and ExpressionPlan(rules.root_nodes, interval_ns=interval_ns).is_cross_sectional
        (whole.setdefault(spec.symbols, []) if is_whole else distributed).append(spec)
    size = len(universe)
    assignments: list[list[Assignment]] = [
        [(np.arange(n, size, count), tuple(distributed))] if distributed else [] for n in range(count)
    ]
    # From the last worker backwards: the first ones have one symbol more each.
    for n, (symbols, specs) in enumerate(whole.items()):
        ids = [universe.id_of(symbol) for symbol in symbols if symbol in universe] if symbols else range(size)
        assignments[(count - 1 - n) % count].append((np.array(sorted(ids), dtype=np.int64), tuple(specs)))
    return assignments
