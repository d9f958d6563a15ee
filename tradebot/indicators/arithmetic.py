"""The nodes without memory, as numpy over rows or over time: one definition for both, so both give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators.node import Op


def _known(truth: Any, *args: Floats) -> Floats:
    result: Floats = truth.astype(np.float64)
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
    known = np.where(np.isnan(a) | np.isnan(b), np.nan, 1.0)
    result: Floats = np.where((a == 0.0) | (b == 0.0), 0.0, known)
    return result


def _or(a: Floats, b: Floats) -> Floats:
    known = np.where(np.isnan(a) | np.isnan(b), np.nan, 0.0)
    result: Floats = np.where(_is_true(a) | _is_true(b), 1.0, known)
    return result


def _is_true(a: Floats) -> Any:
    return (a != 0.0) & ~np.isnan(a)


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
