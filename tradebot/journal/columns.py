"""Columns of integers in a journal row: as narrow as they fit, little-endian, with their type beside them. Pure."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Ints

WIDTHS = ("<i1", "<i2", "<i4", "<i8")
_LIMITS = {width: np.iinfo(width) for width in WIDTHS}

STEPS = "+"  # before the type of a column of differences

Column = tuple[str, bytes]  # (numpy type, its bytes)


def narrow(column: Ints) -> Column:
    """Return a column in the narrowest type that holds it."""
    # Most columns fit half or less of 64 bits; at 3,000 symbols a close shrinks from 224 kB to under 100.
    if not len(column):
        return WIDTHS[0], b""
    low, high = int(column.min()), int(column.max())
    width = next(w for w in WIDTHS if _LIMITS[w].min <= low and high <= _LIMITS[w].max)
    return width, column.astype(width).tobytes()


def widen(column: Column) -> Ints:
    """Return a column as int64. Raises ValueError for an unknown type or bytes that do not fit it."""
    width, content = column
    if width not in WIDTHS:
        raise ValueError(f"a column of the unknown type {width!r}")
    return np.frombuffer(content, dtype=width).astype(np.int64)


def steps(column: Ints) -> Column:
    """Return a column as its first value and the differences that follow, narrow where times are close together."""
    if not len(column):
        return STEPS + WIDTHS[0], b""
    width, content = narrow(np.diff(column))
    return STEPS + width, column[:1].astype(WIDTHS[-1]).tobytes() + content


def sums(column: Column) -> Ints:
    """Return the column whose `steps` these are. Raises ValueError as `widen` does."""
    width, content = column
    if not width.startswith(STEPS):
        raise ValueError(f"a column of the unknown type {width!r}")
    first, rest = content[:8], content[8:]
    return np.cumsum(np.concatenate([widen((WIDTHS[-1], first)), widen((width.removeprefix(STEPS), rest))]))
