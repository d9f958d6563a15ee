"""The benchmark of sweeps: what it says has its shape, and both ways give the same rows; no times."""

from __future__ import annotations

import json

from click.testing import CliRunner

from tradebot.cli.bench.bench import bench


def test_one_process_and_several_give_the_same_rows() -> None:
    found = CliRunner().invoke(bench, ["sweep", "--trials", "10", "--bars", "1000", "--workers", "2", "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["rows"] == "the same"
    assert told["asked"] == {"trials": 10, "bars": 1000, "workers": 2, "strategy": "ema_cross"}
    assert {"speedup", "speedup_by_cpu", "trials_per_s", "ms_a_trial", "machine", "versions"} <= told.keys()
