"""Batch evaluation over symbols that are compared, for `rank` and `zscore`; the numbers are those of `streaming`.

Rows of different symbols that begin at one instant belong to one close. A symbol without a row there takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators.arithmetic import CROSS_SECTIONAL
from tradebot.indicators.plan import ExpressionPlan, ExpressionValues, Value, evaluate_node

BarHistory = tuple[Floats, Ints]  # bars (5, n) and their starts (n,) in market ns, ascending


def evaluate_histories(plan: ExpressionPlan, pasts: Sequence[BarHistory]) -> list[ExpressionValues]:
    """Evaluate a plan over the histories of all symbols together; the i-th result has the rows of the i-th history.

    Row t of every value depends only on rows, of any symbol, that begin no later.
    """

    def compute(place: int, i: int, values: Sequence[Value]) -> Value:
        bars, starts = pasts[i]
        return evaluate_node(plan, plan.nodes[place], plan.args[place], values, bars, starts)

    return evaluate_by_node(plan, pasts, compute)


def evaluate_by_node(
    plan: ExpressionPlan, pasts: Sequence[BarHistory], compute: Callable[[int, int, Sequence[Value]], Value]
) -> list[ExpressionValues]:
    """Evaluate all symbols node by node.

    `compute(index of the node, symbol, values before)` gives the nodes that do not compare symbols.
    """
    found: list[list[Value]] = [[] for _ in pasts]
    starts = [start for _, start in pasts]
    times, at = np.unique(np.concatenate([*starts, np.empty(0, dtype=np.int64)]), return_inverse=True)
    places = np.split(at, np.cumsum([len(start) for start in starts])[:-1]) if starts else []
    with np.errstate(all="ignore"):
        for place, (node, args) in enumerate(zip(plan.nodes, plan.args, strict=True)):
            if node.op not in CROSS_SECTIONAL:
                for i, values in enumerate(found):
                    values.append(compute(place, i, values))
                continue
            table = np.full((len(times), len(pasts)), np.nan)
            for i, values in enumerate(found):
                table[places[i], i] = values[args[0]]
            for close in table:
                close[:] = CROSS_SECTIONAL[node.op](close)
            for i, values in enumerate(found):
                values.append(table[places[i], i])
    return [ExpressionValues(plan, values) for values in found]
