"""A full disk, a real and small one: in mid-run, at a start after a crash, and below the kill switch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.small_disk import on_small_disk

pytestmark = pytest.mark.timeout(90)


def test_a_disk_that_fills_ends_entries_and_nothing_else(tmp_path: Path) -> None:
    driver = Path(__file__).with_name("disk_fills_driver.py")
    found = json.loads(on_small_disk(driver, "day", tmp_path / "disk", mb=64, within_s=80).splitlines()[-1])

    assert found["denied"].startswith("disk_space: the disk of the journal has 0 MB free, 16 MB are wanted")
    assert (found["flatten"], found["exit"], found["resume"]) == (0, "order_filled", 0), "exits go on"
    assert found["check"] == [16, "all: the disk of the journal has 0 MB free, 16 MB are wanted\n"]
    assert found["at_start"] == ["disk_space_depleted", "state_recovered", "trading_started"], (
        "with positions open it starts, and opens nothing"
    )
    assert found["after"] == "order_submitted", "room that comes back needs no resume"
    assert (found["kill"][0], found["halt_bytes"]) == (0, 0)
    assert found["code"] == 0, found["errors"]
    assert found["verify"][0] == 0
