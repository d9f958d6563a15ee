"""The form of our order ids, which a venue echoes as the tag of an order: by it a tradebot knows the orders of another.

T  mh1k2v9x  00017
│  │         └ count of the run's orders, at least five digits
│  └ wall milliseconds at the start of the run, eight digits in base 36 (from 1972 to 2059)
└ every run
"""

from __future__ import annotations

import re

_OUR_FORM = re.compile(r"T[0-9a-z]{8}[0-9]{5,}")


def has_our_form(tag: str) -> bool:
    """Return whether a tag has the form of our order ids, of this run or of any other of any tradebot."""
    return _OUR_FORM.fullmatch(tag) is not None
