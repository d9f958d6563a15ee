"""Names and words of the house: one class name for one thing, one verb for one meaning, comments in plain English.

Each rule is also shown a few lines that break it, so that a rule which no longer sees anything turns red.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests import naming, shape

FROZEN = shape.ROOT / "tests/oracle/vendor"  # the desk of an earlier commit, as it was


@pytest.fixture(scope="module")
def trees() -> naming.Trees:
    return shape.named_trees(shape.PACKAGE)


def none_of(found: Iterator[str]) -> None:
    lines = list(found)
    assert not lines, "\n" + "\n".join(lines)


def test_a_class_name_stands_in_one_package(trees: naming.Trees) -> None:
    none_of(naming.shared_class_names(trees))


def test_a_public_verb_has_at_most_four_owners(trees: naming.Trees) -> None:
    none_of(naming.crowded_verbs(trees))


def test_most_public_functions_are_called_by_two_words_or_more(trees: naming.Trees) -> None:
    assert naming.one_word_share(trees) < 0.15


@pytest.mark.parametrize("folder", ["tradebot", "tests"])
def test_comments_and_docstrings_are_plain(folder: str) -> None:
    files = [file for file in sorted((shape.ROOT / folder).rglob("*.py")) if not file.is_relative_to(FROZEN)]
    assert files
    none_of(line for file in files for line in naming.marked_words(str(file), file.read_text("utf-8")))


def parsed(**sources: str) -> dict[str, ast.Module]:
    return {f"tradebot/{name.replace('_in_', '/')}.py": ast.parse(source) for name, source in sources.items()}


def test_the_rule_on_class_names_sees_two_packages_and_not_two_files_of_one() -> None:
    assert list(naming.shared_class_names(parsed(store_in_a="class Row: ...", journal_in_b="class Row: ...")))
    assert not list(naming.shared_class_names(parsed(store_in_a="class Row: ...", store_in_b="class Row: ...")))


FIVE = "\n".join(f"class Owner{n}:\n    def fill(self): ...\n" for n in range(5))
PROTOCOL = "class Filler(Protocol):\n    def fill(self): ...\n    def empty(self): ...\n"
FILLERS = "\n".join(f"class Owner{n}:\n    def fill(self): ...\n    def empty(self): ...\n" for n in range(5))
HEIRS = "class Base:\n    def fill(self): ...\n" + FIVE.replace(":\n    def", "(Base):\n    def")
PROPERTIES = FIVE.replace("    def", "    @property\n    def")
OVERRIDES = FIVE.replace(":\n    def", "(asyncio.Transport):\n    def")


@pytest.mark.parametrize(
    ("source", "is_bad"),
    [
        (FIVE, True),
        (PROTOCOL, False),
        (PROTOCOL + FILLERS, False),
        (PROTOCOL + FIVE, True),
        (HEIRS, False),
        (PROPERTIES, False),
        (OVERRIDES, False),
    ],
)
def test_the_rule_on_verbs_counts_implementations_of_one_protocol_once(source: str, is_bad: bool) -> None:
    assert bool(list(naming.crowded_verbs(parsed(a=source)))) is is_bad


def test_the_share_of_one_word_names_counts_public_functions_and_methods() -> None:
    source = "def one(): ...\ndef two_words(): ...\nclass A:\n    def three(self): ...\n    def _four(self): ...\n"
    assert naming.one_word_share(parsed(a=source)) == pytest.approx(2 / 3)
    assert naming.mean_length(parsed(a=source)) == pytest.approx((3 + 9 + 5) / 3)


@pytest.mark.parametrize(
    ("source", "is_bad"),
    [
        ("x = 1  # read " + "anew after a crash", True),
        ('"""An order of ' + 'whoever sent it."""', True),
        ("def f():\n    " + '"""Return what ' + 'nobody asks."""', True),
        ('text = "' + 'nobody listens"', False),
        ("x = 1  # read again after a crash", False),
    ],
)
def test_the_rule_on_words_reads_comments_and_docstrings_alone(source: str, is_bad: bool) -> None:
    assert bool(list(naming.marked_words("a.py", source))) is is_bad


def test_a_public_function_without_a_docstring_is_seen_unless_it_implements_one() -> None:
    protocol = 'class Filler(Protocol):\n    def fill(self):\n        """Fill."""\n'
    source = protocol + "class A(Filler):\n    def fill(self): ...\n    def empty(self): ...\ndef bare(): ...\n"
    assert [line.split()[1] for line in naming.undocumented(parsed(a=source))] == ["A.empty", "bare"]
