"""The hunt for mutants can fail: a change that matters is noticed, none at all is not, and every draw is a program."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.mutant_hunt import DAYS, EQUAL, ROOT, UNCHANGED, all_mutants, drawn, explained, hunt

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


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_only_the_tests_that_run_a_line_are_asked(tmp_path: Path) -> None:
    (tmp_path / "code_of.py").write_text(
        "FIRST = 1\n\n\ndef one(\n    x: int,\n) -> int:\n    return max(\n        x,\n        1,\n    )\n\n\n"
        "def two() -> int:\n    return 2\n",
        encoding="utf-8",
    )
    (tmp_path / "test_code.py").write_text(
        "import code_of\n\n\ndef test_one():\n    assert code_of.one(2) == 2\n\n\n"
        "async def _later():\n    return code_of.two()\n\n\n"
        "def test_two():\n    import asyncio\n\n    assert asyncio.run(_later()) == 2\n",
        encoding="utf-8",
    )
    script = (
        "import sys, pathlib, pytest; sys.path.insert(0, sys.argv[1]); from reach import measure\n"
        "found = measure(['.'], lambda names: pytest.main(['-q', '-p', 'no:cacheprovider'], plugins=[names]))\n"
        "for line in (1, 9, 14): print('REACHED', line, *found.of(pathlib.Path('code_of.py').resolve(), line))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)], cwd=tmp_path, capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    assert [line for line in told.stdout.splitlines() if line.startswith("REACHED")] == [
        "REACHED 1 [] True",
        "REACHED 9 ['test_code.py::test_one'] False",
        "REACHED 14 ['test_code.py::test_two'] False",
    ]
