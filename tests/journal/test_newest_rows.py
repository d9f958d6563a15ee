"""The journal read from its end: page after page gives each row once, and one search is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.clock import WallClock
from tradebot.domain.messages import Incident, LinkUp
from tradebot.errors import StateError
from tradebot.journal import newest_rows
from tradebot.journal.newest_rows import RowQuery, search_newest
from tradebot.journal.rows import JournalRow
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal

LINKS = RowQuery(kinds=("link",))


async def written(folder: Path, count: int, *, run: str = "r1") -> Path:
    async with Journal(folder, run=run, clock=WallClock()) as journal:
        for number in range(1, count + 1):
            kind, message = ("incident", Incident(at=1, text=f"i{number}")) if number % 3 else ("link", LinkUp("a", 1))
            journal.append(kind, message, at=number)
    return folder / FILE_NAME


def seq(row: JournalRow) -> list[int]:
    return [row.seq]


async def test_pages_give_each_row_once_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_rows, "WINDOW_ROWS", 7)
    path = await written(tmp_path, 60)
    found, before = search_newest(path, LINKS, seq, before=0, limit=4)
    pages = [found]
    while before:
        found, before = search_newest(path, LINKS, seq, before=before, limit=4)
        pages.append(found)
    assert [one for page in pages for one in page] == list(range(60, 0, -3))
    assert {len(page) for page in pages[:-1]} == {4}


async def test_rows_are_chosen_by_run_and_by_what_is_in_them(tmp_path: Path) -> None:
    await written(tmp_path, 9, run="r1")
    path = await written(tmp_path, 9, run="r2")
    assert search_newest(path, LINKS._replace(run="r1"), seq, before=0, limit=9) == ([9, 6, 3], 0)
    assert search_newest(path, RowQuery(("incident",), text=b'"i5"'), seq, before=0, limit=9) == ([14, 5], 0)
    assert search_newest(path, LINKS._replace(run="r3"), seq, before=0, limit=9) == ([], 0)


async def test_a_search_ends_after_so_many_rows_and_says_where_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_rows, "WINDOW_ROWS", 5)
    monkeypatch.setattr(newest_rows, "MAX_WINDOWS", 2)
    path = await written(tmp_path, 30)
    wanted = RowQuery(("incident",), text=b'"i1"')
    places, found, before = [], [], 0
    while not places or before:
        found, before = search_newest(path, wanted, seq, before=before, limit=9)
        places.append(before)
    assert (places, found) == ([21, 11, 0], [1])


async def test_an_empty_journal_and_none_at_all(tmp_path: Path) -> None:
    path = await written(tmp_path, 0)
    assert search_newest(path, LINKS, seq, before=0, limit=9) == ([], 0)
    with pytest.raises(StateError, match="there is no journal"):
        search_newest(tmp_path / "nowhere", LINKS, seq, before=0, limit=9)
