"""The glossary: a line a noun, in order, and none that the code does not use."""

from __future__ import annotations

import re

from tests.documents.typed import ROOT

PAGE = (ROOT / "tradebot" / "docs" / "glossary.md").read_text(encoding="utf-8")
LINE = re.compile(r"- \*\*(?P<noun>[a-z -]+)\*\*: \S.*\.")


def test_each_noun_has_one_line_in_the_order_of_the_alphabet() -> None:
    lines = [line for line in PAGE.splitlines()[4:] if line]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, one in zip(lines, found, strict=True) if one is None]
    nouns = [one["noun"] for one in found if one is not None]
    assert nouns == sorted(set(nouns))
    assert len(nouns) > 50


def test_each_noun_is_one_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tradebot").rglob("*.py")).lower()
    nouns = [one["noun"] for line in PAGE.splitlines() if (one := LINE.fullmatch(line))]
    assert [noun for noun in nouns if not re.search(rf"\b{noun}", code)] == []
