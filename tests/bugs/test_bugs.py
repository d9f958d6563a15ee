"""Seeded bugs: every record fits the sources and says what it breaks.

`make prove` draws some and sees them caught, `make bugs` hunts them all.
"""

from __future__ import annotations

import ast

import pytest

from tests.bugs.hunt import REPOSITORY, Bug, bugs, seeded

BUGS = bugs()
SIMULATION = "tests/simulation/"
# Kinds of defects that the daemon once had. Of each at least one is seeded: those that a simulated day can show are
# caught by one, what is refused before a run or needs a venue of another kind by tests of its own.
KINDS = {
    SIMULATION: {
        "what is not ours is sold", "a page of a gateway ends the run", "one odd row ends every look",
        "one odd answer keeps it from starting", "refusals in one symbol halt the others",
        "words on the stream are lost", "a stop forgets where it stood", "one far price is believed",
        "a silent symbol is not noticed", "a day begins anew with a restart", "a level guards nothing",
        "a person's halt ends by itself", "stops end in silence", "a dead token ends the run",
        "a position that ended with its day is a difference", "limits count our seconds on a fast market",
        "a step of the wall clock moves the market", "a pipe that nobody reads holds the loop",
    },
    "": {
        "paper orders leave to a real venue", "what is held overnight is traded by the day",
        "an order above the freeze quantity leaves", "a strategy closes what another holds",
        "a loss past its limit is left open", "a day past the calendar is traded",
        "what is decided at the last close is refused for ever",
    },
}  # fmt: skip


def test_at_least_sixty_bugs_are_known_and_each_says_what_it_does() -> None:
    assert len(BUGS) >= 60
    assert all(bug.says.endswith(".") and bug.breaks.startswith("I") and bug.caught_by for bug in BUGS)


def test_each_kind_of_an_old_defect_is_seeded_and_those_of_a_day_are_caught_by_a_simulated_one() -> None:
    assert {bug.kind for bug in BUGS} - {""} == {kind for kinds in KINDS.values() for kind in kinds}
    caught = {bug.kind for bug in BUGS if any(test.startswith(SIMULATION) for test in bug.caught_by)}
    assert KINDS[SIMULATION] <= caught


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_fits_the_sources_and_is_a_program(bug: Bug) -> None:
    for path, text in seeded(bug, REPOSITORY).items():
        ast.parse(text, filename=str(path))
    for selection in bug.caught_by:
        file, _, name = selection.split()[0].partition("::")
        assert (REPOSITORY / file).exists(), selection
        assert not name or f"def {name.partition('[')[0]}(" in (REPOSITORY / file).read_text(), selection
