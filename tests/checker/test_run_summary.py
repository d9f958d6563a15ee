"""The summary of a run: every kind of trouble in the records becomes a sentence that a person understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.records import ENTRY, EXIT, LOST, Records, day
from tradebot.checker.evidence import read_evidence
from tradebot.checker.run_records import RunRecords
from tradebot.checker.run_summary import RehearsalSummary, summarize_run
from tradebot.cli.run.rehearsal import print_verdict


def told(records: Records, folder: Path) -> RehearsalSummary:
    journal, log = records.write(folder)
    return summarize_run(RunRecords(read_evidence(journal, against=log)))


def test_a_sound_day_tells_its_doubt_and_its_figures(tmp_path: Path) -> None:
    summary = told(day(), tmp_path)
    assert summary.faults == ()
    assert summary.actions == (
        "BUY 2 TCS (00003): without a reason; the venue never had it, given up 64.0 s later",
    )  # fmt: skip
    assert dict(summary.figures)["orders"] == "3 sent, 2 filled, 0 not sent"
    assert dict(summary.figures)["fills"] == "2 booked; the exchange made 2"
    assert dict(summary.figures)["open at the end"] == "nothing"


def test_faults_are_counted_by_kind_with_their_places(tmp_path: Path) -> None:
    records = day()
    for where in ("trades", "orders.list", "trades"):
        records.line("fault", name="half-json", where=where, n=1, ids=["F05"], does="Half of it.")
    (broke,) = told(records, tmp_path).faults
    assert broke == ("half-json", 3, "trades, orders.list", "Half of it.")


def test_what_was_done_and_refused_has_a_line_each(tmp_path: Path) -> None:
    records = day()
    records.order_event(ENTRY, "cancel_unknown", reason="no answer")
    records.row("link", source="kite", reason="cut")
    records.row("link", source="kite", reason=None)
    records.row("incident", text="an order was placed elsewhere")
    records.row("halt", verb="halt", reason="by hand", scope="symbol:TCS")
    records.row("reconciled", differences=["TCS: the venue holds 3, the journal 2"])
    denied = {"order_id": f"{LOST}9", "symbol": "TCS", "side": "BUY", "quantity": "1", "purpose": "entry"}
    records.order_event(f"{LOST}9", "denied", request=denied, reason="size: too large", checks=["size: too large"])
    records.order_event(EXIT, "refused", reason="margin")
    summary = told(records, tmp_path)
    assert {line.partition(" (")[0] for line in summary.actions} >= {"BUY 2 TCS", "lost its quotes once"}
    text = "\n".join(summary.actions)
    assert "a cancel without an answer once (no answer), ended FILLED" in text
    assert "called for a person: an order was placed elsewhere" in text
    assert "halted symbol TCS: by hand" in text
    assert "opened nothing while the books differed: TCS: the venue holds 3, the journal 2" in text
    assert summary.refusals == (
        "1 order denied by the gate: size: too large",
        "1 order refused by the venue: margin",
    )


def test_reasons_that_differ_in_their_figures_are_told_once(tmp_path: Path) -> None:
    records = day()
    for n in range(3):
        request = {"order_id": f"{LOST}{n}", "symbol": "TCS", "side": "BUY", "quantity": "1", "purpose": "entry"}
        records.order_event(
            f"{LOST}{n}", "denied", request=request, reason=f"position: worst case {100 + n}.5 is above 90"
        )
    assert told(records, tmp_path).refusals == (
        "3 orders denied by the gate: position: worst case 100.5 is above 90, and the like",
    )


def test_a_long_list_ends_with_the_number_of_the_rest(tmp_path: Path) -> None:
    records = day()
    for n in range(20):
        records.row("incident", text=f"number {n}")
    summary = told(records, tmp_path)
    assert sum(line.startswith("called for a person") for line in summary.actions) == 12
    assert "8 more incidents" in summary.actions


def test_the_verdict_is_printed_and_says_whether_all_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, spoiled = tmp_path / "sound", tmp_path / "spoiled"
    for folder, records in ((sound, day()), (spoiled, day())):
        folder.mkdir()
        if folder is spoiled:
            records.create(ENTRY)
        records.write(folder)
    assert print_verdict(sound, None, seed=7)
    assert "KEPT" in capsys.readouterr().err
    assert not print_verdict(spoiled, None, seed=7)
    said = capsys.readouterr().err
    assert "BROKEN: I1" in said
    assert f"the exchange was asked 2 times for {ENTRY}" in said
    assert print_verdict(tmp_path / "nothing", None, seed=7), "what never began broke nothing"
