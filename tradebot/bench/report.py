"""What a benchmark says: the machine it ran on, its figures as a table, and a verdict in plain words."""

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
from tradebot.bench import moment
from tradebot.config.sections import BarsSection

STANDS_ON = ("uvloop", "numpy", "websockets", "aiohttp", "TA-Lib", "msgspec")
LAG_LIMIT_MS = 20.0


def machine(*, writes: bool = False) -> dict[str, Any]:
    """Return the processor, its cores usable by us, the system and the load of the last minute.

    With them what the machine does to a measurement just now: `cold_ratio` and, for what `writes`, `durable_write_us`,
    as `moment` measures them in a quarter of a second.
    """
    found = {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1m": round(os.getloadavg()[0], 2),
        "cold_ratio": round(moment.cold_ratio(), 2),
    }
    return found | ({"durable_write_us": round(moment.durable_write_us(), 1)} if writes else {})


def cores() -> int:
    """Return how many cores we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described(box: Mapping[str, Any]) -> str:
    """Return what `machine` found, in one line."""
    parts = [str(box["processor"]), f"{box['cores']} cores", str(box["system"]), f"load {box['load_1m']} before"]
    if "cold_ratio" in box:
        parts.append(f"work after 20 ms of sleep takes {box['cold_ratio']:.1f} times the CPU (cold)")
    if "durable_write_us" in box:
        parts.append(f"a durable write of 4 kB {box['durable_write_us'] / 1e3:.2f} ms")
    return ", ".join(parts)


def versions() -> dict[str, str]:
    """Return the versions of tradebot, Python and the libraries on the tick path."""
    found = {"tradebot": tradebot.__version__, "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in STANDS_ON}


def verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise of the tick path that the figures keep or break."""
    ticks, latency = result["ticks"], result["latency_us"]
    lag, order = latency.get("loop_lag"), latency.get("quote_to_order")
    missing = ticks["expected"] - ticks["sent"]
    merged = ticks["merged"] + ticks["merged_by_exchange"]
    found = [
        verdict(missing == 0, f"{ticks['sent']:,} ticks were sent", f", {missing:,} fewer than asked for"),
        verdict(ticks["lost"] == 0, "no tick was lost", f"{abs(ticks['lost']):,} ticks do not add up", instead=True),
        verdict(ticks["late"] == 0, "no tick was late", f"{ticks['late']:,} ticks were late", instead=True),
        verdict(merged == 0, "no tick was merged", f"{merged:,} ticks were merged into newer ones", instead=True),
    ]
    if lag is not None:
        text = f"loop lag p99 is {lag['p99'] / 1e3:.1f} ms, the limit is {LAG_LIMIT_MS:g} ms"
        found.append({"ok": lag["p99"] < LAG_LIMIT_MS * 1e3, "text": text})
    if order is not None:
        text = (
            f"quote to order p99 is {order['p99'] / 1e3:.1f} ms over {result['orders']['orders']:,} orders, "
            f"{BarsSection().grace_s * 1e3:g} ms of it the wait of a bar for late quotes"
        )
        found.append({"ok": True, "text": text})
    elif result["asked"]["strategy"] is not None:
        found.append({"ok": False, "text": "no order was sent, so quote to order was not measured; run longer"})
    return found


def show(result: dict[str, Any], console: Console) -> None:
    """Print a result as a table, the machine and the verdicts below it."""
    asked, ticks, cpu = result["asked"], result["ticks"], result["cpu"]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("symbols", f"{asked['symbols']:,}", f"{asked['rate']:g} tick/s each for {asked['seconds']:g} s")
    table.add_row("sent", f"{ticks['sent']:,}", f"of {ticks['expected']:,} over {ticks['connections']} connection(s)")
    table.add_row("received", f"{ticks['received']:,}", _reasons(ticks["dropped"]))
    for name in ("lost", "late"):
        table.add_row(name, f"{ticks[name]:,}")
    table.add_row("merged", f"{ticks['merged']:,}", f"by the exchange {ticks['merged_by_exchange']:,}")
    table.add_row("bars", f"{result['bars']:,}", f"of {asked['interval']}; {result['signals']:,} signals")
    orders = result["orders"]
    table.add_row("orders", f"{orders['orders']:,}", ", ".join(f"{n} {k}" for k, n in orders.items() if k != "orders"))
    for name, figures in result["latency_us"].items():
        rest = f"p50 {_ms(figures['p50'])}, max {_ms(figures['max'])}"
        table.add_row(f"{name.replace('_', ' ')} p99", _ms(figures["p99"]), rest)
    if cpu["daemon_s"] is not None:
        table.add_row(
            "daemon CPU", f"{cpu['daemon_s']:.1f} s", f"of {cpu['seconds']:g} s; workers {cpu['workers_s']:.1f} s"
        )
        table.add_row("  a tick", f"{cpu['daemon_us_per_tick']:.1f} us", "without workers")
    if cpu["daemon_peak_mb"] is not None:
        table.add_row("daemon memory", f"{cpu['daemon_peak_mb']:.0f} MB", "peak, without workers")
    if cpu["exchange_s"] is not None:
        table.add_row("exchange CPU", f"{cpu['exchange_s']:.1f} s")
    console.print(table)
    _show_rest(result, console)


def show_rows(result: dict[str, Any], console: Console) -> None:
    """Print the rows of a result as a table, a column for each of their names, then the machine and the verdicts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in result["rows"][0].items():
        table.add_column(name.replace("_", " "), justify="left" if isinstance(value, str) else "right")
    for row in result["rows"]:
        table.add_row(*map(_cell, row.values()), style="green" if row.get("rival") == "tradebot" else None)
    console.print(table)
    _show_rest(result, console)


def _show_rest(result: dict[str, Any], console: Console) -> None:
    console.print("\n" + described(result["machine"]))
    console.print(", ".join(f"{name} {number}" for name, number in result["versions"].items()) + "\n")
    for verdict in result["verdicts"]:
        console.print(f"[green]ok [/]  {verdict['text']}" if verdict["ok"] else f"[red]BAD[/]  {verdict['text']}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def verdict(ok: bool, good: str, bad: str, *, instead: bool = False) -> dict[str, Any]:
    """Return what is said of a promise that was kept (`good`) or broken (`bad`, behind `good` unless `instead`)."""
    return {"ok": ok, "text": good if ok else bad if instead else good + bad}


def _reasons(dropped: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in dropped.items())


def _ms(us: float) -> str:
    return f"{us / 1e3:,.2f} ms"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
