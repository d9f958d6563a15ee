"""The length of a bar as text and in nanoseconds: 1s, 1m, 5m, 1h, 1d, 1w, 1mo, and the names brokers use. Pure.

Day, week and month are calendar steps. A daily bar may last 23 hours where clocks change, a monthly bar 28 to 31 days.
Their nanoseconds only identify them. A month has the nanoseconds of the shortest month, so that no bar ends after the
next one begins.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from tradebot.clock import DAY, HOUR, MINUTE, SECOND
from tradebot.errors import DataError

WEEK, MONTH = 7 * DAY, 28 * DAY
UNIT_NS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
CALENDAR_INTERVALS = {"1w": WEEK, "1mo": MONTH}  # no multiples: two weeks have no natural first day
CLOCK_CHANGE_NS = HOUR  # ns that a day lacks when clocks go forward
_WORDS = {
    "s": "s",
    "sec": "s",
    "second": "s",
    "m": "m",
    "t": "m",
    "min": "m",
    "minute": "m",
    "h": "h",
    "hour": "h",
    "d": "d",
    "day": "d",
    "w": "w",
    "wk": "w",
    "week": "w",
    "mo": "mo",
    "mon": "mo",
    "month": "mo",
}
_FORM = re.compile(r"(\d{0,5})\s*([a-z]+)")
_STEPS = ((DAY, 0, 5), (WEEK, 5, 10), (MONTH, 26, 36))  # calendar step, its fewest days, its most days (excluded)


def parse_interval(text: str) -> int:
    """Return the ns of an interval such as `5m`, `5min`, `1h`, `day`, `1w`, `1mo`. Raises DataError."""
    found = _FORM.fullmatch(text.strip().lower())
    word = found[2] if found else ""
    unit = _WORDS.get(word.removesuffix("s") if len(word) > 2 else word)
    if text.strip().endswith("M"):
        raise DataError(f"the interval {text!r} may be minutes or months: 1m is a minute, 1mo a month")
    if found is None or unit is None or found[1] == "0":
        raise DataError(
            f"the interval {text!r} is none; expected a number and s, m, h or d, such as 1m or 1d, or 1w or 1mo"
        )
    count = int(found[1] or 1)
    if unit in UNIT_NS:
        return count * UNIT_NS[unit]
    if count > 1:
        raise DataError(f"the interval {text!r} is none; of weeks and months there are 1w and 1mo alone")
    return CALENDAR_INTERVALS[f"1{unit}"]


def interval_name(interval: int) -> str:
    """Return the shortest name of an interval in ns: `1m`, `1h`, `1d`, `1w`, `1mo`."""
    for name, length in CALENDAR_INTERVALS.items():
        if interval == length:
            return name
    for word, length in reversed(UNIT_NS.items()):
        if interval % length == 0:
            return f"{interval // length}{word}"
    return f"{interval / SECOND:g}s"


def shortest_step(interval: int) -> int:
    """Return the shortest time in ns between two starts of bars; a day may lack the hour of a clock change."""
    return interval - CLOCK_CHANGE_NS if interval >= DAY else interval


def common_step(steps: npt.NDArray[Any]) -> int:
    """Return the interval of bars, judged by their steps (ns from each start to the next); 0 without a step.

    Below a day the result is the commonest step, in whole seconds. From a day on it is the commonest calendar step:
    steps of up to five days are `1d`, whether a weekend, a holiday or a missing row lies between; about seven days are
    `1w`, about a month is `1mo`. Other lengths stay as they are. Steps of several symbols may be given together.
    """
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    lengths, counts = np.unique(steps, return_counts=True)
    common = int(lengths[counts.argmax()])
    if common < DAY - CLOCK_CHANGE_NS:
        return max(common // SECOND * SECOND, SECOND)
    days = np.rint(steps / DAY)
    taken = [int(((days >= least) & (days < most)).sum()) for _, least, most in _STEPS]
    if max(taken) * 2 < len(steps):
        return common // SECOND * SECOND
    return _STEPS[int(np.argmax(taken))][0]
