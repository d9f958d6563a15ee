"""I30 by hand: a look that ends at a book with an odd row is found, and one that ends for another reason is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.records import Records, day
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseStatus


def ruling(records: Records, folder: Path) -> PromiseStatus:
    journal, log = records.write(folder)
    return next(v.status for v in judge_records(journal, against=log) if v.promise == "I30")


def asked(records: Records, *paths: str) -> None:
    for path in paths:
        records.now += 1_000_000
        records.line("request", method="GET", path=path, params={}, status=200)


def struck(records: Records, where: str, name: str = "foreign-rows") -> None:
    records.now += 1_000_000
    records.line("fault", name=name, where=where, n=1, does="")


@pytest.mark.parametrize(
    ("where", "before", "after"),
    [("orders.list", "/orders", "/trades"), ("positions", "/portfolio/positions", "/user/margins")],
)
def test_a_look_that_ends_at_an_odd_row_is_blind(where: str, before: str, after: str, tmp_path: Path) -> None:
    sound, blind = day(), day()
    for records, rest in ((sound, (before, after, "/orders")), (blind, (before, "/orders", after))):
        struck(records, where)
        asked(records, *rest)
    (tmp_path / "sound").mkdir()
    assert ruling(sound, tmp_path / "sound") is PromiseStatus.OK
    assert ruling(blind, tmp_path) is PromiseStatus.BROKEN


def test_a_look_that_ended_with_its_process_or_with_its_answer_is_not(tmp_path: Path) -> None:
    records = day()
    struck(records, "orders.list", "html")
    asked(records, "/orders", "/orders", "/trades")
    struck(records, "orders.list")
    asked(records, "/orders")
    records.start("Tsecond01")
    asked(records, "/orders", "/trades")
    assert ruling(records, tmp_path) is PromiseStatus.OK


def test_a_look_that_was_refused_met_no_rows(tmp_path: Path) -> None:
    records = day()
    struck(records, "orders.list")
    records.line("request", method="GET", path="/orders", params={}, status=403)
    asked(records, "/orders", "/trades")
    assert ruling(records, tmp_path) is PromiseStatus.OK
