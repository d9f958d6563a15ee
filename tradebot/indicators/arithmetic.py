"""The nodes without state, as numpy over rows or over time: one definition for both, so both give the same bits.

Those across the symbols of a close depend on the values only, not on the order of the symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators.node import Op

SINGLE_THREAD_SIZE = 8_192  # elements; above this numpy's linear algebra starts threads, which spin while they wait


def are_finite(a: Floats, b: Floats) -> bool:
    """Return whether both columns are free of NaN and infinity, in one or two calls; may say False for huge numbers."""
    if len(a) <= SINGLE_THREAD_SIZE:
        return isfinite(a.dot(b))
    return isfinite(np.add.reduce(a)) and (a is b or isfinite(np.add.reduce(b)))


def _known(truth: Any, *args: Floats) -> Floats:
    result: Floats = truth.astype(np.float64)
    if are_finite(args[0], args[-1]):
        return result
    for arg in args:
        result = np.where(np.isnan(arg), np.nan, result)
    return result


def _minimum(a: Floats, b: Floats) -> Floats:
    # Not np.minimum: its choice between 0.0 and -0.0 depends on the width of the machine's vectors.
    result: Floats = np.where((a < b) | np.isnan(a), a, b)
    return result


def _maximum(a: Floats, b: Floats) -> Floats:
    result: Floats = np.where((a > b) | np.isnan(a), a, b)
    return result


def _and(a: Floats, b: Floats) -> Floats:
    if are_finite(a, b):
        both: Floats = ((a != 0.0) & (b != 0.0)).astype(np.float64)
        return both
    if_not_false = np.where(np.isnan(a) | np.isnan(b), np.nan, 1.0)
    result: Floats = np.where((a == 0.0) | (b == 0.0), 0.0, if_not_false)
    return result


def _or(a: Floats, b: Floats) -> Floats:
    if are_finite(a, b):
        either: Floats = ((a != 0.0) | (b != 0.0)).astype(np.float64)
        return either
    if_not_true = np.where(np.isnan(a) | np.isnan(b), np.nan, 0.0)
    result: Floats = np.where(_is_true(a) | _is_true(b), 1.0, if_not_true)
    return result


def _is_true(a: Floats) -> Any:
    return (a != 0.0) & ~np.isnan(a)


def rank_across(values: Floats) -> Floats:
    """Return the rank of each value among the finite ones: 0 lowest, 1 highest, ties the middle; NaN for the rest."""
    result = np.full(len(values), np.nan)
    known = np.isfinite(values)
    found = values[known]
    if len(found) > 1:
        inorder = np.sort(found)
        below, upto = inorder.searchsorted(found, "left"), inorder.searchsorted(found, "right")
        result[known] = (below + upto - 1) / (2.0 * (len(found) - 1))
    return result


def zscore_across(values: Floats) -> Floats:
    """Return the distance of each finite value from their mean in population deviations; NaN for the rest."""
    result = np.full(len(values), np.nan)
    known = np.isfinite(values)
    found = values[known]
    if len(found) > 1:
        inorder = np.sort(found)  # the sums must not depend on the order of the symbols
        mean = np.add.reduce(inorder) / len(found)
        apart = inorder - mean
        deviation = np.sqrt(np.add.reduce(apart * apart) / len(found))
        result[known] = (found - mean) / deviation if inorder[0] != inorder[-1] else 0.0
    return result


# These compare the symbols of one close.
CROSS_SECTIONAL: dict[Op, Callable[[Floats], Floats]] = {
    Op.RANK: rank_across,
    Op.ZSCORE: zscore_across,
}

ELEMENTWISE: dict[Op, Callable[..., Floats]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
    Op.DIV: lambda a, b: a / b,
    Op.NEG: lambda a: -a,
    Op.ABS: lambda a: abs(a),
    Op.MIN: _minimum,
    Op.MAX: _maximum,
    Op.GT: lambda a, b: _known(a > b, a, b),
    Op.GE: lambda a, b: _known(a >= b, a, b),
    Op.LT: lambda a, b: _known(a < b, a, b),
    Op.LE: lambda a, b: _known(a <= b, a, b),
    Op.AND: _and,
    Op.OR: _or,
    Op.NOT: lambda a: _known(a == 0.0, a),
}
