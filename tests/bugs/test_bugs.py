"""Seeded bugs: every record fits the sources and says what it breaks.

`make prove` draws some and sees them caught, `make bugs` hunts them all.
"""

from __future__ import annotations

import ast

import pytest
from hunt import REPOSITORY, Bug, bugs, seeded

BUGS = bugs()


def test_at_least_sixty_bugs_are_known_and_each_says_what_it_does() -> None:
    assert len(BUGS) >= 60
    assert all(bug.says.endswith(".") and bug.breaks.startswith("I") and bug.caught_by for bug in BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_fits_the_sources_and_is_a_program(bug: Bug) -> None:
    for path, text in seeded(bug, REPOSITORY).items():
        ast.parse(text, filename=str(path))
    for selection in bug.caught_by:
        file, _, name = selection.split()[0].partition("::")
        assert (REPOSITORY / file).exists(), selection
        assert not name or f"def {name.partition('[')[0]}(" in (REPOSITORY / file).read_text(), selection
