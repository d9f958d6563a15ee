"""One figure of a scrape: the value of a metric under its labels, as the sources give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Figure(NamedTuple):
    """The value of the metric `name`; `labels` are in the order of the catalogue."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def one_of(name: str, chosen: str, values: Iterable[str]) -> Iterator[Figure]:
    """Yield a figure a value: 1 for the `chosen` one, 0 for the others."""
    return (Figure(name, float(value == chosen), (value,)) for value in values)
