"""The journal on a full disk, a real and small one: its reserve takes rows, and a start needs no room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.journal.full_disk_driver import RESERVE
from tests.small_disk import on_small_disk

DRIVER = Path(__file__).with_name("full_disk_driver.py")


def filled(case: str, folder: Path) -> dict[str, Any]:
    return json.loads(on_small_disk(DRIVER, case, folder, mb=40))  # type: ignore[no-any-return]


def test_rows_go_on_into_the_reserve_when_the_disk_is_full(tmp_path: Path) -> None:
    with_reserve, without = filled("reserve", tmp_path / "one"), filled("none", tmp_path / "two")

    assert with_reserve["reserve"] >= RESERVE > without["reserve"]
    assert with_reserve["free"] == without["free"] == 0
    # How many rows the log holds besides is a matter of when it was copied last: from a third of it to all.
    assert with_reserve["taken"] > RESERVE > without["taken"], "what was kept takes rows"
    assert with_reserve["left"] < 0.1 * RESERVE, "and nothing else does"


def test_what_was_acknowledged_on_a_full_disk_is_there_and_whole(tmp_path: Path) -> None:
    found = filled("reserve", tmp_path)
    assert found["is_intact"]
    assert found["rows"] >= found["acknowledged"] > 1000


def test_a_journal_that_ended_cleanly_is_opened_and_written_on_a_full_disk(tmp_path: Path) -> None:
    found = filled("clean", tmp_path)
    assert (found["taken"], found["rows"]) == (500, 550)


def test_a_journal_that_was_cut_off_is_opened_and_written_on_a_full_disk(tmp_path: Path) -> None:
    found = filled("crash", tmp_path)
    assert (found["taken"], found["rows"]) == (500, 550)
