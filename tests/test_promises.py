"""No promise without a test: the page of promises and the one for builders name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "tradebot" / "docs" / "promises.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BUILDING = (ROOT / "tradebot" / "docs" / "building.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    make test TESTS=(\S+)$", PAGE, re.MULTILINE)


def test_every_promise_has_a_sentence_and_a_command() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert [part.partition(".")[0] for part in parts] == [f"I{n}" for n in range(1, 36)]
    for part in parts:
        title, sentence, commands = (piece.strip() for piece in part.strip().split("\n\n", 2))
        assert title.partition(". ")[2], part
        assert sentence.endswith("."), part
        assert commands.startswith("make test TESTS=tests/"), part


@pytest.mark.parametrize("test", COMMANDS)
def test_a_test_that_a_promise_names_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not name or re.search(rf"^(async )?(def|class) {name}\b|^{name} = ", text, re.MULTILINE), test


def test_the_builders_page_names_tests_that_are_there_and_the_readme_leads_to_the_promises() -> None:
    named = set(re.findall(r"`(tests/[\w./]+)`", BUILDING))
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]
    assert "tradebot/docs/promises.md" in README


def test_the_bugs_break_promises_of_the_page() -> None:
    broken = {
        re.search(r'^breaks = "(I\d+)"', p.read_text(), re.MULTILINE)[1] for p in (ROOT / "tests/bugs").glob("*.toml")
    }
    assert len(broken) >= 18
    assert broken <= {f"I{n}" for n in range(1, 36)}
