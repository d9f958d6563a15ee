"""The ledger of a sweep: what was finished is read again, whatever the end of the file looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.errors import DataError
from tradebot.sweep.results_file import ResultsFile, ResultsHeader
from tradebot.sweep.trial import DONE, TrialRow

HEAD = ResultsHeader(sweep="ab", trials=3)
ROWS = [
    TrialRow(number=n, role="trial", fold=0, values={"trend": 0.1}, state=DONE, figures={"net": 0.1 + n, "cagr": None})
    for n in range(3)
]


def write(path: Path) -> bytes:
    with ResultsFile(path, HEAD, resume=False) as ledger:
        ledger.append_rows(ROWS[:2])
        ledger.append_rows(ROWS[2:])
    return path.read_bytes()


def test_a_ledger_cut_anywhere_keeps_the_rows_that_are_whole(tmp_path: Path) -> None:
    # given
    path = tmp_path / "ledger"
    body = write(path)
    for cut in (*range(0, len(body), 7), len(body) - 1, len(body)):
        path.write_bytes(body[:cut])

        # when it is read, and goes on
        with ResultsFile(path, HEAD, resume=True) as ledger:
            found = dict(ledger.rows)
            ledger.append_rows([row for row in ROWS if row.number not in found])

        # then
        assert found == {row.number: row for row in ROWS[: max(body[:cut].count(b"\n") - 1, 0)]}
        assert ResultsFile(path, HEAD, resume=True).rows == {row.number: row for row in ROWS}


def test_a_ledger_of_another_sweep_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ledger")
    with pytest.raises(DataError, match="belongs to another sweep"):
        ResultsFile(tmp_path / "ledger", ResultsHeader(sweep="cd", trials=3), resume=True)


def test_two_sweeps_do_not_write_one_ledger(tmp_path: Path) -> None:
    with (
        ResultsFile(tmp_path / "ledger", HEAD, resume=False),
        pytest.raises(DataError, match="is written by another sweep now"),
    ):
        ResultsFile(tmp_path / "ledger", HEAD, resume=True).__enter__()


def test_an_unfinished_sweep_is_not_overwritten(tmp_path: Path) -> None:
    body = write(tmp_path / "ledger")
    with pytest.raises(DataError, match="go on with --resume"):
        ResultsFile(tmp_path / "ledger", HEAD, resume=False)
    assert (tmp_path / "ledger").read_bytes() == body


def test_a_file_that_is_no_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is no ledger of a sweep"):
        ResultsFile(tmp_path / "ledger", HEAD, resume=True)
    assert (tmp_path / "ledger").read_text() == "a,b\n1,2\n"


def test_a_folder_where_the_ledger_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    with pytest.raises(DataError, match="ledger cannot be read, or not begun anew: Is a directory"):
        ResultsFile(tmp_path / "ledger", HEAD, resume=True)
