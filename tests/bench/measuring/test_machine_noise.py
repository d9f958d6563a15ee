"""What a report says of the machine at the moment of a measurement: figures as fields, and one plain line of them."""

from __future__ import annotations

import json
import os

import pytest

from tradebot.bench.measuring import machine_noise, report

BOX = {"processor": "p", "cores": 2, "system": "Linux", "load_1m": 0.5}


def test_work_right_after_itself_is_as_slow_as_itself(monkeypatch):
    monkeypatch.setattr(machine_noise, "PAUSE_S", 0.0)
    monkeypatch.setattr(machine_noise, "_timed", lambda: 500)
    assert machine_noise.cold_ratio() == 1.0


def test_a_cold_ratio_is_the_middle_of_several(monkeypatch):
    times = iter([9_000, 1_000, *[2_100, 1_000] * (machine_noise.ROUNDS - 1)])
    monkeypatch.setattr(machine_noise, "PAUSE_S", 0.0)
    monkeypatch.setattr(machine_noise, "_timed", lambda: next(times))
    assert machine_noise.cold_ratio() == 2.1


def test_each_write_is_synced_and_the_file_is_gone(monkeypatch, tmp_path):
    synced, sync = [], os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(file), sync(file)))
    assert machine_noise.durable_write_us(tmp_path) > 0
    assert len(synced) == machine_noise.WRITES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writes", [False, True])
def test_the_machine_tells_of_the_disk_where_the_benchmark_writes(writes):
    box = json.loads(json.dumps(report.machine_state(writes=writes)))
    assert box["cold_ratio"] > 0
    assert ("durable_write_us" in box) == writes


def test_the_line_says_what_was_measured_and_nothing_that_was_not():
    assert report.machine_line(BOX) == "p, 2 cores, Linux, load 0.5 before"
    line = report.machine_line(BOX | {"cold_ratio": 2.13, "durable_write_us": 231.4})
    assert line.endswith("work after 20 ms of sleep takes 2.1 times the CPU (cold), a durable write of 4 kB 0.23 ms")
