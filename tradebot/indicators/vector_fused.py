"""`factor * x + y` rounded once, as C's `fma` gives it, over arrays; numpy has only the form that rounds twice.

TA-Lib steps its recursions with `fma`. Here the rounding errors of the product (Dekker 1971) and of the sum (Knuth,
two-sum) are computed exactly and added last. That is right unless the correction lies exactly between two numbers, or
the product is so small that its own error cannot be represented. Such elements are detected and computed with
fractions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tradebot.domain.market import Floats

SPLITTER = 2.0**27 + 1.0
TINY = 2.0**-900  # products below may lose their error to underflow
LOW_BITS = np.int64(2**49 - 1)  # a correction half-way between two numbers has none of these set


class FusedFactor:
    """A constant factor, or a column of factors for the lines of a two-dimensional array, split into halves once."""

    def __init__(self, value: float | list[float]) -> None:
        self.value: Floats = np.array(value) if isinstance(value, float) else np.array(value)[:, None]
        big = self.value * SPLITTER
        self.high = big - (big - self.value)
        self.low = self.value - self.high

    def multiply_add_small(self, x: Floats, y: Floats) -> Floats:
        """Return `factor * x + y`, rounded once; fast for a product small beside `y`; finite inputs below 1e290.

        The exact product lies between its two neighbours. Where both give the same sum, that is the sum.
        """
        product = x * self.value
        least = product * (1.0 - 2.0**-52)
        least += y
        product *= 1.0 + 2.0**-52
        product += y
        is_open = least != product
        if np.count_nonzero(is_open):
            at = np.nonzero(is_open)
            factor = FusedFactor(0.0)
            factor.value, factor.high, factor.low = (
                np.broadcast_to(part, x.shape)[at] for part in (self.value, self.high, self.low)
            )
            least[at] = factor.multiply_add(x[at], y[at])
        return least

    def multiply_add(self, x: Floats, y: Floats) -> Floats:
        """Return `factor * x + y`, rounded once; finite inputs below 1e290."""
        product = x * self.value
        low = x * SPLITTER
        high = low - x
        np.subtract(low, high, out=high)
        np.subtract(x, high, out=low)
        error = high * self.high
        error -= product
        high *= self.low
        error += low * self.high
        error += high
        low *= self.low
        error += low
        total = product + y
        rest = total - product
        lost = total - rest
        np.subtract(product, lost, out=lost)
        np.subtract(y, rest, out=rest)
        lost += rest
        lost += error
        result: Floats = total + lost
        np.abs(product, out=product)
        is_rare = lost.view(np.int64) & LOW_BITS == 0
        is_rare |= product < TINY
        if np.count_nonzero(is_rare):
            np.copyto(result, total, where=lost == 0.0)  # keeps the sign of a zero
            is_rare &= (lost != 0.0) | ((product < TINY) & (x != 0.0))
            self._correct(is_rare, x, y, result)
        return result

    def _correct(self, is_doubtful: Any, x: Floats, y: Floats, result: Floats) -> None:
        factors = np.broadcast_to(self.value, x.shape)
        for at in zip(*np.nonzero(is_doubtful), strict=True):
            exact = Fraction(float(factors[at])) * Fraction(float(x[at])) + Fraction(float(y[at]))
            if exact:
                result[at] = float(exact)
