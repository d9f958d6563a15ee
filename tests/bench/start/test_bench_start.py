"""The benchmark of the start: real starts get ready stage by stage, one that cannot is a sentence."""

from __future__ import annotations

import json

import pytest

from tradebot.__main__ import run_command_line
from tradebot.bench.start.start import STAGES, start_verdicts


@pytest.mark.timeout(180)
def test_real_starts_get_ready_stage_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "start", "--repeats", "1", "--symbols", "RELIANCE", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in result["rows"]] == list(STAGES)
    times = [row["median_s"] for row in result["rows"]]
    assert times == sorted(times)
    assert result["ready_s"] == [times[-1]]


def test_a_daemon_that_cannot_start_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "start", "--repeats", "1", "--symbols", "no such symbol"]) == 1
    assert capsys.readouterr().err.startswith("tradebot: the daemon did not get ready: ")


@pytest.mark.parametrize(("ready", "is_kept"), [([1.4, 1.5, 9.0], True), ([1.4, 1.51, 1.6], False)])
def test_the_median_start_is_held_against_the_limit(ready: list[float], is_kept: bool) -> None:
    result = {"ready_s": ready, "cpu_s": 0.9, "uncompiled_s": 6.0, "asked": {"symbols": ["A"]}}
    (verdict,) = start_verdicts(result)
    assert verdict["ok"] is is_kept
