"""The handbook: its table of events is made from the declarations, and each test that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.documents.typed import ROOT
from tradebot.__main__ import run_command_line
from tradebot.ops.events.catalogue import EVENTS, render_urgent
from tradebot.ops.events.event import CRITICAL, ERROR

PAGE = (ROOT / "tradebot/docs/handbook.md").read_text(encoding="utf-8")
TABLE = re.compile(r"<!-- urgent events: begin -->\n\n(.*)\n<!-- urgent events: end -->", re.DOTALL)


def test_the_table_of_what_wants_a_person_is_made_from_the_declarations(capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = TABLE.findall(PAGE)
    assert table == render_urgent(), "put what `tradebot events --urgent` prints between the two marks"
    assert run_command_line(["events", "--urgent"]) == 0
    assert capsys.readouterr().out == table
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert named == {event.name for event in EVENTS.values() if event.level in (ERROR, CRITICAL)}


def test_each_drill_names_the_test_that_plays_it() -> None:
    drills = re.split(r"^### ", PAGE.partition("## Drills")[2].partition("## Upgrade")[0], flags=re.MULTILINE)[1:]
    assert len(drills) >= 7
    for drill in drills:
        tests = re.findall(r"`(tests/[\w/]+\.py)`", drill)
        assert tests, drill.splitlines()[0]
        assert not [name for name in tests if not (ROOT / name).is_file()]


def test_the_events_that_it_speaks_of_are_there() -> None:
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TABLE.sub("", PAGE)))
    assert words - EVENTS.keys() <= {"two_daemons"}, "no such event"
