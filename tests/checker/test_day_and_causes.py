"""I31 and the table of causes by hand: what a day allows, and which halts have something to be for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.records import RUN, Records
from tradebot.checker.causes import unexplained_halts
from tradebot.checker.evidence import read_evidence
from tradebot.checker.promises import judge_records
from tradebot.checker.run_records import RunRecords

DAY = 86_400_000_000_000


def of_the_day(orders: int, folder: Path, *, purpose: str = "entry", days: int = 1, reloaded: int = 0) -> str:
    """Four orders a day are allowed, three of them entries; `orders` come, the last in a second run.

    With `reloaded` so many are allowed after a reload.
    """
    records = Records()
    records.line("session", account="SIM", cash="50000", resumed=False, holdings=[])
    for day in range(days):
        records.now += day * DAY
        records.start()
        records.row("terms", limits={"orders_per_day": 4})
        if reloaded:
            records.row("limits", limits={"orders_per_day": reloaded})
        for n in range(orders):
            if n == orders - 1:
                records.start("Tsecond01")
            records.sent(f"{RUN}{day}{n:04d}", "BUY", f"V{day}{n}", purpose)
    journal, log = records.write(folder)
    return next(v.status for v in judge_records(journal, against=log) if v.promise == "I31")


@pytest.mark.parametrize(
    ("orders", "purpose", "ruling"),
    [(3, "entry", "ok"), (4, "entry", "broken"), (4, "exit", "ok"), (5, "exit", "broken")],
)
def test_a_restart_gives_no_day_more_orders(orders: int, purpose: str, ruling: str, tmp_path: Path) -> None:
    assert of_the_day(orders, tmp_path, purpose=purpose) == ruling


def test_the_next_day_counts_from_nothing(tmp_path: Path) -> None:
    assert of_the_day(3, tmp_path, days=2) == "ok"


def test_a_reload_may_allow_a_day_more_orders(tmp_path: Path) -> None:
    assert of_the_day(5, tmp_path, purpose="exit", reloaded=5) == "ok"


def halts(folder: Path, fault: str, **halt: str) -> list[str]:
    records = Records()
    records.start()
    records.row("halt", reason="why", **halt)
    if fault:
        records.line("fault", name=fault, where="orders.create", n=1, does="")
    journal, log = records.write(folder)
    return unexplained_halts(RunRecords(read_evidence(journal, against=log)))


@pytest.mark.parametrize(
    ("control", "fault", "is_explained"),
    [
        ("daily_loss", "", True),
        ("rejections", "definite-reject", True),
        ("rejections", "", False),
        ("rejections", "lost-frame", False),
        ("access", "firewall-403", False),
        ("access", "token-death", True),
        ("access", "token-replaced", True),
        ("a new rule", "definite-reject", False),
    ],
)
def test_a_halt_needs_a_cause_that_its_rule_is_for(
    control: str, fault: str, is_explained: bool, tmp_path: Path
) -> None:
    assert bool(halts(tmp_path, fault, control=control)) is not is_explained


def test_a_halt_that_was_resumed_stands_no_more(tmp_path: Path) -> None:
    records = Records()
    records.start()
    for scope in ("all", "symbol:TCS"):
        records.row("halt", reason="why", scope=scope)
        records.row("resume", scope=scope)
    records.row("halt", reason="why", scope="symbol:TCS")
    records.row("resume", scope="strategy:x")
    journal, log = records.write(tmp_path)
    assert len(unexplained_halts(RunRecords(read_evidence(journal, against=log)))) == 1
