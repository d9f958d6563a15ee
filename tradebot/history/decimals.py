"""How many decimals numbers had as text, judged by the floats they became; float noise is recognized. Pure."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats, Ints

MAX_DECIMALS = 8
EXACT_FLOAT_LIMIT = 2.0**53  # floats hold every integer below this
PRICE_STEPS = (500, 100, 50, 10, 5)  # in hundredths: tick sizes of shares, without the finest
FLOAT_NOISE = 1e-12  # relative error of sums and products of floats


def decimals_of(values: Floats) -> int | None:
    """Return the largest number of decimals among floats that come from decimal text; None for more than can be kept.

    Eight decimals can be kept, fewer for numbers so large that their scaled integers would not be exact.
    """
    for decimals in range(MAX_DECIMALS + 1):
        scaled = values * 10.0**decimals
        if np.abs(scaled).max(initial=0.0) >= EXACT_FLOAT_LIMIT:
            return None
        # A float has a relative error of up to 2**-53. A value that close to a whole number was one.
        if (np.abs(scaled - np.rint(scaled)) <= np.maximum(np.abs(scaled) * 4e-16, 1e-9)).all():
            return decimals
    return None


def noisy_decimals_of(values: Floats) -> int | None:
    """Return how many decimals floats have without their noise; None when the rest is more than noise.

    Noise is the rounding error of float sums (101.30000000000001), or of a number that was once a 32-bit float
    (1368.824951171875 for 1368.825).
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
    """Return the largest of `PRICE_STEPS` (hundredths) that divides all prices, 1 when none does.

    `previous_step` is the result for earlier prices, 0 when there were none. The result is never larger.
    """
    if previous_step == 1:
        return 1
    cents = np.rint(prices * 100).astype(np.int64)
    return next(
        (step for step in PRICE_STEPS if not (previous_step and step > previous_step) and not (cents % step).any()), 1
    )


def month_closes(previous: dict[int, tuple[int, float]], starts: Ints, closes: Floats) -> dict[int, tuple[int, float]]:
    """Return month -> (start, close) of the last bar of the month, for the newest two months.

    `previous` is the result for earlier bars; its months are merged in.
    """
    months = starts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    found = dict(previous)
    for month in np.unique(months)[-2:].tolist():
        places = np.flatnonzero(months == month)
        last = places[int(np.argmax(starts[places]))]
        found[month] = max(found.get(month, (-1, 0.0)), (int(starts[last]), float(closes[last])))
    return {month: found[month] for month in sorted(found)[-2:]}
