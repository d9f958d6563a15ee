"""The way to real money, rehearsed: each command of its document that wants a broker, typed beside a live run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.documents.typed import ROOT, simple, typed_in
from tests.patient_trader import PATIENT
from tests.stories.live_rehearsal import KEYS, Rehearsal

pytestmark = pytest.mark.timeout(150)
PAGE = ROOT / "tradebot/docs/going-live.md"
# The rest is typed by `tests/documents`: what needs no broker, and the comparison of paper, which needs days of it.
ELSEWHERE = re.compile(r"tradebot (?:exchange|service|config|paper)\b")


def commands() -> Iterator[str]:
    """Yield the commands of the page that want a broker, in their order."""
    for one in typed_in(PAGE.read_text(encoding="utf-8"), PAGE.name):
        if one.is_command and not ELSEWHERE.match(one.text):
            yield from ([one.text] if "'" in one.text or '"' in one.text else map(" ".join, simple(one.text)))


def test_each_command_of_the_way_to_live_does_what_it_says(start: Any, tmp_path: Path) -> None:
    day = Rehearsal(start, tmp_path, trader=PATIENT)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/tradebot"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tradebot "$@"\n')
    program.chmod(0o700)
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRADEBOT_")} | KEYS
    env |= {"PATH": f"{program.parent}:{env['PATH']}", "PYTHONPATH": str(ROOT)}

    def fill_in(line: str) -> str:
        address = day.person.press_login()[1] if "ADDRESS" in line or "TOKEN" in line else ""
        (token,) = parse_qs(urlsplit(address).query).get("request_token", [""])
        order_id = json.loads(day.verb("orders", "--json")[1])[0]["order_id"] if "ORDER_ID" in line else ""
        return line.replace("ADDRESS", address).replace("TOKEN", token).replace("ORDER_ID", order_id)

    def type_line(line: str) -> None:
        typed = ["bash", "-c", fill_in(line)]
        done = subprocess.run(typed, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{line} ended with {done.returncode}: {done.stderr[-600:]} {done.stdout[-600:]}"

    day.open_exchange("2026-11-23T11:00", speed=30)
    daemon = day.run_logged_in()
    daemon.event("order_filled")
    alone = []
    for line in commands():
        if line.startswith("tradebot run"):
            alone.append(line)
        elif line == "tradebot login kite":
            assert "logged in as SIM001" in day.log_in_by_browser()
        else:
            type_line(line)
    daemon.stop(30)
    assert alone == ["tradebot run --dry-start"]
    orders = len(day.requests())
    type_line(f"{alone[0]} --yes")
    assert len(day.requests()) == orders, "no order leaves a dry start"
    day.close_exchange()
