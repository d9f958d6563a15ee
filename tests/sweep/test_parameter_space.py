"""The space of a sweep: ranges and lists from the command line, and what each search draws from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.errors import ConfigError
from tradebot.strategies.ema_cross import EmaCross
from tradebot.strategies.strategy import Param
from tradebot.sweep import search as looking
from tradebot.sweep.parameter_space import ParameterSpace, parse_space


class Mixed(EmaCross):
    """A strategy with a parameter of every kind."""

    kind = Param("a", choices=("a", "b", "c"))
    is_long = Param(True)


def space(*texts: str) -> ParameterSpace:
    return parse_space(texts, Mixed.params, strategy="ema_cross")


def test_a_range_ends_at_the_last_step_that_does_not_pass_its_end() -> None:
    fast, trend = space("fast=5:21:5", "trend=0:1:0.1").axes
    assert fast.values == (5, 10, 15, 20)
    assert trend.values == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def test_the_last_parameter_varies_fastest() -> None:
    assert list(space("fast=5,10", "slow=30:40:10").all_combinations()) == [
        {"fast": 5, "slow": 30}, {"fast": 5, "slow": 40}, {"fast": 10, "slow": 30}, {"fast": 10, "slow": 40},
    ]  # fmt: skip


def test_words_and_truth_values_are_listed() -> None:
    assert [axis.values for axis in space("kind=b,a", "is_long=true,false").axes] == [("b", "a"), (True, False)]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["fast"], "-p fast: write it as name=5:20:5"),
        (["fats=5"], "ema_cross has no parameter fats; it has fast, slow"),
        (["fast=5", "fast=6"], "fast is given twice"),
        (["fast=5,5"], "a value is given twice"),
        (["fast=20:5"], "a range goes up"),
        (["fast=5:20:0"], "a step above 0"),
        (["fast=5:20:x"], "from:to:step in numbers"),
        (["fast=5:20:5:1"], "from:to:step in numbers"),
        (["fast=5:20:nan"], "a step above 0"),
        (["fast=5:20:0.5"], "takes whole numbers"),
        (["fast=1:10"], "fast must be from 2 to 50, was 1"),
        (["fast=five"], "'five' is not a whole number"),
        (["kind=d"], "must be one of 'a', 'b', 'c'"),
        (["is_long=2"], "is_long is true or false"),
        (["trend=0:60:0.0001"], "600,001 values, more than 10,000"),
        (["fast=2:50", "slow=5:200", "trend=0:60:0.1"], "combinations, more than 1,000,000"),
    ],
)
def test_a_slip_is_named_in_one_sentence(texts: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        space(*texts)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.integers(1, 40), st.integers(0, 5))
def test_random_trials_differ_from_each_other_and_come_again_with_their_seed(trials: int, seed: int) -> None:
    drawn = space("fast=5:20:5", "slow=30:100:10").sample_combinations(trials, seed=seed)
    assert len({tuple(values.items()) for values in drawn}) == len(drawn) == min(trials, 32)
    assert drawn == space("fast=5:20:5", "slow=30:100:10").sample_combinations(trials, seed=seed)


def test_neighbours_are_one_step_away_along_one_number() -> None:
    near = space("fast=5:20:5", "slow=30:50:10", "kind=a,b").neighbour_combinations(
        {"fast": 5, "slow": 40, "kind": "a"}
    )
    assert near == [
        {"fast": 10, "slow": 40, "kind": "a"},
        {"fast": 5, "slow": 30, "kind": "a"},
        {"fast": 5, "slow": 50, "kind": "a"},
    ]


def test_optuna_suggests_the_very_values_that_were_asked_for() -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'tradebot[optimize]'")
    asked = space("trend=0:2:0.1", "kind=a,b")
    looked = looking.make_search(looking.SearchKind.OPTUNA, asked, trials=16, seed=1, objective="net")
    found = next(iter(looked.parameter_rounds()))
    assert {values["trend"] for values in found} <= set(asked.axes[0].values)
    assert {values["kind"] for values in found} == {"a", "b"}


def test_optuna_suggests_the_same_whatever_came_between() -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'tradebot[optimize]'")
    from tradebot.sweep.trial import DONE, TrialRow

    def searched() -> list[dict[str, object]]:
        looked = looking.make_search(
            looking.SearchKind.OPTUNA, space("fast=5:20:5", "slow=30,50,55"), trials=40, seed=7, objective="net"
        )
        found = []
        for values in looked.parameter_rounds():
            found += values
            looked.take_results(
                [
                    TrialRow(
                        number=0, role="trial", fold=0, values=one, state=DONE, figures={"net": -abs(one["fast"] - 15)}
                    )
                    for one in values
                ]
            )
        return found

    first = searched()
    assert first == searched()
    assert len(first) == 40
    assert {values["fast"] for values in first} <= {5, 10, 15, 20}
    late = [values["fast"] for values in first[20:]]
    assert late.count(15) > len(late) / 2
