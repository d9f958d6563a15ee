"""The hunt for mutants can fail: a change that matters is noticed, none at all is not, and every draw is a program."""

from __future__ import annotations

import ast
from functools import cache

import pytest
from mutant_hunt import DAYS, EQUAL, ROOT, UNCHANGED, all_mutants, drawn, explained, hunt

NEAR = ("tests/domain/test_portfolio.py",)


def test_every_mutant_is_another_program() -> None:
    for mutant in drawn(100, 1, ()):
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert dump(mutant.text(source)) != dump(source), mutant


@cache
def dump(source: str) -> str:
    return ast.dump(ast.parse(source))


def test_the_same_seed_draws_the_same_mutants_and_another_one_others() -> None:
    assert drawn(50, 3, ()) == drawn(50, 3, ()) != drawn(50, 4, ())
    assert {mutant.file for mutant in drawn(50, 3, ("gate/",))} < {mutant.file for mutant in all_mutants()}


def test_what_is_explained_is_still_there() -> None:
    names = {mutant.name for mutant in all_mutants()}
    assert not [name for name in explained() if name not in names], f"{EQUAL.name} explains what is gone"
    assert all(because.endswith(".") for because in explained().values())


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_a_change_that_matters_is_noticed_and_none_is_not() -> None:
    turned = next(m for m in all_mutants() if m.file.endswith("portfolio.py") and m.was == "quantity + signed")
    assert hunt(turned, tests=NEAR, days=()).by == "tests"
    assert hunt(UNCHANGED, tests=NEAR, days=DAYS[:1]).by == ""
