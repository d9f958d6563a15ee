"""The parameter space of a sweep: the values of each parameter, parsed from `fast=5:20:5`, and their combinations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from tradebot.domain.message import Message
from tradebot.errors import ConfigError
from tradebot.strategies.strategy import Param

MAX_VALUES = 10_000  # of one parameter, so that a mistake such as 0:1:0.00001 is found before it fills the memory
MAX_TRIALS = 1_000_000

TYPE_NAMES = {int: "whole number", float: "number"}

ParameterValues = dict[str, Any]  # parameter -> value


class ParameterAxis(Message, frozen=True):
    """One parameter and its values, in the order given; numbers ascend."""

    name: str
    values: tuple[Any, ...]

    @property
    def is_numeric(self) -> bool:
        """Return True when all values are numbers."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


class ParameterSpace(Message, frozen=True):
    """The axes of a sweep, in the order of the command line; the last one varies fastest."""

    axes: tuple[ParameterAxis, ...]

    def __len__(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    def all_combinations(self) -> Iterator[ParameterValues]:
        """Yield every combination."""
        names = [axis.name for axis in self.axes]
        for values in itertools.product(*(axis.values for axis in self.axes)):
            yield dict(zip(names, values, strict=True))

    def sample_combinations(self, trials: int, *, seed: int) -> list[ParameterValues]:
        """Return `trials` different combinations drawn with `seed`; all of them, shuffled, where there are fewer."""
        draw = np.random.default_rng(seed)
        if trials * 4 >= len(self):
            chosen = draw.permutation(len(self))[:trials].tolist()
        else:
            found: dict[int, None] = {}  # a set in the order drawn
            while len(found) < trials:
                found[int(draw.integers(len(self)))] = None
            chosen = list(found)
        return [self.combination_at(number) for number in chosen]

    def combination_at(self, number: int) -> ParameterValues:
        """Return the combination that `all_combinations` yields at index `number`."""
        shape = [len(axis.values) for axis in self.axes]
        places = np.unravel_index(number, shape)
        return {axis.name: axis.values[int(i)] for axis, i in zip(self.axes, places, strict=True)}

    def neighbour_combinations(self, values: Mapping[str, Any]) -> list[ParameterValues]:
        """Return the combinations one step away from `values` along one numeric axis."""
        found = []
        for axis in self.axes:
            if not axis.is_numeric:
                continue
            at = axis.values.index(values[axis.name])
            near = [i for i in (at - 1, at + 1) if 0 <= i < len(axis.values)]
            found += [{**values, axis.name: axis.values[i]} for i in near]
        return found


def parse_space(texts: Sequence[str], params: Mapping[str, Param[Any]], *, strategy: str) -> ParameterSpace:
    """Return the space given by texts such as `name=5:20:5`, `name=5,10,15` or `name=5`, one per parameter, checked.

    A range ends at the last step that does not exceed its end; its default step is 1. Raises ConfigError.
    """
    axes: dict[str, ParameterAxis] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not values.strip():
            raise ConfigError(f"-p {text}: write it as name=5:20:5 (from:to:step) or name=5,10,15")
        if name not in params:
            known = ", ".join(params) or "none"
            raise ConfigError(f"-p {text}: {strategy} has no parameter {name}; it has {known}")
        if name in axes:
            raise ConfigError(f"-p {text}: {name} is given twice; list its values in one")
        axes[name] = ParameterAxis(name=name, values=_values(text, values, params[name]))
    space = ParameterSpace(axes=tuple(axes.values()))
    if len(space) > MAX_TRIALS:
        raise ConfigError(
            f"the parameters have {len(space):,} combinations, more than {MAX_TRIALS:,}; "
            "take larger steps, or draw from fewer values with --search random"
        )
    return space


def _values(text: str, values: str, param: Param[Any]) -> tuple[Any, ...]:
    parts: Iterable[Any]
    if ":" in values:
        parts = _range(text, values, is_whole=isinstance(param.default, int) and not isinstance(param.default, bool))
    else:
        parts = [_one(text, part.strip(), param) for part in values.split(",")]
    found = []
    for value in parts:
        try:
            found.append(param.validate_value(value))
        except ValueError as fault:
            raise ConfigError(f"-p {text}: {param.name} {fault}") from None
    if len(set(found)) != len(found):
        raise ConfigError(f"-p {text}: a value is given twice")
    return tuple(sorted(found)) if not isinstance(param.default, str | bool) else tuple(found)


def _range(text: str, values: str, *, is_whole: bool) -> list[int | float]:
    try:
        low, high, *rest = (Decimal(part.strip()) for part in values.split(":"))
        (step,) = rest or (Decimal(1),)
    except (InvalidOperation, ValueError):
        raise ConfigError(f"-p {text}: a range is from:to:step in numbers, such as 5:20:5") from None
    if not all(number.is_finite() for number in (low, high, step)) or step <= 0 or high < low:
        raise ConfigError(f"-p {text}: a range goes up, from:to:step, with a step above 0")
    count = int((high - low) / step) + 1
    if count > MAX_VALUES:
        raise ConfigError(f"-p {text}: {count:,} values, more than {MAX_VALUES:,}; take a larger step")
    numbers = [low + i * step for i in range(count)]
    if is_whole and any(number != int(number) for number in numbers):
        raise ConfigError(f"-p {text}: this parameter takes whole numbers")
    return [int(number) if is_whole else float(number) for number in numbers]


def _one(text: str, part: str, param: Param[Any]) -> Any:
    kind = type(param.default)
    if kind is bool:
        if part.lower() in ("true", "false"):
            return part.lower() == "true"
        raise ConfigError(f"-p {text}: {param.name} is true or false")
    try:
        return kind(part)
    except (ValueError, TypeError):
        raise ConfigError(f"-p {text}: {part!r} is not a {TYPE_NAMES.get(kind, 'value')}") from None
