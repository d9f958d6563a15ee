"""The report of a benchmark: the machine it ran on, its rows as a table, and the verdicts or advice."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import tradebot
from tradebot.bench.measuring import machine_noise

OUR_LIBRARIES = ("uvloop", "numpy", "websockets", "aiohttp", "TA-Lib", "msgspec")
RIVALS_LIBRARIES = ("pandas",)
OURS = frozenset({"tradebot", "tradebot step", "aiohttp, batches of 500", "tradebot history"})


def machine_state(*, writes: bool = False) -> dict[str, Any]:
    """Return the processor, its cores usable by us, the system, the load of the last minute and `cold_ratio`.

    A benchmark that `writes` gets `durable_write_us` as well. `machine_noise` measures both in a quarter of a second.
    """
    found = {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1m": round(os.getloadavg()[0], 2),
        "cold_ratio": round(machine_noise.cold_ratio(), 2),
    }
    return found | ({"durable_write_us": round(machine_noise.durable_write_us(), 1)} if writes else {})


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_line(box: Mapping[str, Any]) -> str:
    """Return the result of `machine_state` in one line."""
    parts = [str(box["processor"]), f"{box['cores']} cores", str(box["system"]), f"load {box['load_1m']} before"]
    if "cold_ratio" in box:
        parts.append(f"work after 20 ms of sleep takes {box['cold_ratio']:.1f} times the CPU (cold)")
    if "durable_write_us" in box:
        parts.append(f"a durable write of 4 kB {box['durable_write_us'] / 1e3:.2f} ms")
    return ", ".join(parts)


def library_versions() -> dict[str, str]:
    """Return the versions of tradebot, Python and the libraries on the tick path, by name."""
    found = {"tradebot": tradebot.__version__, "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in OUR_LIBRARIES}


def result_with_advice(asked: Mapping[str, Any], rows: list[dict[str, Any]], advice: list[str]) -> dict[str, Any]:
    """Return a result with rivals, ready for JSON: request, rows, advice, the machine and the versions."""
    found = library_versions() | {name: importlib.metadata.version(name) for name in RIVALS_LIBRARIES}
    return {"asked": dict(asked), "rows": rows, "advice": advice, "machine": machine_state(), "versions": found}


def promise_verdict(ok: bool, good: str, bad: str, *, instead: bool = False) -> dict[str, Any]:
    """Return the verdict on a promise: `good` if `ok`, else `good` followed by `bad`, or `bad` alone if `instead`."""
    return {"ok": ok, "text": good if ok else bad if instead else good + bad}


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Print the rows of a result as a table with a column per key, then the footer."""
    rows = result["rows"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name.replace("_", " "), justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*map(_cell, row.values()), style="green" if row.get("rival") in OURS else None)
    console.print(table)
    print_footer(result, console)


def print_footer(result: Mapping[str, Any], console: Console) -> None:
    """Print the machine and the versions of a result, then its verdicts or its advice."""
    console.print("\n" + machine_line(result["machine"]))
    console.print(", ".join(f"{name} {number}" for name, number in result["versions"].items()) + "\n")
    for verdict in result.get("verdicts", ()):
        console.print(f"[green]ok [/]  {verdict['text']}" if verdict["ok"] else f"[red]BAD[/]  {verdict['text']}")
    for line in result.get("advice", ()):
        console.print(line)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
