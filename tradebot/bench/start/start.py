"""The benchmark of the start: from the command to READY over several starts of the real daemon, with each stage.

A first start compiles bytecode into a folder of this benchmark. So a read-only installation, or an environment that
forbids writing bytecode, does not slow every start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

from tradebot.bench.measuring.cpu import cpu_seconds
from tradebot.bench.measuring.process import child_environment, last_output_line
from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message
from tradebot.errors import TradebotError
from tradebot.ops.events.analysis import WarmupCompleted
from tradebot.ops.events.rehearsal import ExchangeOpened
from tradebot.ops.events.run import BooksReconciled, DaemonStarted, TradingStarted

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
LIMIT_S = 1.5
READY_EVENT = TradingStarted.name
STAGES = {  # event of the daemon's log -> what is done by then
    DaemonStarted.name: "imports, configuration, journal read",
    ExchangeOpened.name: "embedded exchange opened",
    WarmupCompleted.name: "logged in, past bars fetched",
    BooksReconciled.name: "workers warm, books compared",
    READY_EVENT: "first quote",
}


class StartLoad(Message, frozen=True):
    """What to measure: `repeats` starts with `symbols` and the default configuration."""

    symbols: tuple[str, ...]
    repeats: int


def measure_starts(load: StartLoad, *, clock: Clock, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values; `progress` gets starts done and in all.

    Raises TradebotError when a daemon does not get ready.
    """
    runs: list[dict[str, float]] = []
    with TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True) as folder:
        for number in range(load.repeats + 1):
            progress(number, load.repeats + 1)
            runs.append(_start(load, Path(folder), number, clock))
    compiled = runs[1:]  # the first start compiles
    rows = [
        {"stage": stage, "done": text, "median_s": round(median(times), 3), "max_s": round(max(times), 3)}
        for stage, text in STAGES.items()
        if (times := [run[stage] for run in compiled if stage in run])
    ]
    used = [run["cpu"] for run in compiled if "cpu" in run]
    return {
        "bench": "start",
        "asked": {"symbols": list(load.symbols), "repeats": load.repeats},
        "rows": rows,
        "ready_s": [round(run[READY_EVENT], 3) for run in compiled],
        "cpu_s": round(median(used), 3) if used else None,
        "uncompiled_s": round(runs[0][READY_EVENT], 3),
    }


def _start(load: StartLoad, folder: Path, number: int, clock: Clock) -> dict[str, float]:
    env = child_environment("PYTHONDONTWRITEBYTECODE") | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    config = folder / "config.toml"
    config.write_text("", encoding="utf-8")  # the defaults, independent of a config.toml in the working directory
    command = [
        *(sys.executable, "-m", "tradebot", "run", "--config", str(config), "--log-format", "json"),
        *("--symbols", ",".join(load.symbols), "--state-dir", str(folder / f"state-{number}")),
        *("--for", f"{2 * READY_WITHIN_S:g}s"),  # if this process is killed, its child ends by itself
    ]
    errors = folder / "errors"
    begin = clock.monotonic_ns()
    with (
        errors.open("wb") as err,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=env) as child,
    ):
        late = Timer(READY_WITHIN_S, child.kill)
        late.start()
        try:
            return _until_ready(child, begin, clock)
        except EOFError:
            raise TradebotError(f"the daemon did not get ready: {last_output_line(errors)}") from None
        finally:
            late.cancel()
            child.terminate()
            try:
                child.communicate(timeout=STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.kill()


def _until_ready(child: subprocess.Popen[bytes], begin: int, clock: Clock) -> dict[str, float]:
    assert child.stdout is not None, "its output is a pipe"
    found: dict[str, float] = {}
    for line in child.stdout:
        event = json.loads(line)["event"]
        found[event] = (clock.monotonic_ns() - begin) / SECOND
        if event == READY_EVENT:
            if (used := cpu_seconds(child.pid)) is not None:
                found["cpu"] = used.own + used.below
            return found
    raise EOFError


def start_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for the promise on the time to READY."""
    ready = median(result["ready_s"])
    cpu = "" if result["cpu_s"] is None else f", {result['cpu_s']:.2f} s of the processor over all its processes"
    text = (
        f"READY {ready:.2f} s after the command with {len(result['asked']['symbols'])} symbols{cpu}; the limit is "
        f"{LIMIT_S:g} s (without compiled bytecode {result['uncompiled_s']:.1f} s)"
    )
    return [{"ok": ready <= LIMIT_S, "text": text}]
