"""How many decimals numbers were written with, from the floats they became; noise of floats is known as such. Pure."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market_data import Floats, Ints

MAX_DECIMALS = 8
EXACT_FLOAT_LIMIT = 2.0**53  # floats hold every integer below
PRICE_STEPS = (500, 100, 50, 10, 5)  # in hundredths: the ticks of shares but the finest
FLOAT_NOISE = 1e-12  # of a number: what sums and products of floats are off by


def decimals_of(values: Floats) -> int | None:
    """Return how many decimals floats that were written in decimal have at most, None for more than can be kept.

    That is eight, or fewer for numbers so large that their integers would not be exact.
    """
    for decimals in range(MAX_DECIMALS + 1):
        scaled = values * 10.0**decimals
        if np.abs(scaled).max(initial=0.0) >= EXACT_FLOAT_LIMIT:
            return None
        # A float is off by 2**-53 of its size; what is no further from a whole number was one.
        if (np.abs(scaled - np.rint(scaled)) <= np.maximum(np.abs(scaled) * 4e-16, 1e-9)).all():
            return decimals
    return None


def noisy_decimals_of(values: Floats) -> int | None:
    """Return how many decimals floats have apart from noise, None where there is more in them than noise.

    Noise is what sums of floats are off by (101.30000000000001), and what is left of a number that was a float of 32
    bits on its way (1368.824951171875 for 1368.825).
    """
    for decimals in range(MAX_DECIMALS + 1):
        if np.abs(values).max(initial=0.0) * 10.0**decimals >= EXACT_FLOAT_LIMIT:
            return None
        near = np.rint(values * 10.0**decimals) / 10.0**decimals
        is_sum = np.abs(values - near) <= np.abs(values) * FLOAT_NOISE
        is_single = np.abs(values - near.astype(np.float32).astype(np.float64)) <= np.abs(values) * 4e-16
        if (is_sum | is_single).all():
            return decimals
    return None


def common_price_step(prices: Floats, previous_step: int) -> int:
    """Return the largest of `PRICE_STEPS` (hundredths) that all prices are multiples of, 1 for none; `known` is that of the
    prices before (0: there were none)."""
    if previous_step == 1:
        return 1
    cents = np.rint(prices * 100).astype(np.int64)
    return next(
        (step for step in PRICE_STEPS if not (previous_step and step > previous_step) and not (cents % step).any()), 1
    )


def month_closes(previous: dict[int, tuple[int, float]], starts: Ints, closes: Floats) -> dict[int, tuple[int, float]]:
    """Return month -> (start, close) of the last bar of each of the newest two months, with what was known of them."""
    months = starts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    found = dict(previous)
    for month in np.unique(months)[-2:].tolist():
        places = np.flatnonzero(months == month)
        last = places[int(np.argmax(starts[places]))]
        found[month] = max(found.get(month, (-1, 0.0)), (int(starts[last]), float(closes[last])))
    return {month: found[month] for month in sorted(found)[-2:]}
