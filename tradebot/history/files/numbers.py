"""Parses numbers as people write them: decimal marks, thousands separators, currency signs, 1.23M. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.domain.market import Floats

BLANK_CELLS = frozenset({"", "-", "--", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"})
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
CURRENCY = re.compile(r"^([+-]?)\s*(?:[$€£¥₹₿]|rs\.?|inr|usd|eur)\s*", re.IGNORECASE)
MULTIPLIERS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12, "cr": 1e7, "crore": 1e7, "lakh": 1e5, "lac": 1e5}
MULTIPLIER_SUFFIX = re.compile(r"\s*(k|m|b|t|cr|crore|lakh|lac)\.?$", re.IGNORECASE)
MAX_NUMBER_CHARS = 300  # digits; floats overflow soon after
# Groups of three digits, or India's groups of two before the last three.
GROUPED = {
    mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}") for mark in ",.'"
}


class NumberNotation(NamedTuple):
    """How a file writes numbers: its decimal mark, and whether every number in its first rows is plain."""

    decimal: str = "."
    is_plain: bool = True


def detect_notation(cells: Iterable[str], separator: str) -> NumberNotation:
    """Return the notation of a file, judged by cells of its first rows; its prices and volumes share one notation."""
    marked = [_bare(cell) for cell in cells if cell.strip().lower() not in BLANK_CELLS]
    is_plain = all(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in marked)
    if any(_is_decimal_comma(cell) for cell in marked):
        return NumberNotation(",", is_plain=False)
    if separator != "," and any("," in cell for cell in marked) and not any("." in cell for cell in marked):
        # European programs use the comma as decimal mark, and so another separator between columns.
        return (
            NumberNotation(",", is_plain=False)
            if all(cell.count(",") < 2 for cell in marked)
            else NumberNotation(".", False)
        )
    return NumberNotation(".", is_plain)


def parse_floats(column: pd.Series[Any], notation: NumberNotation) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return a column as floats, NaN for what is no number, and for each cell whether it is blank."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers, np.isnan(numbers)
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    is_blank: npt.NDArray[np.bool_] = text.str.lower().isin(BLANK_CELLS).to_numpy()
    if notation.decimal == "." and text.where(~is_blank, "0").str.fullmatch(PLAIN_NUMBER).all():
        text = text.where(~is_blank & (text.str.len() < MAX_NUMBER_CHARS).to_numpy(), "nan")
        return text.to_numpy(dtype=object).astype(np.float64), is_blank
    found = {cell: _number(cell, notation.decimal) for cell in text.unique()}
    return text.map(found).to_numpy(dtype=np.float64), is_blank


def _number(cell: str, decimal: str) -> float:
    bare = _bare(cell)
    if len(bare) >= MAX_NUMBER_CHARS:
        return np.nan
    times = 1.0
    if (suffix := MULTIPLIER_SUFFIX.search(bare)) is not None:
        times, bare = MULTIPLIERS[suffix[1].lower()], bare[: suffix.start()]
    whole, mark, rest = bare.partition(decimal)
    for thousands in ",.'":
        if thousands != decimal and GROUPED[thousands].fullmatch(whole):
            whole = whole.replace(thousands, "")
    plain = whole + ("." if mark else "") + rest
    if not PLAIN_NUMBER.fullmatch(plain):
        return np.nan
    found = float(plain) * times
    return float(round(found)) if times > 1 and abs(found - round(found)) < 1e-3 else found


def _bare(cell: str) -> str:
    return CURRENCY.sub(r"\1", cell.strip()).replace("\N{NO-BREAK SPACE}", "").replace(" ", "")


def _is_decimal_comma(cell: str) -> bool:
    whole, comma, rest = cell.rpartition(",")
    if not comma or not rest.isdigit() or "," in whole:
        return False
    return "." in whole or len(rest) != 3 or whole.strip("+-") in ("", "0")
