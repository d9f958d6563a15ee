"""The length of a bar in words and in nanoseconds: 1s, 1m, 5m, 1h, 1d, and the names pandas and brokers use. Pure."""

from __future__ import annotations

import re

from tradebot.clock import SECOND
from tradebot.errors import DataError

UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}
_WORDS = {
    "s": "s", "sec": "s", "second": "s", "m": "m", "t": "m", "min": "m", "minute": "m", "h": "h", "hour": "h",
    "d": "d", "day": "d",
}  # fmt: skip
_FORM = re.compile(r"(\d{0,5})\s*([a-z]+)")


def parse(text: str) -> int:
    """Return an interval such as `5m`, `5min`, `1h`, `day` in ns. Raises DataError."""
    found = _FORM.fullmatch(text.strip().lower())
    word = found[2] if found else ""
    unit = _WORDS.get(word.removesuffix("s") if len(word) > 2 else word)
    if found is None or unit is None or found[1] == "0":
        raise DataError(f"the interval {text!r} is none; expected a number and s, m, h or d, such as 1m or 1d")
    return int(found[1] or 1) * UNITS[unit]


def name_of(interval: int) -> str:
    """Return an interval in ns in its shortest words: `1m`, `1h`, `1d`."""
    for word, length in reversed(UNITS.items()):
        if interval % length == 0:
            return f"{interval // length}{word}"
    return f"{interval / SECOND:g}s"
