"""How far a price may move between two bars before it is a jump. Pure, and without pandas: a start reads it too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MIN_JUMP_RATIO = 1.3  # above the widest price band (20%) of shares without derivatives; other shares have no band


def are_jumps(before: Any, after: Any) -> npt.NDArray[np.bool_]:
    """Return for each pair of prices (n,) whether they lie further apart than `MIN_JUMP_RATIO`, up or down."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(before, dtype=np.float64) / np.asarray(after, dtype=np.float64)
    found: npt.NDArray[np.bool_] = (ratio > MIN_JUMP_RATIO) | (ratio < 1 / MIN_JUMP_RATIO)
    return found
