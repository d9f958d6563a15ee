"""The doctor beside a live run at an exchange of this machine: before it, during it, after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import PATIENT
from tests.stories.live_rehearsal import KEYS, Rehearsal

pytestmark = pytest.mark.timeout(120)
DEAL = {
    "exchange": "NSE", "tradingsymbol": "TCS", "order_type": "LIMIT", "product": "MIS", "validity": "DAY",
    "quantity": "1", "transaction_type": "BUY", "price": "3480",
}  # fmt: skip


def test_it_looks_with_and_without_a_daemon_and_names_the_order_of_another_tradebot(start: Any, tmp_path: Path) -> None:
    day = Rehearsal(start, tmp_path, trader=PATIENT)
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRADEBOT_")} | KEYS

    def examined() -> tuple[int, dict[str, dict[str, str]]]:
        done = subprocess.run(
            [sys.executable, "-m", "tradebot", "doctor", "--json", "--config", str(day.config),
             "--state-dir", str(tmp_path / "state"), "--unit", str(tmp_path / "none")],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, {one["check"]: one for one in json.loads(done.stdout)}

    code, found = examined()
    assert (code, found["broker"]["colour"]) == (1, "red"), "the exchange is not there yet"

    day.open_exchange("2026-11-23T11:00", speed=5)
    daemon = day.run()
    daemon.event("login_needed")
    code, found = examined()
    assert (code, found["daemon"]["colour"], found["login"]["colour"]) == (0, "yellow", "yellow"), found
    day.log_in()
    daemon.event("order_filled")
    code, found = examined()
    assert code == 0, found
    assert {found[name]["colour"] for name in ("daemon", "login", "plan", "orders", "journal", "broker")} == {"green"}
    daemon.stop(30)

    day.person.log_in()
    placed = day.person.ask("POST", "/orders/regular", **DEAL, tag="Tzzzzzzzz00001")
    assert placed["status"] == "success", placed
    code, found = examined()
    assert found["login"]["colour"] == "yellow", "the login of the person at the page ended that of the daemon"
    saved = json.loads((tmp_path / "state/login-kite.json").read_text())
    saved["keys"]["access_token"] = day.person.token
    (tmp_path / "state/login-kite.json").write_text(json.dumps(saved))
    code, found = examined()
    assert (code, found["orders"]["colour"], found["daemon"]["colour"]) == (1, "red", "green")
    assert "another tradebot" in found["orders"]["what"]
    day.close_exchange()
