"""A daemon whose disk fills in mid-run, is started on it again, and killed on it; run by `test_disk_fills.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

from tests.patient_trader import EAGER
from tests.small_disk import fill_up
from tests.stories.real_process import Daemon

SPEED = "240"
# RELIANCE is held, so that there is something to close whenever the disk is full.
MIXED = EAGER.replace(
    "if not position.is_flat:",
    'if not position.is_flat:\n            if bar.symbol == "RELIANCE":\n                return None',
)
SMALL = {"TRADEBOT_JOURNAL__MIN_FREE_MB": "16", "TRADEBOT_JOURNAL__WARN_FREE_MB": "24"}


def tradebot(*args: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "tradebot", *args], capture_output=True, text=True, timeout=30, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def is_denied(line: dict[str, Any]) -> bool:
    return line["event"] == "order_denied" and line["purpose"] == "entry" and "disk_space" in line["reason"]


def is_exit(line: dict[str, Any]) -> bool:
    return line["event"] == "order_filled" and line["symbol"] == "RELIANCE" and line["side"] == "SELL"


def main(disk: Path) -> dict[str, Any]:
    folder, state = disk.parent, disk / "state"
    (folder / "Mixed.py").write_text(MIXED)
    exchange = Daemon(
        "exchange", "--symbols", "RELIANCE,TCS,INFY", "--seed", "7", "--at", "2026-11-23T09:15", "--speed", SPEED
    )
    assert exchange.process.stdout is not None
    (folder / "ready.json").write_text(exchange.process.stdout.readline())
    run = (
        "run", "--state-dir", str(state), "--log-format", "json", "--symbols", "RELIANCE,TCS,INFY",
        "--exchange", str(folder / "ready.json"), "--workers", "0", "--strategy", f"{folder}/Mixed.py:Trader",
    )  # fmt: skip
    found: dict[str, Any] = {}
    first = Daemon(*run, env=SMALL)
    first.until(lambda line: line["event"] == "order_filled" and line["symbol"] == "RELIANCE")
    hog = fill_up(disk)
    first.event("disk_space_depleted")
    found["denied"] = first.until(is_denied)["reason"]
    found["flatten"] = tradebot("flatten", "--yes", "--state-dir", str(state))[0]
    found["exit"] = first.until(is_exit)["event"]
    found["resume"] = tradebot("resume", "--state-dir", str(state))[0]
    found["check"] = tradebot("status", "--check", "--state-dir", str(state))
    first.kill()

    second = Daemon(*run, env=SMALL)
    found["at_start"] = [
        second.event(name)["event"] for name in ("disk_space_depleted", "state_recovered", "trading_started")
    ]
    second.until(is_denied)
    hog.unlink()
    second.event("disk_space_freed")
    entry = second.until(lambda line: line["event"] == "order_submitted" and line["purpose"] == "entry")
    found["after"] = entry["event"]
    fill_up(disk)
    found["kill"] = tradebot("kill", "--state-dir", str(state), "--exchange", str(folder / "ready.json"))
    found["halt_bytes"] = (state / "HALT").stat().st_size
    said = second.stop()
    found["code"], found["errors"] = said.code, said.errors
    found["verify"] = tradebot("verify", "--state-dir", str(state))
    exchange.stop()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[2]))))
