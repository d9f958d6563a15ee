"""The drill of the handbook: an account moves to another box, by backup, restore, login and resume, at one exchange."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import PATIENT
from tests.stories.live_rehearsal import Rehearsal, run_verb
from tradebot.checker.promises import are_kept, judge_records

pytestmark = pytest.mark.timeout(120)


class NewBox:
    """Another state directory beside that of a rehearsal, with the verbs of its operator."""

    def __init__(self, day: Rehearsal) -> None:
        self.day, self.state = day, day.folder / "new-box"

    def verb(self, *words: str) -> tuple[int, str]:
        """Run a verb on the new state directory; returns its exit code and what it printed."""
        done = run_verb(self.state, *words)
        return done.returncode, done.stdout + done.stderr

    def said(self, *words: str) -> str:
        """Return what a verb printed; it must not fail."""
        code, said = self.verb(*words)
        assert code == 0, said
        return said

    def status(self) -> dict[str, Any]:
        """Return what `tradebot status --json` prints."""
        found: dict[str, Any] = json.loads(self.said("status", "--json"))
        return found


def test_an_account_moves_to_another_box_with_its_position_and_its_stop(start: Any, tmp_path: Path) -> None:
    # Given a live day with a position; a backup beside the running daemon is whole.
    day = Rehearsal(start, tmp_path, trader=PATIENT, symbols="RELIANCE,TCS")
    box = NewBox(day)
    day.open_exchange("2026-11-23T11:00", speed=20)
    old = day.run_logged_in()
    old.event("order_filled")
    assert day.verb("backup", str(tmp_path / "online.tradebot-backup"))[0] == 0

    # When the old one is stopped, and its last state restored in a new place.
    assert old.stop(30).code == 0
    held = {(p["symbol"], p["quantity"]) for p in json.loads(day.verb("positions", "--json")[1])}
    assert held
    archive = str(tmp_path / "moved.tradebot-backup")
    assert day.verb("backup", archive)[0] == 0
    box.said("restore", archive)

    # Then the new one needs a login of its own, knows the position as ours, and sends nothing before a resume.
    requests = len(day.requests("POST"))
    new = day.run("--state-dir", str(box.state))
    new.event("login_needed")
    box.said("login", "kite", day.person.press_login()[1])
    new.event("trading_started")
    status = box.status()
    assert {(p["symbol"], p["quantity"]) for p in status["positions"] if p["owner"] == "ours"} == held
    assert any("restored from a backup" in halt["reason"] for halt in status["halts"])
    assert box.verb("status", "--check")[0] == 10
    assert len(day.requests("POST")) == requests, "nothing is sent before the resume"

    # And goes on after it: the position is closed by the new box alone.
    box.said("resume", "the old box is off")
    box.said("flatten", "--yes")
    new.until(lambda line: line["event"] == "order_filled" and line["side"] == "SELL")
    assert any(not any(p["owner"] == "ours" for p in box.status()["positions"]) for _ in range(50))
    assert new.stop(30).code == 0
    day.close_exchange()
    verdicts = judge_records(box.state / "journal.sqlite3", against=day.log)
    assert are_kept(verdicts), verdicts
    assert box.verb("verify")[0] == 0
