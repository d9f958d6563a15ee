"""What `status --check` says to a cron job: one code for each kind of trouble, and the most urgent one of several."""

from __future__ import annotations

from typing import Any

import click.testing
import pytest

from tradebot.cli.control.status import status
from tradebot.control.checkup import check_status

WELL: dict[str, Any] = {
    "state": "trading",
    "halts": [],
    "feed": {"is_stale": False, "down": {}},
    "session": {"is_open": True},
    "store": {"behind": 4, "trouble": ""},
}
SILENT = {"feed": {"is_stale": True, "down": {"feed": "no sound quote of any symbol for 15.0 s"}}}


def halted(*verbs: str) -> dict[str, Any]:
    return {"halts": [{"verb": verb, "scope": "all", "reason": f"{verb} it is"} for verb in verbs]}


CASES = {
    "well": ({}, 0, "nothing stands in the way"),
    "without a store": ({"store": None}, 0, "nothing stands in the way"),
    "halted": (halted("halt"), 10, "all: halt it is"),
    "killed": (halted("kill"), 10, "kill it is"),
    "a symbol that is not accounted for": (halted("difference"), 10, "difference it is"),
    "a lost login": (halted("session lost"), 11, "session lost it is"),
    "no books": (halted("no books"), 11, "no books it is"),
    "stale quotes": (SILENT, 12, "feed: no sound quote of any symbol"),
    "stale quotes after the close": (SILENT | {"session": {"is_open": False}}, 0, "nothing stands in the way"),
    "a clock apart": (halted("clock"), 13, "clock it is"),
    "starting": ({"state": "starting"}, 14, "the daemon is starting"),
    "a store that is away": ({"store": {"behind": 9, "trouble": "refused"}}, 15, "9 rows behind: refused"),
    "a halt and a lost login": (halted("halt", "session lost"), 11, "session lost it is"),
    "a halt and stale quotes": (SILENT | halted("halt"), 12, "feed: no sound quote"),
}


START: dict[str, Any] = {"state": "starting", "venue": "kite", "login": None, "halts": []}
NEEDS = {"state": "needs login", "login": {"state": "NEED_LOGIN", "reason": "the token has ended"}}
STARTS = {
    "before the venue": ({}, 14, "the daemon is starting"),
    "waits for a login": (NEEDS, 11, "it waits for a login: the token has ended; run `tradebot login kite`"),
    "logged in": ({"login": {"state": "LOGGED_IN", "reason": None}}, 14, "the daemon is starting"),
}


@pytest.mark.parametrize(("changes", "code", "sentence"), STARTS.values(), ids=STARTS.keys())
def test_a_start_needs_a_person_where_it_waits_for_a_login(changes: dict[str, Any], code: int, sentence: str) -> None:
    assert check_status(START | changes) == (code, sentence)


@pytest.mark.parametrize(("changes", "code", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_trouble_of_a_run_has_its_own_code(changes: dict[str, Any], code: int, sentence: str) -> None:
    found = check_status(WELL | changes)
    assert (found.code, sentence in found.sentence) == (code, True), found


def test_the_help_tells_every_code() -> None:
    said = " ".join(click.testing.CliRunner().invoke(status, ["--help"]).output.split())
    assert all(f"{code} " in said for code in (10, 11, 12, 13, 14, 15, 69)), said
