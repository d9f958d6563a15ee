"""The searches of a sweep: every combination, some at random, or optuna's suggestions in rounds."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol

from tradebot.errors import ConfigError
from tradebot.sweep.parameter_space import ParameterAxis, ParameterSpace, ParameterValues
from tradebot.sweep.trial import DONE, TrialRow

ROUND_TRIALS = 16  # suggestions per round; fixed, so that the search does not depend on the number of workers


class SearchKind(StrEnum):
    """The kinds of search."""

    GRID = "grid"
    RANDOM = "random"
    OPTUNA = "optuna"


class Search(Protocol):
    """Yields rounds of parameters. The caller passes the rows of each round to `take_results` before the next one."""

    size: int

    def parameter_rounds(self) -> Iterator[list[ParameterValues]]:
        """Yield lists of parameters, `size` in all."""
        ...

    def take_results(self, rows: Sequence[TrialRow]) -> None:
        """Receive the rows of the last round, in the order of its parameters."""
        ...


class FixedSearch:
    """A search whose trials are all known before it begins."""

    def __init__(self, values: Sequence[ParameterValues]) -> None:
        self._values, self.size = values, len(values)

    def parameter_rounds(self) -> Iterator[list[ParameterValues]]:
        yield list(self._values)

    def take_results(self, rows: Sequence[TrialRow]) -> None:
        pass


class OptunaSearch:
    """A search by optuna's tree-structured Parzen estimator: it suggests, our workers run. Seeded, and in rounds."""

    def __init__(self, space: ParameterSpace, trials: int, *, seed: int, objective: str) -> None:
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.size, self._objective, self._space = trials, objective, space
        self._scales = {axis.name: _scale(optuna, axis) for axis in space.axes}
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._fail = optuna.trial.TrialState.FAIL
        self._asked: list[Any] = []

    def parameter_rounds(self) -> Iterator[list[ParameterValues]]:
        left = self.size
        while left:
            self._asked = [self._study.ask(self._scales) for _ in range(min(ROUND_TRIALS, left))]
            left -= len(self._asked)
            yield [self._on_axes(one.params) for one in self._asked]

    def _on_axes(self, params: ParameterValues) -> ParameterValues:
        # Three steps of 0.1 are not 0.3 in floats: use the exact values that were given.
        return {
            axis.name: min(axis.values, key=lambda value: abs(value - params[axis.name]))
            if axis.is_numeric
            else params[axis.name]
            for axis in self._space.axes
        }

    def take_results(self, rows: Sequence[TrialRow]) -> None:
        for asked, row in zip(self._asked, rows, strict=True):
            value = row.figures.get(self._objective) if row.state == DONE else None
            if value is None:
                self._study.tell(asked, state=self._fail)
            else:
                self._study.tell(asked, float(value))


def make_search(kind: SearchKind, space: ParameterSpace, *, trials: int | None, seed: int, objective: str) -> Search:
    """Return a new search of `kind`; `trials` applies to searches that do not try everything. Raises ConfigError."""
    if kind is SearchKind.GRID:
        return FixedSearch(list(space.all_combinations()))
    count = min(trials or 100, len(space)) if kind is SearchKind.RANDOM else trials or 100
    if kind is SearchKind.RANDOM:
        return FixedSearch(space.sample_combinations(count, seed=seed))
    return OptunaSearch(space, count, seed=seed, objective=objective)


def _scale(optuna: Any, axis: ParameterAxis) -> Any:
    values, kinds = axis.values, {type(value) for value in axis.values}
    steps = {round(b - a, 12) for a, b in pairwise(values)} if axis.is_numeric else set()
    if len(steps) != 1:
        return optuna.distributions.CategoricalDistribution(values)
    scale = optuna.distributions.IntDistribution if kinds == {int} else optuna.distributions.FloatDistribution
    return scale(values[0], values[-1], step=steps.pop())


def _optuna() -> Any:
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise ConfigError("--search optuna needs optuna: pip install 'tradebot[optimize]'") from None
