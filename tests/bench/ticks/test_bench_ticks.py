"""The benchmark of the tick path: a short real run whose counts add up, its verdicts, and how it is interrupted."""

from __future__ import annotations

import copy
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tradebot.__main__ import run_command_line
from tradebot.bench.measuring.cpu import cpu_seconds, peak_memory_mb
from tradebot.bench.ticks import report

REPOSITORY = Path(__file__).resolve().parents[3]
SYMBOLS, SECONDS = 20, 3
RESULT: dict[str, Any] = {
    "asked": {"symbols": 2, "seconds": 5.0, "rate": 1.0, "strategy": "ema_cross", "interval": "1s", "workers": "1"},
    "ticks": {
        "expected": 12, "sent": 12, "received": 12, "lost": 0, "accepted": 10, "late": 0, "merged": 0,
        "merged_by_exchange": 0, "dropped": {"outside_session": 2}, "connections": 1,
    },
    "bars": 8,
    "signals": 1,
    "orders": {"orders": 1, "filled": 1},
    "latency_us": {
        "loop_lag": {"p50": 1_000.0, "p99": 19_999.0, "max": 30_000.0},
        "quote_to_order": {"p50": 120_000.0, "p99": 150_000.0, "max": 160_000.0},
    },
    "cpu": {
        "seconds": 4.5, "daemon_s": 0.5, "daemon_us_per_tick": 41.7, "daemon_peak_mb": 90.0, "workers_s": 0.1,
        "exchange_s": 0.2,
    },
    "machine": {"processor": "a processor", "cores": 2, "system": "Linux", "load_1m": 0.5},
    "versions": {"tradebot": "0.1.0"},
}  # fmt: skip


def bench(*options: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tradebot", "bench", "ticks", "--symbols", str(SYMBOLS), *options]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=dict(os.environ) | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that what it leaves behind can be found
    )


def changed(path: str, value: object) -> dict[str, Any]:
    result = copy.deepcopy(RESULT)
    *above, name = path.split(".")
    place = result
    for part in above:
        place = place[part]
    place[name] = value
    return result


def failures(result: dict[str, Any]) -> list[str]:
    return [v["text"] for v in report.tick_verdicts(result) if not v["ok"]]


def test_every_tick_of_a_short_run_is_accounted_for_and_no_file_is_left(tmp_path: Path) -> None:
    with bench("--for", f"{SECONDS}s", "--json", folder=tmp_path) as process:
        out, errors = process.communicate(timeout=50)

    assert process.returncode == 0, errors
    result = json.loads(out)
    ticks = result["ticks"]
    # One of each at joining and one of each every second; on a busy machine the daemon may join late.
    assert ticks["expected"] == SYMBOLS * (SECONDS + 1)
    assert ticks["sent"] in range(2 * SYMBOLS, ticks["expected"] + 1, SYMBOLS)
    assert ticks["received"] == ticks["sent"]
    assert ticks["lost"] == 0
    assert ticks["accepted"] + sum(ticks["dropped"].values()) + ticks["merged"] == ticks["received"]
    assert 0 < result["bars"] <= SYMBOLS * SECONDS
    assert result["latency_us"].keys() >= {"loop_lag", "close_to_signals"}
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_neither_process_nor_file(number: signal.Signals, tmp_path: Path) -> None:
    with bench("--for", "600s", folder=tmp_path) as process:
        try:
            while not list(tmp_path.glob("tradebot-bench-*/run.out")):
                assert process.poll() is None, process.communicate()
            process.send_signal(number)
            out, errors = process.communicate(timeout=30)
        finally:
            process.kill()

    assert (process.returncode, out, errors) == (130, "", "tradebot: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_daemon_that_cannot_start_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    # It would run for a minute, but ends with the daemon.
    assert run_command_line(["bench", "ticks", "--symbols", "2", "--for", "60s", "--strategy", "no_such"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("tradebot: `tradebot run` ended early with code 65: tradebot: ")
    assert "no_such" in said


def test_a_run_that_kept_every_promise_has_no_failed_verdict() -> None:
    assert failures(RESULT) == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("ticks.sent", 10, "10 ticks were sent, 2 fewer than asked for"),
        ("ticks.lost", 3, "3 ticks do not add up"),
        ("ticks.lost", -3, "3 ticks do not add up"),
        ("ticks.late", 4, "4 ticks were late"),
        ("ticks.merged", 5, "5 ticks were merged into newer ones"),
        ("ticks.merged_by_exchange", 6, "6 ticks were merged into newer ones"),
        (
            "latency_us.loop_lag",
            {"p50": 1e3, "p99": 20_000.0, "max": 3e4},
            "loop lag p99 is 20.0 ms, the limit is 20 ms",
        ),
        ("latency_us", {}, "no order was sent, so quote to order was not measured; run longer"),
    ],
)
def test_a_broken_promise_is_said_in_words(path: str, value: object, sentence: str) -> None:
    assert sentence in failures(changed(path, value))


def test_without_a_strategy_no_order_is_missed() -> None:
    result = changed("latency_us", {"loop_lag": RESULT["latency_us"]["loop_lag"]})
    result["asked"]["strategy"] = None
    assert failures(result) == []


@pytest.mark.parametrize("cpu", [RESULT["cpu"], dict.fromkeys(RESULT["cpu"])])
def test_the_table_shows_the_figures_the_machine_and_the_verdicts(cpu: dict[str, Any]) -> None:
    result = changed("cpu", cpu)
    text = io.StringIO()
    report.print_ticks(result | {"verdicts": report.tick_verdicts(result)}, Console(file=text, width=160))
    said = text.getvalue()
    assert all(part in said for part in ("2 outside session", "20.00 ms", "a processor, 2 cores", "no tick was lost"))
    assert ("41.7 us" in said) == (cpu["daemon_s"] is not None)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_what_a_process_used_is_read_and_nothing_of_one_that_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        used, memory = cpu_seconds(child.pid), peak_memory_mb(child.pid)
        own = cpu_seconds(os.getpid())
        child.communicate(b"\n")
    assert used is not None
    assert own is not None
    assert own.own > 0
    assert own.below >= used.own >= used.below == 0
    assert memory is not None
    assert memory > 0
    assert (cpu_seconds(child.pid), peak_memory_mb(child.pid)) == (None, None)
